/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/watcher.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Looks without a call before the watcher sleeps. */
#define WATCHER_IDLE_LOOKS 400
/* Looks after which a call that does not sleep gives its loop away too. */
#define RUNNING_LOOKS	   8

void watcher_init(struct watcher *watcher)
{
	pthread_mutex_init(&watcher->lock, NULL);
	pthread_cond_init(&watcher->wake, NULL);
}

void watcher_exit(struct watcher *watcher)
{
	pthread_cond_destroy(&watcher->wake);
	pthread_mutex_destroy(&watcher->lock);
}

/*
 * Takes @loop from a call that has been running since the last look, if there
 * is a thread to give it to: else the next look does.
 */
static void take_over(struct rpcbuf_engine *engine, struct loop *loop,
		      uint32_t turn)
{
	struct worker *worker;

	if (worker_get(engine, &worker))
		return;
	if (!handover_take(loop, turn)) {
		worker_put(worker);
		return;
	}
	stat_add(engine->watcher.handovers, 1);
	worker_run(worker, loop_work, loop);
}

/*
 * The loop runs the same call as at the last look.  A call that sleeps gives
 * its loop away at once.  One that computes, or whose thread waits for a CPU,
 * gets some looks more: another thread would only compete with it.
 */
static bool is_due(struct loop *loop)
{
	loop->handover.slept =
		os_thread_sleeps(os_load(&loop->handover.owner_id));
	if (loop->handover.slept)
		return true;
	return ++loop->handover.seen_running > RUNNING_LOOKS;
}

/* Replies wait for a call that lasts. */
static void let_go(struct loop *loop)
{
	struct watcher *watcher = &loop->engine->watcher;

	if (!os_load(&loop->batched))
		return;
	pthread_mutex_lock(&watcher->lock);
	batch_release_late(loop);
	pthread_mutex_unlock(&watcher->lock);
}

/* One look at every loop; true when any of them moved or runs a call. */
static bool look(struct rpcbuf_engine *engine)
{
	bool active = false;

	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		struct loop *loop = &engine->loops[i];
		uint32_t turn =
			__atomic_load_n(&loop->handover.turn, __ATOMIC_SEQ_CST);

		if (turn != loop->handover.seen_turn) {
			loop->handover.seen_running = 0;
		} else if (turn & LOOP_BUSY) {
			let_go(loop);
			if (is_due(loop))
				take_over(engine, loop, turn);
		}
		active |= turn != loop->handover.seen_turn || turn & LOOP_BUSY;
		loop->handover.seen_turn = turn;
	}
	return active;
}

/* Until a call begins, or the watcher is to end. */
static void sleep_until_roused(struct rpcbuf_engine *engine)
{
	struct watcher *watcher = &engine->watcher;

	/* Pairs with handover_begin(): a call that begins after the look below
	 * sees that we sleep. */
	__atomic_store_n(&watcher->asleep, 1, __ATOMIC_SEQ_CST);
	if (!look(engine)) {
		pthread_mutex_lock(&watcher->lock);
		while (!watcher->stop && os_load(&watcher->asleep))
			pthread_cond_wait(&watcher->wake, &watcher->lock);
		pthread_mutex_unlock(&watcher->lock);
	}
	__atomic_store_n(&watcher->asleep, 0, __ATOMIC_SEQ_CST);
}

/* Sleeps for @interval; false: the watcher is to end. */
static bool pause_between(struct watcher *watcher, uint64_t interval)
{
	uint64_t until = os_now() + interval;
	bool stop;

	pthread_mutex_lock(&watcher->lock);
	stop = os_cond_await(&watcher->wake, &watcher->lock, watcher->stop,
			     until);
	pthread_mutex_unlock(&watcher->lock);
	return !stop;
}

static void *watcher_main(void *arg)
{
	struct rpcbuf_engine *engine = arg;
	uint64_t interval = engine->options.handover_us * UINT64_C(1000);
	unsigned int idle_looks = 0;

	thread_enter(engine, "rpcbuf-watch");
	do {
		if (look(engine))
			idle_looks = 0;
		else if (++idle_looks > WATCHER_IDLE_LOOKS)
			sleep_until_roused(engine);
	} while (pause_between(&engine->watcher, interval));
	thread_leave(engine);
	return NULL;
}

int watcher_start(struct rpcbuf_engine *engine)
{
	int err = thread_start(&engine->watcher.thread, watcher_main, engine);

	engine->watcher.runs = !err;
	return err;
}

void watcher_stop(struct rpcbuf_engine *engine)
{
	struct watcher *watcher = &engine->watcher;

	if (!watcher->runs)
		return;
	pthread_mutex_lock(&watcher->lock);
	watcher->stop = true;
	pthread_cond_signal(&watcher->wake);
	pthread_mutex_unlock(&watcher->lock);
	pthread_join(watcher->thread, NULL);
	watcher->runs = false;
}
