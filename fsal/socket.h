/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * socket.h - sockets that stand in for others while ntirpc makes a transport.
 */
#ifndef FSAL_RPCBUF_SOCKET_H
#define FSAL_RPCBUF_SOCKET_H

#include "abi.h"

/* A listening socket, and both ends of a connection to it, within this host. */
struct pair {
	int listening, connecting, accepted;
};

/* @family: AF_INET or AF_INET6.  0, or -errno and nothing is open. */
int socket_pair(struct pair *pair, int family);

/* Those that are not -1. */
void socket_pair_close(const struct pair *pair);

/*
 * socket_register_apart - give @xprt its socket @fd, registered with ntirpc's
 * events, but not for any of the socket.
 *
 * It is registered with a descriptor that never has an event, and @fd takes the
 * place of that.  A transport that is not registered would be, with its socket,
 * and given another function for its calls, when the server makes a client of
 * it.  @fd is closed then.  Takes a descriptor for a moment.  0; or -errno, @fd
 * is still the caller's and @xprt as before.
 */
int socket_register_apart(SVCXPRT *xprt, int fd);

#endif /* FSAL_RPCBUF_SOCKET_H */
