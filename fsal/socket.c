/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <rpc/svc_rqst.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "socket.h"

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

static int connect_pair(struct pair *pair, int family)
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

int socket_pair(struct pair *pair, int family)
{
	int err;

	*pair = (struct pair){-1, -1, -1};
	err = connect_pair(pair, family);
	if (err) {
		socket_pair_close(pair);
		*pair = (struct pair){-1, -1, -1};
	}
	return err;
}

void socket_pair_close(const struct pair *pair)
{
	const int fds[] = {pair->listening, pair->connecting, pair->accepted};

	for (unsigned int i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* The registration follows its file: it ends when that is closed, which happens
 * as the socket takes its place.  ntirpc need not take it off then. */
int socket_register_apart(SVCXPRT *xprt, int fd)
{
	int nothing = eventfd(0, EFD_CLOEXEC), err = 0;

	if (nothing < 0)
		return -errno;
	if (dup3(nothing, xprt->xp_fd, O_CLOEXEC) < 0)
		err = -errno;
	close(nothing);
	if (!err)
		err = -svc_rqst_evchan_reg(0, xprt,
					   SVC_RQST_FLAG_CHAN_AFFINITY);
	if (!err && dup3(fd, xprt->xp_fd, O_CLOEXEC) < 0)
		err = -errno;
	atomic_clear_uint16_t_bits(&xprt->xp_flags, SVC_XPRT_FLAG_ADDED_RECV);
	if (!err)
		close(fd);
	return err;
}
