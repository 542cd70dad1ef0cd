/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * listener.h - accepting connections, while there are descriptors.
 *
 * A listening socket is ours from its first event on: ntirpc is never asked to
 * watch it again, and never sees what is accepted.  A thread of ours accepts.
 */
#ifndef FSAL_RPCBUF_LISTENER_H
#define FSAL_RPCBUF_LISTENER_H

#include "abi.h"

/*
 * listener_start - begin to accept on the listeners that listener_take() gives.
 *
 * @accepted gets each new connection, on the thread that accepts, with a
 * reference that goes back to it when @accepted returns.  The server knows the
 * connection then; ntirpc's epoll does not.  0, or -errno and nothing runs.
 */
int listener_start(void (*accepted)(SVCXPRT *xprt));

/*
 * listener_take - accept on @xprt from now on.
 *
 * False when it cannot be one of ours, as it is no socket of IPv4 or IPv6, or
 * there are too many: it is ntirpc's as before.  Any thread.
 */
bool listener_take(SVCXPRT *xprt);

/* Nothing is accepted any more when this returns. */
void listener_stop(void);

#endif /* FSAL_RPCBUF_LISTENER_H */
