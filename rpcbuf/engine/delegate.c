/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs, on other threads, the calls that are likely to block.  Most calls compute,
 * and run on the thread that received them: to wake another thread costs as
 * much as the call.  Where the calls of a connection wait for a disk or for
 * another server, the next call must not wait with them, so the owner of the
 * loop gives each one to an idle worker and continues to receive.  The monitor
 * would give the loop to another thread as well, but only from calls longer
 * than handover_us.
 *
 * Per connection two averages are learned: the time of a call, by os_ticks(), which
 * costs next to nothing to read, and how many of the long calls were blocked, by
 * getrusage(2), which is asked for long calls only.  Updates by two threads may race; the next call corrects
 * them.
 */
#include <sys/resource.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/ticks.h"

/* The weight of a call in an average is 1 / WEIGHT. */
#define WEIGHT	     8
/* A call counts as at most so many long ones, so that one that was preempted
 * does not spoil the average. */
#define LONG_MOST    4
/* When more of 256 long calls were blocked than this, the next one is likely to
 * be. */
#define BLOCKED_LIKELY 128u
/* A call was blocked when it was off the CPU for at least 1 / OFF_CPU of its
 * time. */
#define OFF_CPU 4
/* Time in which the two clocks are compared. */
#define CALIBRATE_NS 50000

void delegate_init(struct rpcbuf_engine *engine)
{
	uint64_t ns = os_now(), ticks = os_ticks(), now;

	do
		now = os_now();
	while (now - ns < CALIBRATE_NS);
	ticks = os_ticks() - ticks;
	engine->delegate.long_ticks =
		ticks * engine->options.long_call_us * 1000 / (now - ns);
}

static void read_usage(uint64_t *cpu_us, long *switches)
{
	struct rusage usage;

	getrusage(RUSAGE_THREAD, &usage);
	*cpu_us = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) *
			  1000000 +
		  (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
	*switches = usage.ru_nvcsw;
}

static bool has_long_calls(const struct rpcbuf_conn *conn)
{
	uint64_t ticks = conn->loop->engine->delegate.long_ticks;

	return ticks && os_load(&conn->habit.ticks) >= ticks;
}

void call_clock_start(struct call_clock *clock, const struct rpcbuf_conn *conn)
{
	clock->full = has_long_calls(conn);
	if (clock->full) {
		clock->ns = os_now();
		read_usage(&clock->cpu_us, &clock->switches);
	}
	clock->ticks = os_ticks();
}

static bool was_blocked(const struct call_clock *clock)
{
	uint64_t cpu_us, us = (os_now() - clock->ns) / 1000;
	long switches;

	read_usage(&cpu_us, &switches);
	return switches != clock->switches &&
	       cpu_us - clock->cpu_us + us / OFF_CPU <= us;
}

static void learn(uint64_t *average, uint64_t value)
{
	uint64_t old = os_load(average);

	os_store(average, old - old / WEIGHT + value / WEIGHT);
}

void call_clock_stop(const struct call_clock *clock, struct rpcbuf_conn *conn)
{
	learn(&conn->habit.ticks,
	      rpcbuf_min(os_ticks() - clock->ticks,
			 LONG_MOST * conn->loop->engine->delegate.long_ticks));
	if (clock->full)
		learn(&conn->habit.blocked,
		      was_blocked(clock) ? 2 * BLOCKED_LIKELY : 0);
}

/* A call that lost the loop, and was blocked, counts as long and as blocked. */
void delegate_learn_taken(struct loop *loop)
{
	struct rpcbuf_conn *conn = loop->running;

	loop->running = NULL;
	if (!conn || !loop->handover.blocked)
		return;
	learn(&conn->habit.ticks,
	      LONG_MOST * loop->engine->delegate.long_ticks);
	learn(&conn->habit.blocked, 2 * BLOCKED_LIKELY);
}

/* On the worker. */
static bool run_delegated(struct worker *worker, void *arg)
{
	struct rpcbuf_call *call = arg;
	struct rpcbuf_conn *conn = call->conn;
	struct rpcbuf_engine *engine = worker->engine;
	struct call_clock clock;
	struct share_client *share_client;

	call_clock_start(&clock, conn);
	share_client = call_dispatch(engine, call);
	call_clock_stop(&clock, conn);
	rpcbuf_conn_put(conn);
	queued_dispatch(engine, queued_next(engine, share_client));
	return false;
}

bool delegate_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	struct worker *worker;

	if (!has_long_calls(conn) ||
	    os_load(&conn->habit.blocked) <= BLOCKED_LIKELY)
		return false;
	if (worker_reserve(conn->loop->engine, &worker))
		return false;
	conn_get(conn); /* for call_clock_stop() */
	os_fetch_add(&conn->loop->engine->stats.delegated, 1);
	worker_submit(worker, run_delegated, call);
	return true;
}
