/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listen.h - serves the figures over HTTP for Prometheus.
 */
#ifndef RPCBUF_STAT_LISTEN_H
#define RPCBUF_STAT_LISTEN_H

#include "tools/common/attach.h"

/*
 * Serves /metrics on @address (HOST:PORT; [HOST]:PORT for IPv6) until SIGINT or
 * SIGTERM.  Each request searches for the program again, so it may restart in
 * between.  Without one the response is 503 with the error.
 */
int listen_for_scrapes(const char *address, const struct target *target,
		       struct fault *fault);

#endif
