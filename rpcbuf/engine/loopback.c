/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/engine/loopback.h"

/* An address of IPv4 in either case: a host may have sockets of IPv6, and no
 * address. */
static socklen_t loopback(struct sockaddr_storage *any, int family)
{
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)any;
	struct sockaddr_in *in = (struct sockaddr_in *)any;

	*any = (struct sockaddr_storage){.ss_family = (sa_family_t)family};
	if (family == AF_INET6) {
		inet_pton(AF_INET6, "::ffff:127.0.0.1", &in6->sin6_addr);
		return sizeof(*in6);
	}
	in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return sizeof(*in);
}

/* A socket of IPv6 takes that address too, whatever net.ipv6.bindv6only is. */
static int open_socket(int family)
{
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), off = 0;

	if (fd >= 0 && family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off,
				 sizeof(off));
	return fd;
}

/* True when @peer is @connecting: any process may connect to a listening
 * socket. */
static bool is_from(const struct sockaddr_storage *peer, socklen_t len,
		    int connecting)
{
	struct sockaddr_storage own = {0};
	socklen_t own_len = sizeof(own);

	return getsockname(connecting, (struct sockaddr *)&own, &own_len) ==
		       0 &&
	       own_len == len && !memcmp(&own, peer, len);
}

static int accept_pair(struct loopback *pair)
{
	for (;;) {
		struct sockaddr_storage peer = {0};
		socklen_t len = sizeof(peer);

		pair->accepted = accept4(pair->listening,
					 (struct sockaddr *)&peer, &len,
					 SOCK_CLOEXEC);
		if (pair->accepted < 0)
			return -errno;
		if (is_from(&peer, len, pair->connecting))
			return 0;
		close(pair->accepted);
	}
}

static int connect_pair(struct loopback *pair, int family)
{
	struct sockaddr_storage any;
	struct sockaddr *addr = (struct sockaddr *)&any;
	socklen_t len = loopback(&any, family);

	pair->listening = open_socket(family);
	pair->connecting = open_socket(family);
	if (pair->listening < 0 || pair->connecting < 0 ||
	    bind(pair->listening, addr, len) < 0 ||
	    listen(pair->listening, 8) < 0 ||
	    getsockname(pair->listening, addr, &len) < 0 ||
	    connect(pair->connecting, addr, len) < 0)
		return -errno;
	return accept_pair(pair);
}

int loopback_open(struct loopback *pair, int family)
{
	int err;

	*pair = (struct loopback){-1, -1, -1};
	err = connect_pair(pair, family);
	if (err) {
		loopback_close(pair);
		*pair = (struct loopback){-1, -1, -1};
	}
	return err;
}

void loopback_stop_listening(struct loopback *pair)
{
	if (pair->listening >= 0)
		close(pair->listening);
	pair->listening = -1;
}

void loopback_close(const struct loopback *pair)
{
	const int fds[] = {pair->listening, pair->connecting, pair->accepted};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
