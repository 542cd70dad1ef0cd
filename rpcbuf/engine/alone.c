/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Send lists of programs that have no engine (rpcbuf/out.h): their life, and a
 * thread that lets go of what they hold back, as an engine's watcher does.  It
 * looks once a millisecond while replies are held back now and then, and sleeps
 * when none was for a while.
 *
 * `life` is taken before a list's lock, and that before `watch.lock`; the
 * watcher lets go of a list without either: it says which one it is at, and
 * whoever frees that one waits until it says otherwise.
 */
#include <errno.h>
#include <stdlib.h>

#include "rpcbuf/engine/flush.h"
#include "rpcbuf/engine/hold.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/thread.h"

#define LOOK_NS	   1000000
#define IDLE_LOOKS 100u

/* Lists, and the thread: it starts with the first reply that is held back, and
 * ends with the last list. */
static struct {
	pthread_mutex_t lock;
	unsigned int lists;
	pthread_t thread;
	bool runs; /* others read it */
	bool knows_forks;
} life = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake, passed;
	struct list_head lists; /* that hold replies back, longest first */
	struct rpcbuf_out *at;	/* the one that is let go now, or NULL */
	bool stops, asleep;
} watch = {
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.wake = PTHREAD_COND_INITIALIZER,
	.passed = PTHREAD_COND_INITIALIZER,
	.lists = {&watch.lists, &watch.lists},
};

/* It holds something back now, or does not any more. */
static void on_held(struct rpcbuf_out *out, bool held)
{
	pthread_mutex_lock(&watch.lock);
	if (held) {
		out->held_ns = out->hold_until_ns;
		list_add_tail(&out->hold_link, &watch.lists);
		if (watch.asleep)
			pthread_cond_signal(&watch.wake);
	} else {
		list_del(&out->hold_link);
	}
	pthread_mutex_unlock(&watch.lock);
}

static const struct out_ops ops = {.held = on_held};

/* Lets go of those that were held back at the look before already: true when
 * there are any that are held back. */
static bool look(void)
{
	uint64_t now = os_now();
	bool any = !list_empty(&watch.lists);

	while (!list_empty(&watch.lists)) {
		struct rpcbuf_out *out = list_first_entry(
			&watch.lists, struct rpcbuf_out, hold_link);

		if (now < out->held_ns + LOOK_NS)
			break;
		list_del(&out->hold_link);
		watch.at = out;
		pthread_mutex_unlock(&watch.lock);
		out_release(out);
		pthread_mutex_lock(&watch.lock);
		watch.at = NULL;
		pthread_cond_broadcast(&watch.passed);
	}
	return any;
}

static void *watch_main(void *arg)
{
	unsigned int idle = 0;

	(void)arg;
	pthread_setname_np(pthread_self(), "rpcbuf-replies");
	pthread_mutex_lock(&watch.lock);
	while (!watch.stops) {
		uint64_t until = os_now() + LOOK_NS;

		idle = look() ? 0 : idle + 1;
		watch.asleep = idle > IDLE_LOOKS;
		while (watch.asleep && !watch.stops && list_empty(&watch.lists))
			pthread_cond_wait(&watch.wake, &watch.lock);
		watch.asleep = false;
		(void)os_cond_await(&watch.wake, &watch.lock, watch.stops,
				    until);
	}
	pthread_mutex_unlock(&watch.lock);
	return NULL;
}

/* In a child: there is no watcher, and what its parent's lists hold back is the
 * parent's. */
static void forget_all(void)
{
	pthread_mutex_init(&life.lock, NULL);
	pthread_mutex_init(&watch.lock, NULL);
	pthread_cond_init(&watch.wake, NULL);
	list_init(&watch.lists);
	watch.at = NULL;
	life.lists = 0;
	life.runs = false;
}

/* Under life.lock. */
static bool start(void)
{
	if (!life.knows_forks && pthread_atfork(NULL, NULL, forget_all))
		return false;
	life.knows_forks = true;
	watch.stops = false;
	os_store(&life.runs, !os_thread_start(&life.thread, watch_main, NULL));
	return life.runs;
}

/* Is the watcher there? */
static bool watched(void)
{
	bool runs;

	if (os_load(&life.runs))
		return true;
	pthread_mutex_lock(&life.lock);
	runs = life.runs || start();
	pthread_mutex_unlock(&life.lock);
	return runs;
}

static void join(void)
{
	pthread_mutex_lock(&life.lock);
	life.lists++;
	pthread_mutex_unlock(&life.lock);
}

static void stop(void)
{
	pthread_mutex_lock(&watch.lock);
	watch.stops = true;
	pthread_cond_signal(&watch.wake);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(life.thread, NULL);
	os_store(&life.runs, false);
}

static void leave(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&watch.lock);
	while (watch.at == out)
		pthread_cond_wait(&watch.passed, &watch.lock);
	pthread_mutex_unlock(&watch.lock);
	pthread_mutex_lock(&life.lock);
	if (!--life.lists && life.runs)
		stop();
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
	join();
	*created = out;
	return 0;
}

void rpcbuf_out_free(struct rpcbuf_out *out)
{
	if (out && !out_is_forked(out)) {
		out_end(out);
		leave(out);
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
	return out_append_own(out, reply, more && watched());
}

int rpcbuf_out_join(struct rpcbuf_out *out, const void *bytes, size_t len,
		    bool more)
{
	if (out_is_forked(out))
		return -EPERM;
	return out_join_own(out, bytes, len, more && watched());
}
