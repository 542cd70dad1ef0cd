/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Connections within one host.  A congestion control that paces what it sends
 * (BBR) waits there for a network that does not exist: replies of 1 MiB took
 * 1.6 times as long as with one that does not.  So such a connection gets the
 * congestion control that the options name.  Any thread.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "rpcbuf/engine/address.h"
#include "rpcbuf/engine/engine_private.h"

/* Both ends have the same address, or one of those that stay in the host. */
static bool is_local(int fd)
{
	union address ours = address_of_socket(fd), peer = address_of_peer(fd);
	struct in6_addr our_ip = address_ipv6(&ours),
			peer_ip = address_ipv6(&peer);

	if (IN6_IS_ADDR_UNSPECIFIED(&peer_ip))
		return false;
	return IN6_ARE_ADDR_EQUAL(&peer_ip, &our_ip) ||
	       (IN6_IS_ADDR_V4MAPPED(&peer_ip) &&
		peer_ip.s6_addr[12] == IN_LOOPBACKNET);
}

/* Whether @fd is one. */
bool local_tune(struct rpcbuf_engine *engine, int fd)
{
	const char *name = engine->local_congestion;

	if (!is_local(fd))
		return false;
	if (*name &&
	    setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name,
		       (socklen_t)strlen(name)) < 0 &&
	    errno != EOPNOTSUPP)
		engine_log(
			engine, RPCBUF_LOG_INFO,
			"a connection within this host keeps its congestion control: \"%s\": %s",
			name, strerror(errno));
	return true;
}
