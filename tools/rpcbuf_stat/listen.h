/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listen.h - the figures over HTTP, for Prometheus.
 */
#ifndef RPCBUF_STAT_LISTEN_H
#define RPCBUF_STAT_LISTEN_H

#include "tools/common/attach.h"

/*
 * Serves /metrics on @address (HOST:PORT; [HOST]:PORT for IPv6) until SIGINT or
 * SIGTERM.  The program is looked for with each request, so it may be started
 * anew meanwhile; without one the answer is 503 with the sentence.
 */
int listen_for_scrapes(const char *address, const struct target *target,
		       struct fault *fault);

#endif
