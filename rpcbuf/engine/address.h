/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* address.h - the two ends of a socket. */
#ifndef RPCBUF_ENGINE_ADDRESS_H
#define RPCBUF_ENGINE_ADDRESS_H

#include <netinet/in.h>
#include <sys/socket.h>

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* AF_UNSPEC where there is none. */
static inline union address address_of_peer(int fd)
{
	union address peer = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(peer);

	if (getpeername(fd, &peer.any, &len) < 0)
		peer.any.sa_family = AF_UNSPEC;
	return peer;
}

static inline union address address_of_socket(int fd)
{
	union address ours = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(ours);

	if (getsockname(fd, &ours.any, &len) < 0)
		ours.any.sa_family = AF_UNSPEC;
	return ours;
}

#endif /* RPCBUF_ENGINE_ADDRESS_H */
