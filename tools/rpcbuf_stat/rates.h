/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rates.h - a line of rates per interval, as vmstat prints them.
 */
#ifndef RPCBUF_STAT_RATES_H
#define RPCBUF_STAT_RATES_H

#include "server.h"

/*
 * Prints a line every @interval seconds until the server ends; after @count
 * lines, unless that is 0, returns STAT_OK.
 */
int rates(const struct server *server, unsigned int interval,
	  unsigned int count, struct fault *fault);

#endif
