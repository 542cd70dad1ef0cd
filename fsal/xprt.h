/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xprt.h - ntirpc's transports, with our functions in their tables.
 *
 * All connected TCP transports of the process share one table of functions
 * (struct xp_ops), all TCP listeners another, and all clients over connections a
 * third: see facts.h.
 */
#ifndef FSAL_RPCBUF_XPRT_H
#define FSAL_RPCBUF_XPRT_H

#include <rpcbuf/engine.h>

/* Before anything of the server's is exchanged, once its RPC is up: facts_find(),
 * for xprt_hook(). */
int xprt_try(char *why, size_t len);

/*
 * xprt_hook - from now on no byte of a TCP connection is read by ntirpc, but
 * for a record that it is reading just now, and none is sent by it on a
 * connection that is adopted.
 *
 * What is accepted from now on @engine adopts; what was before is shut down at
 * its next event.  A connection that the server opened itself is adopted with its
 * first one, unless something was read from it.
 *
 * @handlers: the engine's, which also say how the thread that accepts starts and
 * logs.  @listeners_gone is called by the thread that shuts the server down, as soon
 * as it takes the first listener away.  Returns 0, or -errno with nothing
 * hooked and a sentence in @why.  After xprt_try().
 */
int xprt_hook(struct rpcbuf_engine *engine,
	      const struct rpcbuf_handlers *handlers,
	      void (*listeners_gone)(void), char *why, size_t len);

/* The engine has stopped and will be gone: what still comes is shut down.  Our
 * functions stay in the tables. */
void xprt_end(void);

/* The engine's handler for a connection whose conn_data is its SVCXPRT. */
void xprt_closed(void *conn_data, enum rpcbuf_close_reason reason);

#endif
