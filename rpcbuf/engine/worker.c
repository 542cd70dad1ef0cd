/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Threads.  A worker owns a loop, or is idle, or runs a call whose loop was
 * taken from it, or a call that was given to it (delegate.c).  The watcher
 * looks at every loop some thousand times a second while calls come in: a loop
 * whose turn is odd and has not changed since the last look runs a long call,
 * and an idle worker, or a new one, gets the loop (is_due() says when).  While
 * nothing happens the watcher sleeps.
 *
 * All of it is under engine->threads_lock, but for loop->turn, which the
 * owner and the watcher settle between them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/thread.h"
#include "rpcbuf/os/why.h"

/* Looks without a call before the watcher sleeps. */
#define WATCHER_IDLE_LOOKS 400
/* Looks after which a call that does not sleep gives its loop away too. */
#define RUNNING_LOOKS 8
/* Of a receive of replies. */
#define REPLIES_PAGES 16
/* An idle worker ends after so long, unless it is one of the first. */
#define WORKER_IDLE_S 10

static void name_thread(struct rpcbuf_engine *engine, const char *name)
{
	pthread_setname_np(pthread_self(), name);
	if (engine->handlers.thread_start)
		engine->handlers.thread_start(name);
}

static void leave_thread(struct rpcbuf_engine *engine)
{
	if (engine->handlers.thread_stop)
		engine->handlers.thread_stop();
}

/* Waits for a loop; false: this worker is not needed any more. */
static bool wait_for_loop(struct rpcbuf_engine *engine, struct worker *worker)
{
	uint64_t until = os_now() + WORKER_IDLE_S * OS_SECOND_NS;
	int err = 0;

	list_add(&worker->link, &engine->idle);
	while (!worker->loop && !worker->call && !engine->workers_stop && !err)
		err = os_cond_wait_until(&worker->wake, &engine->threads_lock,
					 until);
	list_del(&worker->link);
	if (worker->loop || worker->call)
		return true;
	return !engine->workers_stop &&
	       engine->nr_workers <= engine->nr_started + 1;
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct rpcbuf_engine *engine = worker->engine;
	char name[16];

	snprintf(name, sizeof(name), "rpcbuf-%u", worker->number);
	name_thread(engine, name);
	call_thread_enter(worker);
	pthread_mutex_lock(&engine->threads_lock);
	for (;;) {
		struct loop *loop = worker->loop;
		struct rpcbuf_call *call = worker->call;

		worker->loop = NULL;
		worker->call = NULL;
		if (call) {
			pthread_mutex_unlock(&engine->threads_lock);
			delegate_run(call);
			pthread_mutex_lock(&engine->threads_lock);
		} else if (loop) {
			pthread_mutex_unlock(&engine->threads_lock);
			bool ended = loop_own(loop, worker);

			if (engine->backend->leave)
				engine->backend->leave(worker);
			pthread_mutex_lock(&engine->threads_lock);
			engine->nr_ended += ended;
			if (ended)
				pthread_cond_broadcast(&engine->threads_gone);
		} else if (!wait_for_loop(engine, worker)) {
			break;
		}
	}
	pthread_mutex_unlock(&engine->threads_lock);
	if (engine->backend->exit)
		engine->backend->exit(worker);
	call_thread_exit();
	leave_thread(engine);
	pthread_cond_destroy(&worker->wake);
	free(worker);
	pthread_mutex_lock(&engine->threads_lock);
	engine->nr_workers--;
	pthread_cond_broadcast(&engine->threads_gone);
	pthread_mutex_unlock(&engine->threads_lock);
	return NULL;
}

static int start_thread(pthread_t *thread, void *(*main)(void *), void *arg)
{
	int err = os_thread_start(thread, main, arg);

	return err ? os_why(err, "no further thread") : 0;
}

/* A new worker, with a loop to own or a call to run.  threads_lock is held. */
static int worker_start(struct rpcbuf_engine *engine, struct loop *loop,
			struct rpcbuf_call *call)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	pthread_t thread;
	int err;

	if (!worker)
		return os_why(-ENOMEM, "no %zu bytes for a thread's state",
			      sizeof(*worker));
	list_init(&worker->link);
	pthread_cond_init(&worker->wake, NULL);
	worker->engine = engine;
	worker->loop = loop;
	worker->call = call;
	worker->number = engine->next_number++;
	err = start_thread(&thread, worker_main, worker);
	if (err) {
		pthread_cond_destroy(&worker->wake);
		free(worker);
		return err;
	}
	pthread_detach(thread);
	engine->nr_workers++;
	return 0;
}

