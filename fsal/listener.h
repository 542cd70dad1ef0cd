/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listener.h - connections that are accepted by us.
 *
 * A listening socket is ours from its first event on: ntirpc is never asked to
 * watch it again, and never sees what is accepted (rpcbuf/acceptor.h).
 */
#ifndef FSAL_RPCBUF_LISTENER_H
#define FSAL_RPCBUF_LISTENER_H

#include <rpcbuf/acceptor.h>

#include "abi.h"

/*
 * listener_start - begin to accept on the listeners that listener_take() gives.
 *
 * @accepted gets each new connection, on the thread that accepts, with a
 * reference that goes back to it when @accepted returns.  The server knows the
 * connection then; ntirpc's epoll does not.  @thread_start and @log: as in
 * rpcbuf/acceptor.h.  0, or -errno and nothing runs.
 */
int listener_start(void (*accepted)(SVCXPRT *xprt),
		   void (*thread_start)(const char *name),
		   void (*log)(enum rpcbuf_log_level level, const char *line));

/* Accepts on @xprt from now on, unless that has stopped.  0, and it keeps a
 * reference; -EAFNOSUPPORT for what is no socket of IPv4 or IPv6; -errno.  Any
 * thread. */
int listener_take(SVCXPRT *xprt);

/* Nothing is accepted any more when this returns. */
void listener_stop(void);

#endif /* FSAL_RPCBUF_LISTENER_H */
