/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How a connection is made, on the thread that accepts.
 *
 * ntirpc makes a transport of a socket only where it can ask for the peer's
 * address, and forgets half of one otherwise: a peer may have reset it.  So it
 * gets a placeholder socket that no peer resets, and the real one takes its place.
 *
 * ntirpc knows transports by their descriptors, and a thread of its epoll may be
 * about to look up one that was closed just now, of those that the server opens
 * itself.  It must not find one of ours that is being made, so ours have numbers
 * of their own, from `first_fd` on; the system gives the server the lowest.
 *
 * `lock` is for what a thread that takes a listener sees.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <rpc/svc_rqst.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include "listener.h"
#include "rpcbuf/engine/loopback.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/pause.h"

/* Descriptors that making one connection takes. */
#define RESERVE	     4u
#define FIRST_FD_MAX 65536u

static struct {
	pthread_mutex_t lock;
	struct rpcbuf_acceptor *acceptor;
	bool stopped;
	void (*accepted)(SVCXPRT *xprt);
	struct loopback inet, inet6; /* of the placeholders */
	int first_fd;
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Opens a placeholder socket of @family with a descriptor of our range. */
static int open_placeholder(int family)
{
	const struct loopback *pair = family == AF_INET6 ? &listeners.inet6
							 : &listeners.inet;
	int fd;

	do
		fd = fcntl(pair->accepted, F_DUPFD_CLOEXEC, listeners.first_fd);
	while (fd < 0 && !rpcbuf_acceptor_release_fd(listeners.acceptor));
	return fd;
}

/* ntirpc says EINVAL where a channel gets no descriptor for its epoll. */
int listener_watch(SVCXPRT *xprt)
{
	int err = svc_rqst_evchan_reg(0, xprt, SVC_RQST_FLAG_CHAN_AFFINITY);

	return err == EINVAL ? -EMFILE : -err;
}

/* The registration follows its file: it ends when that is closed, which happens
 * as the socket takes its place.  ntirpc need not take it off then. */
int listener_register(SVCXPRT *xprt, int fd)
{
	int nothing = eventfd(0, EFD_CLOEXEC), err = 0;

	if (nothing < 0)
		return -errno;
	if (dup3(nothing, xprt->xp_fd, O_CLOEXEC) < 0)
		err = -errno;
	close(nothing);
	if (!err)
		err = listener_watch(xprt);
	if (!err && dup3(fd, xprt->xp_fd, O_CLOEXEC) < 0)
		err = -errno;
	atomic_clear_uint16_t_bits(&xprt->xp_flags, SVC_XPRT_FLAG_ADDED_RECV);
	if (!err)
		close(fd);
	return err;
}

static bool put_in_place(SVCXPRT *xprt, int fd)
{
	int err;

	do
		err = listener_register(xprt, fd);
	while (err && !rpcbuf_acceptor_release_fd(listeners.acceptor));
	return !err;
}

/* Fills the transport in the order of ntirpc's own function, as others may read it. */
static void introduce(SVCXPRT *xprt, SVCXPRT *listener,
		      const struct sockaddr_storage *peer, socklen_t len)
{
	struct rpc_address *local = &xprt->xp_local;

	memcpy(xprt->xp_remote.nb.buf, peer, len);
	xprt->xp_remote.nb.len = len;
	local->nb.len = sizeof(local->ss);
	getsockname(xprt->xp_fd, local->nb.buf, &local->nb.len);
	if (!xprt->xp_ops->xp_free_user_data)
		xprt->xp_ops->xp_free_user_data =
			listener->xp_ops->xp_free_user_data;
	SVC_REF(listener, SVC_REF_FLAG_NONE);
	xprt->xp_parent = listener;
}

/* Makes a transport of @fd, which was accepted, or closes it. */
static void make_transport(void *data, int fd,
			   const struct sockaddr_storage *peer, socklen_t len)
{
	const uint32_t flags = SVC_CREATE_FLAG_XPRT_NOREG |
			       SVC_CREATE_FLAG_CLOSE;
	SVCXPRT *listener = data, *xprt = NULL;
	int number, one = 1;

	os_pause_at("accepted");
	number = open_placeholder(peer->ss_family);
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (number >= 0)
		xprt = svc_fd_ncreatef(number, 0, 0, flags);
	/* The server's limit of connections, most likely. */
	if (!xprt && number >= 0)
		close(number);
	if (!xprt || !put_in_place(xprt, fd)) {
		close(fd);
		if (xprt)
			SVC_DESTROY(xprt);
	} else {
		introduce(xprt, listener, peer, len);
		os_pause_at("made");
		if (listener->xp_dispatch.rendezvous_cb(xprt) == XPRT_IDLE)
			listeners.accepted(xprt);
		else
			SVC_DESTROY(xprt);
	}
	if (xprt)
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

/* First descriptor of our range: half of the limit, or less. */
static int choose_first_fd(void)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

	getrlimit(RLIMIT_NOFILE, &limit);
	return (int)rpcbuf_min(limit.rlim_cur / 2, (rlim_t)FIRST_FD_MAX);
}

int listener_start(void (*accepted)(SVCXPRT *xprt),
		   void (*thread_start)(const char *name),
		   void (*log)(enum rpcbuf_log_level level, const char *line))
{
	const struct rpcbuf_acceptor_handlers handlers = {
		.size = sizeof(handlers),
		.accepted = make_transport,
		.thread_start = thread_start,
		.log = log,
	};
	int err = loopback_open(&listeners.inet, AF_INET);

	if (!err)
		err = loopback_open(&listeners.inet6, AF_INET6);
	/* Then no listener has that family. */
	if (err && err != -EAFNOSUPPORT)
		return err;
	loopback_stop_listening(&listeners.inet);
	loopback_stop_listening(&listeners.inet6);
	listeners.accepted = accepted;
	listeners.first_fd = choose_first_fd();
	return rpcbuf_acceptor_create(&listeners.acceptor, &handlers, RESERVE,
				      listeners.first_fd);
}

int listener_take(SVCXPRT *xprt)
{
	int family = xprt->xp_local.ss.ss_family, err = 0;

	if (family != AF_INET && family != AF_INET6)
		return -EAFNOSUPPORT;
	pthread_mutex_lock(&listeners.lock);
	if (!listeners.stopped) {
		err = rpcbuf_acceptor_add(listeners.acceptor, xprt->xp_fd,
					  xprt);
		if (!err)
			SVC_REF(xprt, SVC_REF_FLAG_NONE);
	}
	pthread_mutex_unlock(&listeners.lock);
	return err;
}

void listener_stop(void)
{
	bool stopped;

	pthread_mutex_lock(&listeners.lock);
	stopped = listeners.stopped;
	listeners.stopped = true;
	pthread_mutex_unlock(&listeners.lock);
	if (stopped || !listeners.acceptor)
		return;
	rpcbuf_acceptor_destroy(listeners.acceptor);
	loopback_close(&listeners.inet);
	loopback_close(&listeners.inet6);
}