/* Gives @call to a thread; false: there is none. */
bool worker_give_call(struct rpcbuf_engine *engine, struct rpcbuf_call *call)
{
	struct worker *worker;
	bool given = true;

	pthread_mutex_lock(&engine->threads_lock);
	if (!list_empty(&engine->idle)) {
		worker = list_first_entry(&engine->idle, struct worker, link);
		list_del(&worker->link);
		worker->call = call;
		pthread_cond_signal(&worker->wake);
	} else {
		given = engine->nr_workers < engine->options.max_threads &&
			worker_start(engine, NULL, call) == 0;
	}
	engine->delegated += given;
	pthread_mutex_unlock(&engine->threads_lock);
	return given;
}

/*
 * Takes @loop from a call that has been running since the last look, if there
 * is a thread to give it to.  threads_lock is held.
 */
static void take_over(struct rpcbuf_engine *engine, struct loop *loop,
		      uint32_t turn)
{
	struct worker *worker = NULL;

	if (!list_empty(&engine->idle))
		worker = list_first_entry(&engine->idle, struct worker, link);
	else if (engine->nr_workers >= engine->options.max_threads)
		return;
	if (!os_cas_acq_rel(&loop->turn, &turn, turn + 1))
		return;
	engine->handovers++;
	if (worker) {
		list_del(&worker->link);
		worker->loop = loop;
		pthread_cond_signal(&worker->wake);
	} else if (worker_start(engine, loop, NULL)) {
		/* No thread can be had now: ask again at the next look.  The
		 * loop has no owner meanwhile. */
		engine->orphan = loop;
	}
}

/* An orphan waits for the first thread that can be had. */
static void adopt_orphan(struct rpcbuf_engine *engine)
{
	struct loop *loop = engine->orphan;
	struct worker *worker;

	if (!loop)
		return;
	if (!list_empty(&engine->idle)) {
		worker = list_first_entry(&engine->idle, struct worker, link);
		list_del(&worker->link);
		worker->loop = loop;
		pthread_cond_signal(&worker->wake);
		engine->orphan = NULL;
	} else if (worker_start(engine, loop, NULL) == 0) {
		engine->orphan = NULL;
	}
}

/*
 * The loop runs the same call as at the last look.  A call that sleeps gives
 * its loop away at once.  One that computes, or whose thread waits for a CPU,
 * gets some looks more: another thread would only compete with it.
 */
static bool is_due(struct loop *loop)
{
	loop->slept = os_thread_sleeps(os_load(&loop->owner_id));
	if (loop->slept)
		return true;
	return ++loop->seen_running > RUNNING_LOOKS;
}

/* One look at every loop; true when any of them moved or runs a call. */
static bool look(struct rpcbuf_engine *engine)
{
	bool active = engine->orphan != NULL;

	adopt_orphan(engine);
	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		struct loop *loop = &engine->loops[i];
		uint32_t turn = __atomic_load_n(&loop->turn, __ATOMIC_SEQ_CST);

		if (turn != loop->seen_turn) {
			loop->seen_running = 0;
		} else if (turn & LOOP_BUSY) {
			batch_release_late(loop);
			if (!engine->orphan && is_due(loop))
				take_over(engine, loop, turn);
		}
		active |= turn != loop->seen_turn || turn & LOOP_BUSY;
		loop->seen_turn = turn;
	}
	return active;
}

static void watcher_sleep(struct rpcbuf_engine *engine)
{
	/* Pairs with run() in loop.c: a call that begins after the look below
	 * sees that we sleep. */
	__atomic_store_n(&engine->watcher_asleep, 1, __ATOMIC_SEQ_CST);
	while (!look(engine) && !engine->watcher_stop &&
	       os_load(&engine->watcher_asleep))
		pthread_cond_wait(&engine->watcher_wake, &engine->threads_lock);
	__atomic_store_n(&engine->watcher_asleep, 0, __ATOMIC_SEQ_CST);
}

