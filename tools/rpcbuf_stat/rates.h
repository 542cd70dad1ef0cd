/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rates.h - a line of rates for each interval.
 */
#ifndef RPCBUF_STAT_RATES_H
#define RPCBUF_STAT_RATES_H

#include "tools/common/attach.h"

enum rates_form {
	RATES_TEXT, /* fits in 80 columns */
	RATES_WIDE,
	RATES_JSON,
};

/* Prints until @count lines are out (0: no limit) or the program ends. */
int rates(const struct server *server, unsigned int interval,
	  unsigned int count, enum rates_form form, struct fault *fault);

#endif
