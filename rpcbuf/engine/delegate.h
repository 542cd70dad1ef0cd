/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * delegate.h - runs, on other threads, the calls that are likely to block.
 */
#ifndef RPCBUF_ENGINE_DELEGATE_H
#define RPCBUF_ENGINE_DELEGATE_H

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct rpcbuf_call;
struct rpcbuf_conn;
struct rpcbuf_engine;

/* Of an engine. */
struct delegate {
	uint64_t long_ticks; /* a call that takes as long is long; 0: no call
			      * is */
};

/* Of a connection: averages over its calls, learned by any thread. */
struct habit {
	uint64_t ticks;	  /* of os_ticks() that a call takes; atomic */
	uint64_t blocked; /* of 256 long calls, those that were blocked;
			   * atomic */
};

/* Of a call, on the thread that runs it. */
struct call_clock {
	uint64_t ticks;
	bool full; /* the members below are set */
	uint64_t ns, cpu_us;
	long switches;
};

/* Converts long_call_us to ticks of os_ticks(). */
void delegate_init(struct rpcbuf_engine *engine);

/* Called before and after a call of @conn, on the thread that runs it; @conn
 * still exists. */
void call_clock_start(struct call_clock *clock, const struct rpcbuf_conn *conn);
void call_clock_stop(const struct call_clock *clock, struct rpcbuf_conn *conn);

/* The owner: delegates @call of @conn to a worker if it is likely to block and
 * a worker can be reserved.  Returns false when the owner must run it. */
bool delegate_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* The new owner: @loop was taken from a call, which still runs. */
void delegate_learn_taken(struct loop *loop);

#endif /* RPCBUF_ENGINE_DELEGATE_H */
