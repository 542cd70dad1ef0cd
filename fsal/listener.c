/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The thread that accepts, what it waits for, and how a connection is made.
 *
 * ntirpc makes a transport of a socket only where it can ask for the peer's
 * address, and forgets half of one otherwise: a peer may have reset it.  So it
 * gets a socket that nobody resets, and the real one takes its place.
 *
 * ntirpc knows transports by their descriptors, and a thread of its epoll may be
 * about to look up one that was closed just now, of those that the server opens
 * itself.  It must not find one of ours that is being made, so ours have numbers
 * of their own, from `first_fd` on; the system gives the server the lowest.
 *
 * Without a free descriptor nothing is accepted, and the thread looks ten times
 * a second for one.  Some are kept in reserve, so that what was accepted can
 * always be made a connection of.
 *
 * `lock` is for what others see of the listeners, of which there are only ever
 * more; all else is the thread's.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "listener.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "socket.h"

#define LISTENERS_MAX 32u
/* Descriptors that making one connection takes. */
#define RESERVE	      4u
#define PAUSE_MS      100
/* Accepted in a row before another listener has its turn. */
#define TURN	      64u
#define FIRST_FD_MAX  65536u

static struct {
	pthread_mutex_t lock;
	SVCXPRT *xprts[LISTENERS_MAX];
	int fds[LISTENERS_MAX]; /* ours, of their sockets, or -1: the thread's */
	unsigned int nr;
	bool stopping;

