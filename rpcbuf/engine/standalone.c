/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Send lists of programs that have no engine (rpcbuf/out.h), and the uncorker: a
 * thread that uncorks their lists, as the monitor of an engine does.  It scans
 * every millisecond, and sleeps after IDLE_SCANS scans that found no corked
 * list.
 *
 * Lock order: life.lock, the lock of a list, uncorker.lock.  The uncorker uncorks
 * a list with none of them held; uncorker.at names that list, and
 * rpcbuf_out_free() waits until it names another.
 */
#include <errno.h>
#include <stdlib.h>

#include "rpcbuf/engine/flush.h"
#include "rpcbuf/engine/cork.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/thread.h"

#define SCAN_NS	   1000000
#define IDLE_SCANS 100u

/* The lists, and the thread: it starts when a list is to be corked first, and
 * ends with the last list. */
static struct {
	pthread_mutex_t lock;
	unsigned int lists;
	pthread_t thread;
	bool alive; /* others read it */
	bool knows_forks;
} life = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake, passed;
	struct list_head lists; /* corked ones, the oldest first */
	struct rpcbuf_out *at;	/* the one that is being uncorked, or NULL */
	bool stop, asleep;
} uncorker = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.passed = PTHREAD_COND_INITIALIZER,
	.lists = {&uncorker.lists, &uncorker.lists},
};

/* The list was corked, or uncorked. */
static void on_corked(struct rpcbuf_out *out, bool corked)
{
	pthread_mutex_lock(&uncorker.lock);
	if (corked) {
		out->corked_ns = out->cork_until_ns;
		list_add_tail(&out->cork_link, &uncorker.lists);
		if (uncorker.asleep)
			pthread_cond_signal(&uncorker.wake);
	} else {
		list_del(&out->cork_link);
	}
	pthread_mutex_unlock(&uncorker.lock);
}

static const struct out_ops ops = {.corked = on_corked};

/* Uncorks the lists whose cork_until_ns passed SCAN_NS ago.  Returns true when there
 * was a corked list. */
static bool uncork_overdue(void)
{
	uint64_t now = os_now();
	bool any = !list_empty(&uncorker.lists);

	while (!list_empty(&uncorker.lists)) {
		struct rpcbuf_out *out = list_first_entry(
			&uncorker.lists, struct rpcbuf_out, cork_link);

		if (now < out->corked_ns + SCAN_NS)
			break;
		list_del(&out->cork_link);
		uncorker.at = out;
		pthread_mutex_unlock(&uncorker.lock);
		out_uncork(out);
		pthread_mutex_lock(&uncorker.lock);
		uncorker.at = NULL;
		pthread_cond_broadcast(&uncorker.passed);
	}
	return any;
}

static void *uncorker_main(void *arg)
{
	unsigned int idle = 0;

	(void)arg;
	pthread_setname_np(pthread_self(), "rpcbuf-replies");
	pthread_mutex_lock(&uncorker.lock);
	while (!uncorker.stop) {
		uint64_t until = os_now() + SCAN_NS;

		idle = uncork_overdue() ? 0 : idle + 1;
		uncorker.asleep = idle > IDLE_SCANS;
		while (uncorker.asleep && !uncorker.stop &&
		       list_empty(&uncorker.lists))
			pthread_cond_wait(&uncorker.wake, &uncorker.lock);
		uncorker.asleep = false;
		(void)os_cond_await(&uncorker.wake, &uncorker.lock,
				    uncorker.stop, until);
	}
	pthread_mutex_unlock(&uncorker.lock);
	return NULL;
}

/* In a forked child there is no uncorker, and corked replies are the
 * parent's. */
static void reset_in_child(void)
{
	pthread_mutex_init(&life.lock, NULL);
	pthread_mutex_init(&uncorker.lock, NULL);
	pthread_cond_init(&uncorker.wake, NULL);
	list_init(&uncorker.lists);
	uncorker.at = NULL;
	life.lists = 0;
	life.alive = false;
}

/* Under life.lock. */
static bool start_uncorker(void)
{
	if (!life.knows_forks && pthread_atfork(NULL, NULL, reset_in_child))
		return false;
	life.knows_forks = true;
	uncorker.stop = false;
	os_store(&life.alive,
		 !os_thread_start(&life.thread, uncorker_main, NULL));
	return life.alive;
}

/* Starts the uncorker if needed. */
static bool ensure_uncorker(void)
{
	bool alive;

	if (os_load(&life.alive))
		return true;
	pthread_mutex_lock(&life.lock);
	alive = life.alive || start_uncorker();
	pthread_mutex_unlock(&life.lock);
	return alive;
}

static void count_list(void)
{
	pthread_mutex_lock(&life.lock);
	life.lists++;
	pthread_mutex_unlock(&life.lock);
}

static void stop_uncorker(void)
{
	pthread_mutex_lock(&uncorker.lock);
	uncorker.stop = true;
	pthread_cond_signal(&uncorker.wake);
	pthread_mutex_unlock(&uncorker.lock);
	pthread_join(life.thread, NULL);
	os_store(&life.alive, false);
}

static void leave_uncorker(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&uncorker.lock);
	while (uncorker.at == out)
		pthread_cond_wait(&uncorker.passed, &uncorker.lock);
	pthread_mutex_unlock(&uncorker.lock);
	pthread_mutex_lock(&life.lock);
	if (!--life.lists && life.alive)
		stop_uncorker();
	pthread_mutex_unlock(&life.lock);
}

int rpcbuf_out_create(struct rpcbuf_out **created, int fd)
{
	struct rpcbuf_out *out = malloc(sizeof(*out));

	if (!out || fork_count()) {
		free(out);
		return -ENOMEM;
	}
	out_init(out, fd, &ops);
	count_list();
	*created = out;
	return 0;
}

void rpcbuf_out_free(struct rpcbuf_out *out)
{
	if (out && !out_is_forked(out)) {
		out_end(out);
		leave_uncorker(out);
		out_exit(out);
	}
	free(out);
}

int rpcbuf_out_send(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		    bool more)
{
	if (out_is_forked(out)) {
		rpcbuf_reply_free(reply);
		return -EPERM;
	}
	return out_append_own(out, reply, more && ensure_uncorker());
}

int rpcbuf_out_join(struct rpcbuf_out *out, const void *bytes, size_t len,
		    bool more)
{
	if (out_is_forked(out))
		return -EPERM;
	return out_join_own(out, bytes, len, more && ensure_uncorker());
}
