/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/monitor.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Scans without a call before the monitor sleeps. */
#define MONITOR_IDLE_SCANS 400
/* Scans after which a call that computes loses its loop, too. */
#define RUNNING_SCANS	   8

void monitor_init(struct monitor *monitor)
{
	pthread_mutex_init(&monitor->lock, NULL);
	pthread_cond_init(&monitor->wake, NULL);
}

void monitor_exit(struct monitor *monitor)
{
	pthread_cond_destroy(&monitor->wake);
	pthread_mutex_destroy(&monitor->lock);
}

/*
 * Takes @loop from its long call and gives it to a worker.  If there is no
 * worker the next scan tries again.
 */
static void hand_over_loop(struct rpcbuf_engine *engine, struct loop *loop,
			   uint32_t sequence)
{
	struct worker *worker;

	if (worker_reserve(engine, &worker))
		return;
	if (!handover_take(loop, sequence)) {
		worker_release(worker);
		return;
	}
	os_fetch_add(&engine->stats.handovers, 1);
	worker_submit(worker, loop_work, loop);
}

/*
 * The loop runs the same call as at the last scan.  A call that is blocked
 * loses its loop at once.  A call that computes, or whose thread waits for a
 * CPU, keeps it for a few scans more: another thread would compete with it for
 * the CPU.
 */
static bool is_due(struct loop *loop)
{
	loop->handover.blocked =
		os_thread_sleeps(os_load(&loop->handover.owner_id));
	if (loop->handover.blocked)
		return true;
	return ++loop->handover.running_scans > RUNNING_SCANS;
}

/* Uncorks replies that wait for a long call. */
static void uncork_long_batch(struct loop *loop)
{
	struct monitor *monitor = &loop->engine->monitor;

	if (!os_load(&loop->batched))
		return;
	pthread_mutex_lock(&monitor->lock);
	batch_uncork_late(loop);
	pthread_mutex_unlock(&monitor->lock);
}

/* Returns true when a loop has changed its sequence, or runs a call. */
static bool scan_loops(struct rpcbuf_engine *engine)
{
	bool active = false;

	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		struct loop *loop = &engine->loops[i];
		uint32_t sequence = __atomic_load_n(&loop->handover.sequence,
						    __ATOMIC_SEQ_CST);

		if (sequence != loop->handover.seen_sequence) {
			loop->handover.running_scans = 0;
		} else if (sequence & LOOP_BUSY) {
			uncork_long_batch(loop);
			if (is_due(loop))
				hand_over_loop(engine, loop, sequence);
		}
		active |= sequence != loop->handover.seen_sequence ||
			  sequence & LOOP_BUSY;
		loop->handover.seen_sequence = sequence;
	}
	return active;
}

/* Returns when a call begins, or the monitor is stopped. */
static void sleep_until_woken(struct rpcbuf_engine *engine)
{
	struct monitor *monitor = &engine->monitor;

	/* Pairs with handover_begin(): a call that begins after the scan below
	 * sees that the monitor sleeps. */
	__atomic_store_n(&monitor->asleep, 1, __ATOMIC_SEQ_CST);
	if (!scan_loops(engine)) {
		pthread_mutex_lock(&monitor->lock);
		while (!monitor->stop && os_load(&monitor->asleep))
			pthread_cond_wait(&monitor->wake, &monitor->lock);
		pthread_mutex_unlock(&monitor->lock);
	}
	__atomic_store_n(&monitor->asleep, 0, __ATOMIC_SEQ_CST);
}

/* Returns false when the monitor is stopped. */
static bool wait_interval(struct monitor *monitor, uint64_t interval)
{
	uint64_t until = os_now() + interval;
	bool stop;

	pthread_mutex_lock(&monitor->lock);
	stop = os_cond_await(&monitor->wake, &monitor->lock, monitor->stop,
			     until);
	pthread_mutex_unlock(&monitor->lock);
	return !stop;
}

static void *monitor_main(void *arg)
{
	struct rpcbuf_engine *engine = arg;
	uint64_t interval = engine->options.handover_us * UINT64_C(1000);
	unsigned int idle_scans = 0;

	thread_enter(engine, "rpcbuf-watch");
	do {
		if (scan_loops(engine))
			idle_scans = 0;
		else if (++idle_scans > MONITOR_IDLE_SCANS)
			sleep_until_woken(engine);
	} while (wait_interval(&engine->monitor, interval));
	thread_leave(engine);
	return NULL;
}

int monitor_start(struct rpcbuf_engine *engine)
{
	int err = thread_start(&engine->monitor.thread, monitor_main, engine);

	engine->monitor.alive = !err;
	return err;
}

void monitor_stop(struct rpcbuf_engine *engine)
{
	struct monitor *monitor = &engine->monitor;

	if (!monitor->alive)
		return;
	pthread_mutex_lock(&monitor->lock);
	monitor->stop = true;
	pthread_cond_signal(&monitor->wake);
	pthread_mutex_unlock(&monitor->lock);
	pthread_join(monitor->thread, NULL);
	monitor->alive = false;
}
