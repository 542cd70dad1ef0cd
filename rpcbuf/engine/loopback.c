/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/engine/loopback.h"

/* By an address of IPv4 in either case: a host may have sockets of IPv6, and no
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

static int connect_pair(struct loopback *pair, int family)
{
	struct sockaddr_storage any;
	struct sockaddr *addr = (struct sockaddr *)&any;
	socklen_t len = loopback(&any, family);

	pair->listening = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair->connecting = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair->listening < 0 || pair->connecting < 0 ||
	    bind(pair->listening, addr, len) < 0 ||
	    listen(pair->listening, 1) < 0 ||
	    getsockname(pair->listening, addr, &len) < 0 ||
	    connect(pair->connecting, addr, len) < 0)
		return -errno;
	pair->accepted = accept4(pair->listening, NULL, NULL, SOCK_CLOEXEC);
	return pair->accepted < 0 ? -errno : 0;
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

void loopback_close(const struct loopback *pair)
{
	const int fds[] = {pair->listening, pair->connecting, pair->accepted};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}