	void (*accepted)(SVCXPRT *xprt);
	struct pair inet, inet6; /* stand in for the real ones */
	int first_fd;
	int reserve[RESERVE];
	unsigned int nr_reserve;
	int wake; /* eventfd: another listener, or the stop */
	pthread_t thread;
	bool runs;
	bool paused;
	uint64_t say_ns; /* when to say that again */
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* True when it is full. */
static bool fill_reserve(void)
{
	while (listeners.nr_reserve < RESERVE) {
		int fd = fcntl(listeners.wake, F_DUPFD_CLOEXEC,
			       listeners.first_fd);

		if (fd < 0)
			return false;
		listeners.reserve[listeners.nr_reserve++] = fd;
	}
	return true;
}

static bool give_one_up(void)
{
	if (!listeners.nr_reserve)
		return false;
	close(listeners.reserve[--listeners.nr_reserve]);
	return true;
}

static int stand_in_for(int family)
{
	return family == AF_INET6 ? listeners.inet6.accepted
				  : listeners.inet.accepted;
}

/* A descriptor of our range, for something else than the connection. */
static int reserve_number(int family)
{
	int fd;

	do
		fd = fcntl(stand_in_for(family), F_DUPFD_CLOEXEC,
			   listeners.first_fd);
	while (fd < 0 && give_one_up());
	return fd;
}

/* As ntirpc's own function does it, in the order in which others can look. */
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

static bool put_in_place(SVCXPRT *xprt, int fd)
{
	int err;

	do
		err = socket_register_apart(xprt, fd);
	while (err && give_one_up());
	return !err;
}

/* @fd was accepted: it becomes a transport's, or is closed. */
static void make(SVCXPRT *listener, int fd,
		 const struct sockaddr_storage *peer, socklen_t len)
{
	const uint32_t flags =
		SVC_CREATE_FLAG_XPRT_NOREG | SVC_CREATE_FLAG_CLOSE;
	int number = reserve_number(peer->ss_family), one = 1;
	SVCXPRT *xprt = NULL;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (number >= 0)
		xprt = svc_fd_ncreatef(number, 0, 0, flags);
	if (!xprt) {
		/* The server's limit of connections, most likely. */
		if (number >= 0)
			close(number);
		close(fd);
		return;
	}
	if (!put_in_place(xprt, fd)) {
		close(fd);
		SVC_DESTROY(xprt);
	} else {
		introduce(xprt, listener, peer, len);
		if (listener->xp_dispatch.rendezvous_cb(xprt) == XPRT_IDLE)
			listeners.accepted(xprt);
		else
			SVC_DESTROY(xprt);
	}
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

/* False when there is no descriptor for it. */
static bool accept_some(SVCXPRT *listener, int listening)
{
	struct sockaddr_storage peer;

	for (unsigned int i = 0; i < TURN; i++) {
		socklen_t len = sizeof(peer);
		int fd;

		if (!fill_reserve())
			return false;
		fd = accept4(listening, (struct sockaddr *)&peer, &len,
			     SOCK_CLOEXEC);
		if (fd < 0)
			return errno != EMFILE && errno != ENFILE &&
			       errno != ENOBUFS && errno != ENOMEM;
		make(listener, fd, &peer, len);
	}
	return true;
}

/* Clients that come and go take turns with the last descriptors: a line a
 * second is enough. */
static void set_paused(bool paused)
{
	uint64_t now = os_now();
	bool say = paused && !listeners.paused && now >= listeners.say_ns;

	listeners.paused = paused;
	if (!say)
		return;
	listeners.say_ns = now + OS_SECOND_NS;
	LogWarn(COMPONENT_DISPATCH,
		"RPCBUF: not accepting connections for now: no descriptor is free");
}

/* A descriptor of ours, of a listener's socket: the server closes its own before
 * it says so. */
static int own_descriptor(unsigned int i)
{
	int *fd = &listeners.fds[i];

	while (*fd < 0) {
		*fd = fcntl(listeners.xprts[i]->xp_fd, F_DUPFD_CLOEXEC, 0);
		if (*fd >= 0)
			(void)fcntl(*fd, F_SETFL,
				    fcntl(*fd, F_GETFL) | O_NONBLOCK);
		else if (!give_one_up())
			break;
	}
	return *fd;
}

/* Waits for connections, or while paused for a while; returns how many listeners
 * there are to look at. */
static unsigned int wait_for_any(struct pollfd *pfds)
{
	unsigned int nr;

	pthread_mutex_lock(&listeners.lock);
	nr = listeners.nr;
	pthread_mutex_unlock(&listeners.lock);
	for (unsigned int i = 0; i < nr; i++)
		pfds[i] = (struct pollfd){own_descriptor(i), POLLIN, 0};
	if (listeners.paused) {
		struct pollfd wake = {listeners.wake, POLLIN, 0};

		poll(&wake, 1, PAUSE_MS);
		poll(pfds, nr, 0);
		return nr;
	}
	pfds[nr] = (struct pollfd){listeners.wake, POLLIN, 0};
	poll(pfds, nr + 1, -1);
	return nr;
}

static bool is_stopping(void)
{
	uint64_t woken;
	bool stopping;

	(void)!read(listeners.wake, &woken, sizeof(woken));
	pthread_mutex_lock(&listeners.lock);
	stopping = listeners.stopping;
	pthread_mutex_unlock(&listeners.lock);
	return stopping;
}

static void *accept_main(void *arg)
{
	struct pollfd pfds[LISTENERS_MAX + 1];

	(void)arg;
	SetNameFunction("rpcbuf-accept");
	while (!is_stopping()) {
		unsigned int nr = wait_for_any(pfds);
		bool all = true;

		for (unsigned int i = 0; i < nr && all; i++)
			if (pfds[i].revents)
				all = accept_some(listeners.xprts[i],
						  pfds[i].fd);
		set_paused(!all);
	}
	return NULL;
}

static void wake(void)
{
	const uint64_t one = 1;

	(void)!write(listeners.wake, &one, sizeof(one));
}

/* The half of what the process may have that is the higher, or less. */
static int choose_first_fd(void)
{
	struct rlimit limit = {.rlim_cur = RLIM_INFINITY};

	getrlimit(RLIMIT_NOFILE, &limit);
	return (int)rpcbuf_min(limit.rlim_cur / 2, (rlim_t)FIRST_FD_MAX);
}

int listener_start(void (*accepted)(SVCXPRT *xprt))
{
	sigset_t all, old;
	int err;

	listeners.accepted = accepted;
	listeners.first_fd = choose_first_fd();
	listeners.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (listeners.wake < 0)
		return -errno;
	err = socket_pair(&listeners.inet, AF_INET);
	if (!err)
		err = socket_pair(&listeners.inet6, AF_INET6);
	/* Then no listener has that family. */
	if (err == -EAFNOSUPPORT)
		err = 0;
	if (!err) {
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &old);
		err = -pthread_create(&listeners.thread, NULL, accept_main,
				      NULL);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
	listeners.runs = !err;
	return err;
}

bool listener_take(SVCXPRT *xprt)
{
	int family = xprt->xp_local.ss.ss_family;
	bool taken;

	if ((family != AF_INET && family != AF_INET6) ||
	    stand_in_for(family) < 0)
		return false;
	pthread_mutex_lock(&listeners.lock);
	taken = listeners.nr < LISTENERS_MAX;
	if (taken && !listeners.stopping) {
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
		listeners.xprts[listeners.nr] = xprt;
		listeners.fds[listeners.nr++] = -1;
		wake();
	}
	pthread_mutex_unlock(&listeners.lock);
	return taken;
}

/* The sockets are closed here: while they are ours, nobody else can have their
 * address. */
void listener_stop(void)
{
	pthread_mutex_lock(&listeners.lock);
	listeners.stopping = true;
	pthread_mutex_unlock(&listeners.lock);
	if (!listeners.runs)
		return;
	wake();
	pthread_join(listeners.thread, NULL);
	listeners.runs = false;
	for (unsigned int i = 0; i < listeners.nr; i++) {
		if (listeners.fds[i] >= 0)
			close(listeners.fds[i]);
		SVC_RELEASE(listeners.xprts[i], SVC_RELEASE_FLAG_NONE);
	}
	while (give_one_up())
		;
	socket_pair_close(&listeners.inet);
	socket_pair_close(&listeners.inet6);
	close(listeners.wake);
}
