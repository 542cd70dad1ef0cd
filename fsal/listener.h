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

/* Registers @xprt with ntirpc's events.  0; -EMFILE where no descriptor is left,
 * -errno. */
int listener_watch(SVCXPRT *xprt);

/*
 * listener_register - give @xprt its socket @fd, registered with ntirpc's events,
 * but not for any of the socket.
 *
 * It is registered with a descriptor that never has an event, and @fd takes the
 * place of that.  A transport that is not registered would be, with its socket,
 * and given another function for its calls, when the server makes a client of
 * it.  @fd is closed then.  Takes a descriptor for a moment.  0; or -errno, @fd
 * is still the caller's, and @xprt is to be tried again or destroyed.
 */
int listener_register(SVCXPRT *xprt, int fd);

/* Nothing is accepted any more when this returns. */
void listener_stop(void);

#endif /* FSAL_RPCBUF_LISTENER_H */
