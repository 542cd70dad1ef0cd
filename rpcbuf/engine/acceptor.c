/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The thread that accepts connections, and the descriptors that it holds in
 * reserve.
 *
 * `lock` guards the list of listeners, which only grows, and the reserve.  The
 * only system calls under it open and close descriptors of the reserve, and
 * duplicate a listening socket.  All
 * else belongs to the thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <rpcbuf/acceptor.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/sized.h"
#include "rpcbuf/os/thread.h"

#define LISTENERS_MAX 64u
#define RESERVE_MAX   64u
#define PAUSE_MS      100
/* Connections accepted from one listener before the next one is served. */
#define ACCEPT_BATCH  64u

struct rpcbuf_acceptor {
	struct rpcbuf_acceptor_handlers handlers;
	uint32_t process; /* fork_generation() of the thread's process */
	pthread_t thread;
	int wake; /* eventfd: another listener, or the end */
	bool paused;
	uint64_t next_log_ns; /* earliest time of the next warning */
	pthread_mutex_t lock;
	struct {
		int fd;
		void *data;
	} listeners[LISTENERS_MAX]; /* an entry in the list does not change */
	unsigned int nr;
	bool stopping;
	int first, reserve[RESERVE_MAX];
	unsigned int nr_reserve, wanted;
};

static bool in_child(const struct rpcbuf_acceptor *a)
{
	return a->process != fork_generation();
}

/* Under the lock. */
static bool close_one(struct rpcbuf_acceptor *a)
{
	if (!a->nr_reserve)
		return false;
	close(a->reserve[--a->nr_reserve]);
	return true;
}

int rpcbuf_acceptor_release_fd(struct rpcbuf_acceptor *a)
{
	bool closed;

	if (in_child(a))
		return -EPERM;
	pthread_mutex_lock(&a->lock);
	closed = close_one(a);
	pthread_mutex_unlock(&a->lock);
	return closed ? 0 : -ENOENT;
}

/* True when it is full. */
static bool fill_reserve(struct rpcbuf_acceptor *a)
{
	bool full;

	pthread_mutex_lock(&a->lock);
	while (a->nr_reserve < a->wanted) {
		int fd = fcntl(a->wake, F_DUPFD_CLOEXEC, a->first);

		if (fd < 0)
			break;
		a->reserve[a->nr_reserve++] = fd;
	}
	full = a->nr_reserve == a->wanted;
	pthread_mutex_unlock(&a->lock);
	return full;
}

/* False for a shortage, and for what the system forbids; true for errors of one
 * connection, and when there is none to accept. */
static bool is_transient(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EPERM:
	case EACCES:
	case EINVAL:
	case EBADF:
		return false;
	default:
		return true;
	}
}

/* Returns false, with the reason in *@err, when the thread must pause. */
static bool accept_some(struct rpcbuf_acceptor *a, void *listener, int from,
			int *err)
{
	struct sockaddr_storage peer;

	for (unsigned int i = 0; i < ACCEPT_BATCH; i++) {
		socklen_t len = sizeof(peer);
		int fd;

		*err = EMFILE;
		if (!fill_reserve(a))
			return false;
		fd = accept4(from, (struct sockaddr *)&peer, &len,
			     SOCK_CLOEXEC);
		if (fd < 0) {
			*err = errno;
			return is_transient(*err);
		}
		a->handlers.accepted(listener, fd, &peer, len);
	}
	return true;
}

/* Near the limit of descriptors the thread pauses and resumes often: it logs at
 * most one line a second. */
static void set_paused(struct rpcbuf_acceptor *a, bool paused, int err)
{
	uint64_t now = os_now();
	bool warn = paused && !a->paused && now >= a->next_log_ns;
	char line[128];

	a->paused = paused;
	if (!warn)
		return;
	a->next_log_ns = now + OS_SECOND_NS;
	snprintf(line, sizeof(line), "not accepting connections for now: %s",
		 err == EMFILE || err == ENFILE ? "no descriptor is free"
						: strerror(err));
	if (a->handlers.log)
		a->handlers.log(RPCBUF_LOG_WARNING, line);
}

/* Waits for connections, or for PAUSE_MS while paused; returns the number of
 * @pfds. */