void watcher_rouse(struct rpcbuf_engine *engine)
{
	pthread_mutex_lock(&engine->threads_lock);
	__atomic_store_n(&engine->watcher_asleep, 0, __ATOMIC_SEQ_CST);
	pthread_cond_signal(&engine->watcher_wake);
	pthread_mutex_unlock(&engine->threads_lock);
}

/* Sleeps for @interval, or until the watcher is to end. */
static void watcher_pause(struct rpcbuf_engine *engine, uint64_t interval)
{
	uint64_t until = os_now() + interval;
	int err = 0;

	while (!engine->watcher_stop && !err)
		err = os_cond_wait_until(&engine->watcher_wake,
					 &engine->threads_lock, until);
}

static void *watcher_main(void *arg)
{
	struct rpcbuf_engine *engine = arg;
	uint64_t interval = engine->options.handover_us * UINT64_C(1000);
	unsigned int idle_looks = 0;

	name_thread(engine, "rpcbuf-watch");
	pthread_mutex_lock(&engine->threads_lock);
	while (!engine->watcher_stop) {
		if (look(engine))
			idle_looks = 0;
		else if (++idle_looks > WATCHER_IDLE_LOOKS)
			watcher_sleep(engine);
		watcher_pause(engine, interval);
	}
	pthread_mutex_unlock(&engine->threads_lock);
	leave_thread(engine);
	return NULL;
}

int workers_start(struct rpcbuf_engine *engine)
{
	int err = 0;

	pthread_cond_init(&engine->threads_gone, NULL);
	pthread_cond_init(&engine->watcher_wake, NULL);
	pthread_mutex_lock(&engine->threads_lock);
	for (unsigned int i = 0; i < engine->nr_loops && !err; i++) {
		err = worker_start(engine, &engine->loops[i], NULL);
		engine->nr_started += !err;
	}
	if (!err)
		err = start_thread(&engine->watcher, watcher_main, engine);
	engine->watcher_runs = !err;
	pthread_mutex_unlock(&engine->threads_lock);
	return err;
}

static bool open_replies(struct rpcbuf_engine *engine, struct loop *loop)
{
	if (loop->backend || loop_open(loop, engine, REPLIES_PAGES) == 0)
		return true;
	loop_close(loop);
	*loop = LOOP_CLOSED;
	return false;
}

/*
 * The loop of replies gets a thread the first time that it is needed.  False:
 * it has none.
 */
bool workers_start_replies(struct rpcbuf_engine *engine)
{
	struct loop *loop = engine_replies(engine);
	bool runs;

	pthread_mutex_lock(&engine->threads_lock);
	if (!engine->replies_run && !engine_stopping(engine) &&
	    open_replies(engine, loop) &&
	    worker_start(engine, loop, NULL) == 0) {
		engine->nr_started++;
		engine->options.max_threads++;
		os_store_release(&engine->replies_run, 1);
	}
	runs = engine->replies_run;
	pthread_mutex_unlock(&engine->threads_lock);
	return runs;
}

/* Waits until @done, under threads_lock; false at @until_ns. */
#define wait_until(engine, done, until_ns)                                 \
	({                                                                 \
		int err_ = 0;                                              \
		while (!(done) && !err_)                                   \
			err_ = os_cond_wait_until(&(engine)->threads_gone, \
						  &(engine)->threads_lock, \
						  until_ns);               \
		(done);                                                    \
	})

/*
 * The engine is stopping: waits for the loops to end, then ends the threads.
 * False when calls still run at @until_ns.
 */
bool workers_stop(struct rpcbuf_engine *engine, uint64_t until_ns)
{
	struct worker *worker, *tmp;
	bool gone;

	pthread_mutex_lock(&engine->threads_lock);
	gone = wait_until(engine, engine->nr_ended >= engine->nr_started,
			  until_ns);
	engine->workers_stop = true;
	list_for_each_entry_safe (worker, tmp, &engine->idle, struct worker,
				  link)
		pthread_cond_signal(&worker->wake);
	gone = wait_until(engine, engine->nr_workers == 0, until_ns) && gone;
	engine->watcher_stop = gone;
	pthread_cond_signal(&engine->watcher_wake);
	pthread_mutex_unlock(&engine->threads_lock);
	if (gone && engine->watcher_runs) {
		pthread_join(engine->watcher, NULL);
		engine->watcher_runs = false;
	}
	return gone;
}
