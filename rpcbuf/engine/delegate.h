/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * delegate.h - calls that sleep, each on a thread of its own.
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
	uint64_t long_ticks; /* a call of so many is long; 0: none is */
	uint64_t calls;	     /* calls; atomic */
};

/* Of a connection: what is learned of its calls, by any thread. */
struct habit {
	uint64_t ticks; /* that they take, on average; atomic */
	uint64_t blocked; /* how many of 256 of the long ones slept, likewise */
};

/* For the thread that runs a call. */
struct call_clock {
	uint64_t ticks;
	bool full; /* what follows is known */
	uint64_t ns, cpu_us;
	long switches;
};

/* What long_call_us is on the clock that is cheap to read. */
void delegate_init(struct rpcbuf_engine *engine);

/* Before a call of @conn, on the thread that runs it; and after it, while @conn
 * is still there. */
void call_clock_start(struct call_clock *clock, const struct rpcbuf_conn *conn);
void call_clock_stop(const struct call_clock *clock, struct rpcbuf_conn *conn);

/* Gives @call, of @conn, to another thread if it is likely to sleep and there
 * is one.  False: the owner, who calls this, has to run it. */
bool delegate_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* A new owner: @loop was taken from a call, which goes on. */
void delegate_learn_taken(struct loop *loop);

#endif /* RPCBUF_ENGINE_DELEGATE_H */