static unsigned int wait_for_any(struct rpcbuf_acceptor *a, struct pollfd *pfds)
{
	struct pollfd woken = {a->wake, POLLIN, 0};
	uint64_t count;
	unsigned int nr;
	bool stopping;

	(void)!read(a->wake, &count, sizeof(count));
	pthread_mutex_lock(&a->lock);
	stopping = a->stopping;
	nr = a->nr;
	for (unsigned int i = 0; i < nr; i++)
		pfds[i] = (struct pollfd){a->listeners[i].fd, POLLIN, 0};
	pthread_mutex_unlock(&a->lock);
	/* Read after the wake-up was: the stop may have caused it. */
	if (stopping)
		return 0;
	pfds[nr] = woken;
	if (a->paused)
		poll(&woken, 1, PAUSE_MS);
	poll(pfds, nr + !a->paused, a->paused ? 0 : -1);
	return nr;
}

static bool is_stopping(struct rpcbuf_acceptor *a)
{
	bool stopping;

	pthread_mutex_lock(&a->lock);
	stopping = a->stopping;
	pthread_mutex_unlock(&a->lock);
	return stopping;
}

static void *accept_main(void *arg)
{
	struct rpcbuf_acceptor *a = arg;
	struct pollfd pfds[LISTENERS_MAX + 1];

	if (a->handlers.thread_start)
		a->handlers.thread_start("rpcbuf-accept");
	while (!is_stopping(a)) {
		unsigned int nr = wait_for_any(a, pfds);
		bool all = true;
		int err = 0;

		for (unsigned int i = 0; i < nr && all; i++)
			if (pfds[i].revents)
				all = accept_some(a, a->listeners[i].data,
						  pfds[i].fd, &err);
		set_paused(a, !all, err);
	}
	return NULL;
}

static void wake_thread(struct rpcbuf_acceptor *a)
{
	const uint64_t one = 1;

	(void)!write(a->wake, &one, sizeof(one));
}

int rpcbuf_acceptor_create(struct rpcbuf_acceptor **acceptor,
			   const struct rpcbuf_acceptor_handlers *given,
			   unsigned int reserve, int first)
{
	struct rpcbuf_acceptor_handlers known = {.size = sizeof(known)},
					*handlers = &known;
	struct rpcbuf_acceptor *a;
	int err = sized_read(handlers, sizeof(*handlers), given);

	if (err)
		return err;
	if (!handlers->accepted || reserve > RESERVE_MAX || first < 0)
		return -EINVAL;
	a = calloc(1, sizeof(*a));
	if (!a || fork_count()) {
		free(a);
		return -ENOMEM;
	}
	a->process = fork_generation();
	a->handlers = *handlers;
	a->wanted = reserve;
	a->first = first;
	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->wake < 0)
		err = -errno;
	pthread_mutex_init(&a->lock, NULL);
	if (!err) {
		fill_reserve(a);
		err = os_thread_start(&a->thread, accept_main, a);
	}
	if (!err) {
		*acceptor = a;
		return 0;
	}
	while (close_one(a))
		;
	if (a->wake >= 0)
		close(a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
	return err;
}

/* Under the lock. */
static int own_descriptor(struct rpcbuf_acceptor *a, int fd)
{
	int own;

	do
		own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	while (own < 0 && (errno == EMFILE || errno == ENFILE) && close_one(a));
	if (own < 0)
		return -errno;
	(void)fcntl(own, F_SETFL, fcntl(own, F_GETFL) | O_NONBLOCK);
	return own;
}

int rpcbuf_acceptor_add(struct rpcbuf_acceptor *a, int fd, void *listener)
{
	int own = -ENOMEM;

	if (in_child(a))
		return -EPERM;
	pthread_mutex_lock(&a->lock);
	if (a->nr < LISTENERS_MAX)
		own = own_descriptor(a, fd);
	if (own >= 0) {
		a->listeners[a->nr].fd = own;
		a->listeners[a->nr++].data = listener;
	}
	pthread_mutex_unlock(&a->lock);
	if (own < 0)
		return own;
	wake_thread(a);
	return 0;
}

void rpcbuf_acceptor_destroy(struct rpcbuf_acceptor *a)
{
	if (!a || in_child(a))
		return;
	pthread_mutex_lock(&a->lock);
	a->stopping = true;
	pthread_mutex_unlock(&a->lock);
	wake_thread(a);
	pthread_join(a->thread, NULL);
	while (a->nr)
		close(a->listeners[--a->nr].fd);
	while (close_one(a))
		;
	close(a->wake);
	pthread_mutex_destroy(&a->lock);
	free(a);
}
