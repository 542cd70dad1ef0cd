/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Listeners that wait for descriptors.  ntirpc arms a listener once per event,
 * and its own function arms it again when it has accepted: until then nothing
 * is reported, so nothing spins.
 *
 * Some descriptors are kept in reserve: another thread may take the last one
 * between our look and ntirpc's accept(), which would not come back then.
 * listener_tick() sees that, and gives one up.
 */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include "listener.h"
#include "rpcbuf/os/clock.h"

#define LISTENERS_MAX 32
#define RESERVE	      4
/* That must be free before one is taken. */
#define FREE_LEAST    4
/* Looks after which an accept() that has not returned is stuck. */
#define STUCK_TICKS   2

static struct {
	pthread_mutex_t lock; /* all of it, but for `accepting` */
	enum xprt_stat (*stock)(SVCXPRT *xprt);
	bool (*claim)(SVCXPRT *xprt);
	void (*accepted)(SVCXPRT *xprt);
	SVCXPRT *waiting[LISTENERS_MAX];
	unsigned int nr_waiting;
	int reserve[RESERVE];
	unsigned int nr_reserve;
	unsigned int accepting; /* threads; atomic */
	unsigned int stuck;	/* ticks in a row */
	bool over;	/* nothing is accepted any more */
	bool said;	/* that listeners wait, since they do */
	uint64_t say_ns; /* ... not before that */
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* What this thread accepts. */
static __thread struct {
	SVCXPRT *got;
	bool now;
} accepting;

static int any_descriptor(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void fill_reserve(void)
{
	while (listeners.nr_reserve < RESERVE) {
		int fd = any_descriptor();

		if (fd < 0)
			return;
		listeners.reserve[listeners.nr_reserve++] = fd;
	}
}

/* With the lock held. */
static bool descriptors_left(void)
{
	int fds[FREE_LEAST];
	unsigned int nr = 0;

	fill_reserve();
	while (nr < FREE_LEAST && (fds[nr] = any_descriptor()) >= 0)
		nr++;
	for (unsigned int i = 0; i < nr; i++)
		close(fds[i]);
	return nr == FREE_LEAST;
}

void listener_init(enum xprt_stat (*stock)(SVCXPRT *xprt),
		   bool (*claim)(SVCXPRT *xprt),
		   void (*accepted)(SVCXPRT *xprt))
{
	pthread_mutex_lock(&listeners.lock);
	listeners.stock = stock;
	listeners.claim = claim;
	listeners.accepted = accepted;
	fill_reserve();
	pthread_mutex_unlock(&listeners.lock);
}

/*
 * In the place of a listener's rendezvous_cb: the server gets to know a new
 * connection, before ntirpc waits for its bytes.  The server's own is in the
 * listener's xp_u1, which neither ntirpc nor Ganesha uses.
 */
static enum xprt_stat rendezvous(SVCXPRT *xprt)
{
	svc_xprt_fun_t stock = (svc_xprt_fun_t)__atomic_load_n(
		&xprt->xp_parent->xp_u1, __ATOMIC_ACQUIRE);
	enum xprt_stat stat = stock(xprt);

	if (accepting.now && !accepting.got && listeners.claim(xprt)) {
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
		accepting.got = xprt;
	}
	return stat;
}

/* Once for each listener; two threads at once do the same. */
static void hook_listener(SVCXPRT *xprt)
{
	svc_xprt_fun_t stock = __atomic_load_n(&xprt->xp_dispatch.rendezvous_cb,
					       __ATOMIC_ACQUIRE);

	if (stock == rendezvous)
		return;
	__atomic_store_n(&xprt->xp_u1, (void *)stock, __ATOMIC_RELEASE);
	__atomic_store_n(&xprt->xp_dispatch.rendezvous_cb, rendezvous,
			 __ATOMIC_RELEASE);
}

static enum xprt_stat accept_one(SVCXPRT *xprt)
{
	enum xprt_stat stat;

	hook_listener(xprt);
	accepting.now = true;
	accepting.got = NULL;
	__atomic_fetch_add(&listeners.accepting, 1, __ATOMIC_RELAXED);
	stat = listeners.stock(xprt);
	__atomic_fetch_sub(&listeners.accepting, 1, __ATOMIC_RELAXED);
	accepting.now = false;
	if (accepting.got) {
		listeners.accepted(accepting.got);
		SVC_RELEASE(accepting.got, SVC_RELEASE_FLAG_NONE);
	}
	return stat;
}

/* Clients that come and go take turns with the last descriptors: a line a
 * second is enough.  With the lock held. */
static bool is_to_be_said(void)
{
	uint64_t now = os_now();

	listeners.said &= listeners.nr_waiting > 0;
	if (!listeners.nr_waiting || listeners.said || now < listeners.say_ns)
		return false;
	listeners.said = true;
	listeners.say_ns = now + OS_SECOND_NS;
	return true;
}

static void say_waiting(void)
{
	LogWarn(COMPONENT_DISPATCH,
		"RPCBUF: not accepting connections for now: no descriptor is free");
}

enum xprt_stat listener_recv(SVCXPRT *xprt)
{
	bool waits, say;

	pthread_mutex_lock(&listeners.lock);
	if (listeners.over) {
		pthread_mutex_unlock(&listeners.lock);
		return SVC_STAT(xprt);
	}
	waits = !descriptors_left() && listeners.nr_waiting < LISTENERS_MAX;
	if (waits) {
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
		listeners.waiting[listeners.nr_waiting++] = xprt;
	}
	say = is_to_be_said();
	pthread_mutex_unlock(&listeners.lock);
	if (say)
		say_waiting();
	return waits ? SVC_STAT(xprt) : accept_one(xprt);
}

/* A listener that somebody has connected to, or that is gone. */
static SVCXPRT *take_waiting(void)
{
	for (unsigned int i = 0; i < listeners.nr_waiting; i++) {
		SVCXPRT *xprt = listeners.waiting[i];
		struct pollfd pfd = {.fd = xprt->xp_fd, .events = POLLIN};

		if (!(xprt->xp_flags & SVC_XPRT_FLAG_DESTROYED) &&
		    poll(&pfd, 1, 0) <= 0)
			continue;
		listeners.waiting[i] =
			listeners.waiting[--listeners.nr_waiting];
		return xprt;
	}
	return NULL;
}

/* With the lock held. */
static void help_stuck(void)
{
	if (!__atomic_load_n(&listeners.accepting, __ATOMIC_RELAXED))
		listeners.stuck = 0;
	else if (++listeners.stuck >= STUCK_TICKS && listeners.nr_reserve)
		close(listeners.reserve[--listeners.nr_reserve]);
}

bool listener_tick(void)
{
	SVCXPRT *xprt = NULL;
	bool waiting, say;

	do {
		pthread_mutex_lock(&listeners.lock);
		help_stuck();
		xprt = listeners.nr_waiting && descriptors_left()
			       ? take_waiting()
			       : NULL;
		waiting = listeners.nr_waiting > 0;
		say = is_to_be_said();
		pthread_mutex_unlock(&listeners.lock);
		if (say)
			say_waiting();
		if (!xprt)
			break;
		if (!(xprt->xp_flags & SVC_XPRT_FLAG_DESTROYED))
			accept_one(xprt);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	} while (true);
	return waiting ||
	       __atomic_load_n(&listeners.accepting, __ATOMIC_RELAXED);
}

void listener_end(void)
{
	pthread_mutex_lock(&listeners.lock);
	listeners.over = true;
	while (listeners.nr_waiting)
		SVC_RELEASE(listeners.waiting[--listeners.nr_waiting],
			    SVC_RELEASE_FLAG_NONE);
	while (listeners.nr_reserve)
		close(listeners.reserve[--listeners.nr_reserve]);
	pthread_mutex_unlock(&listeners.lock);
}
