/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Send lists of programs that have no engine (rpcbuf/out.h): their life, and a
 * thread that lets go of what they hold back, as an engine's monitor does.  It
 * looks once a millisecond while replies are held back now and then, and sleeps
 * when none was for a while.
 *
 * `life` is taken before a list's lock, and that before `watch.lock`; the
 * monitor lets go of a list without either: it says which one it is at, and
 * whoever frees that one waits until it says otherwise.
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

/* Lists, and the thread: it starts with the first reply that is held back, and
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
	struct list_head lists; /* that hold replies back, longest first */
	struct rpcbuf_out *at;	/* the one that is let go now, or NULL */
	bool stop, asleep;
} flusher = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.passed = PTHREAD_COND_INITIALIZER,
	.lists = {&flusher.lists, &flusher.lists},
};

/* It holds something back now, or does not any more. */
static void on_corked(struct rpcbuf_out *out, bool corked)
{
	pthread_mutex_lock(&flusher.lock);
	if (corked) {
		out->corked_ns = out->cork_until_ns;
		list_add_tail(&out->cork_link, &flusher.lists);
		if (flusher.asleep)
			pthread_cond_signal(&flusher.wake);
	} else {
		list_del(&out->cork_link);
	}
	pthread_mutex_unlock(&flusher.lock);
}

static const struct out_ops ops = {.corked = on_corked};

/* Lets go of those that were held back at the look before already: true when
 * there are any that are held back. */
static bool flush_overdue(void)
{
	uint64_t now = os_now();
	bool any = !list_empty(&flusher.lists);

	while (!list_empty(&flusher.lists)) {
		struct rpcbuf_out *out = list_first_entry(
			&flusher.lists, struct rpcbuf_out, cork_link);

		if (now < out->corked_ns + SCAN_NS)
			break;
		list_del(&out->cork_link);
		flusher.at = out;
		pthread_mutex_unlock(&flusher.lock);
		out_uncork(out);
		pthread_mutex_lock(&flusher.lock);
		flusher.at = NULL;
		pthread_cond_broadcast(&flusher.passed);
	}
	return any;
}

static void *flusher_main(void *arg)
{
	unsigned int idle = 0;

	(void)arg;
	pthread_setname_np(pthread_self(), "rpcbuf-replies");
	pthread_mutex_lock(&flusher.lock);
	while (!flusher.stop) {
		uint64_t until = os_now() + SCAN_NS;

		idle = flush_overdue() ? 0 : idle + 1;
		flusher.asleep = idle > IDLE_SCANS;
		while (flusher.asleep && !flusher.stop &&
		       list_empty(&flusher.lists))
			pthread_cond_wait(&flusher.wake, &flusher.lock);
		flusher.asleep = false;
		(void)os_cond_await(&flusher.wake, &flusher.lock, flusher.stop,
				    until);
	}
	pthread_mutex_unlock(&flusher.lock);
	return NULL;
}

/* In a child: there is no monitor, and what its parent's lists hold back is the
 * parent's. */
static void reset_in_child(void)
{
	pthread_mutex_init(&life.lock, NULL);
	pthread_mutex_init(&flusher.lock, NULL);
	pthread_cond_init(&flusher.wake, NULL);
	list_init(&flusher.lists);
	flusher.at = NULL;
	life.lists = 0;
	life.alive = false;
}

/* Under life.lock. */
static bool start_flusher(void)
{
	if (!life.knows_forks && pthread_atfork(NULL, NULL, reset_in_child))
		return false;
	life.knows_forks = true;
	flusher.stop = false;
	os_store(&life.alive,
		 !os_thread_start(&life.thread, flusher_main, NULL));
	return life.alive;
}

/* Is the monitor there? */
static bool flusher_is_alive(void)
{
	bool alive;

	if (os_load(&life.alive))
		return true;
	pthread_mutex_lock(&life.lock);
	alive = life.alive || start_flusher();
	pthread_mutex_unlock(&life.lock);
	return alive;
}

static void count_list(void)
{
	pthread_mutex_lock(&life.lock);
	life.lists++;
	pthread_mutex_unlock(&life.lock);
}

static void stop_flusher(void)
{
	pthread_mutex_lock(&flusher.lock);
	flusher.stop = true;
	pthread_cond_signal(&flusher.wake);
	pthread_mutex_unlock(&flusher.lock);
	pthread_join(life.thread, NULL);
	os_store(&life.alive, false);
}

static void uncount_list(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&flusher.lock);
	while (flusher.at == out)
		pthread_cond_wait(&flusher.passed, &flusher.lock);
	pthread_mutex_unlock(&flusher.lock);
	pthread_mutex_lock(&life.lock);
	if (!--life.lists && life.alive)
		stop_flusher();
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
		uncount_list(out);
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
	return out_append_own(out, reply, more && flusher_is_alive());
}

int rpcbuf_out_join(struct rpcbuf_out *out, const void *bytes, size_t len,
		    bool more)
{
	if (out_is_forked(out))
		return -EPERM;
	return out_join_own(out, bytes, len, more && flusher_is_alive());
}
