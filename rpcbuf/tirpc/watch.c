/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The watcher of svc_run(): a thread that lets go of replies that wait for a
 * call which lasts (collect.c).  It looks once a millisecond while replies wait
 * now and then, and sleeps when none did for a while.  It is started with the
 * first of them, and ends with the last transport.
 *
 * The connection whose replies wait is known to it from watch_begin() to
 * watch_end(), which are svc_run()'s thread's; it looks at it under watch.lock,
 * for which watch_forget() waits before the connection is freed.
 */
#include <signal.h>

#include "rpcbuf/os/clock.h"
#include "rpcbuf/tirpc/tirpc_private.h"

#define LOOK_NS	   1000000
#define IDLE_LOOKS 100u

static struct {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool runs, stops;
	bool asleep;	   /* atomic */
	struct conn *conn; /* atomic */
	uint32_t turn;	   /* atomic: changes with every reply that waits */
} watch = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* One look: whether replies waited since the last one. */
static bool look(uint32_t *seen)
{
	struct conn *conn = __atomic_load_n(&watch.conn, __ATOMIC_SEQ_CST);
	uint32_t turn = __atomic_load_n(&watch.turn, __ATOMIC_SEQ_CST);
	bool moved = turn != *seen;

	if (conn && !moved)
		collect_flush(conn);
	*seen = turn;
	return moved || conn;
}

/* A reply that waits from now on sees that we sleep, or we see it. */
static void sleep_until_woken(uint32_t *seen)
{
	__atomic_store_n(&watch.asleep, true, __ATOMIC_SEQ_CST);
	while (!look(seen) && !watch.stops && os_load(&watch.asleep))
		pthread_cond_wait(&watch.wake, &watch.lock);
	os_store(&watch.asleep, false);
}

static void pause_for_a_look(void)
{
	uint64_t until = os_now() + LOOK_NS;

	while (!watch.stops &&
	       !os_cond_wait_until(&watch.wake, &watch.lock, until))
		;
}

static void *watch_main(void *arg)
{
	unsigned int idle = 0;
	uint32_t seen = 0;

	(void)arg;
	pthread_setname_np(pthread_self(), "rpcbuf-replies");
	pthread_mutex_lock(&watch.lock);
	while (!watch.stops) {
		if (look(&seen))
			idle = 0;
		else if (++idle > IDLE_LOOKS)
			sleep_until_woken(&seen);
		pause_for_a_look();
	}
	pthread_mutex_unlock(&watch.lock);
	return NULL;
}

/* A thread that no signal is delivered to. */
static bool start(void)
{
	sigset_t all, old;

	pthread_cond_init(&watch.wake, NULL);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	watch.runs = !pthread_create(&watch.thread, NULL, watch_main, NULL);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!watch.runs)
		pthread_cond_destroy(&watch.wake);
	return watch.runs;
}

bool watch_begin(struct conn *conn)
{
	if (!watch.runs && !start())
		return false;
	__atomic_store_n(&watch.conn, conn, __ATOMIC_SEQ_CST);
	__atomic_store_n(&watch.turn, watch.turn + 1, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&watch.asleep, __ATOMIC_SEQ_CST)) {
		pthread_mutex_lock(&watch.lock);
		os_store(&watch.asleep, false);
		pthread_cond_signal(&watch.wake);
		pthread_mutex_unlock(&watch.lock);
	}
	return true;
}

void watch_end(void)
{
	if (os_load(&watch.conn))
		os_store(&watch.conn, NULL);
}

void watch_forget(struct conn *conn)
{
	if (!watch.runs)
		return;
	pthread_mutex_lock(&watch.lock);
	if (os_load(&watch.conn) == conn)
		os_store(&watch.conn, NULL);
	pthread_mutex_unlock(&watch.lock);
}

void watch_stop(void)
{
	if (!watch.runs)
		return;
	pthread_mutex_lock(&watch.lock);
	watch.stops = true;
	pthread_cond_signal(&watch.wake);
	pthread_mutex_unlock(&watch.lock);
	pthread_join(watch.thread, NULL);
	pthread_cond_destroy(&watch.wake);
	watch.runs = watch.stops = false;
}

void watch_forked(void)
{
	watch.runs = false;
}
