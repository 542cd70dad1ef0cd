/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* address.h - the two ends of a socket. */
#ifndef RPCBUF_ENGINE_ADDRESS_H
#define RPCBUF_ENGINE_ADDRESS_H

#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
	struct sockaddr_storage storage;
};

/* @get: getpeername or getsockname.  AF_UNSPEC when there is no address. */
static inline union address
address_of(int fd, int (*get)(int, struct sockaddr *, socklen_t *))
{
	union address address = {.any.sa_family = AF_UNSPEC};
	socklen_t len = sizeof(address);

	if (get(fd, &address.any, &len) < 0)
		address.any.sa_family = AF_UNSPEC;
	return address;
}

static inline union address address_of_peer(int fd)
{
	return address_of(fd, getpeername);
}

static inline union address address_of_socket(int fd)
{
	return address_of(fd, getsockname);
}

/* An IPv4 address is mapped into IPv6, as a socket of both families shows it;
 * "::" when there is no address. */
static inline struct in6_addr address_ipv6(const union address *address)
{
	struct in6_addr ip = {.s6_addr = {[10] = 0xff, [11] = 0xff}};

	if (address->any.sa_family == AF_INET6)
		return address->in6.sin6_addr;
	if (address->any.sa_family != AF_INET)
		return in6addr_any;
	memcpy(&ip.s6_addr[12], &address->in.sin_addr, 4);
	return ip;
}

#endif /* RPCBUF_ENGINE_ADDRESS_H */
