/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * trace.h - what readers of the segment see of the engine.
 *
 * While nobody looks, a call pays for a flag that is asked a few times and for
 * the counters of its connection (tests/check-trace-cost measures how much).
 * While somebody does, what was seen of the record under way is kept with its
 * connection, becomes an event when it is complete, and is written out when
 * the call is done.
 *
 * The owner of the loop only, but for trace_done(): any thread.
 */
#ifndef RPCBUF_ENGINE_TRACE_H
#define RPCBUF_ENGINE_TRACE_H

#include <rpcbuf/publish.h>
#include <rpcbuf/rqst.h>

#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/stat.h"

/* 0: as if there were no readers in the world, to measure what they cost. */
#ifndef RPCBUF_WITH_TRACE
#define RPCBUF_WITH_TRACE 1
#endif

struct loop;
struct rpcbuf_call;
struct rpcbuf_conn;
struct rpcbuf_engine;

/* How often a busy loop looks whether anybody looks at it. */
#define TRACE_CHECK_NS UINT64_C(1000000)

/* Of a loop. */
struct loop_trace {
	unsigned int leases;  /* RPCBUF_WATCH_* bits; 0 without a publisher */
	uint32_t generation;  /* of those who trace: they come and go */
	uint64_t next_check_ns;
	/* Of fills since somebody last received. */
	uint32_t filled, bulk_calls;
	uint64_t fill_ns;
};

/* Of the record under way on a connection, while calls are traced. */
struct conn_trace {
	uint32_t generation; /* the loop's, when what is below began; or 0 */
	bool late;	     /* some of it had come before */
	bool within;	     /* ... with the record before */
	uint32_t filled, bulk_calls, receives;
	uint32_t left;	   /* of the pages filled, those not taken yet */
	uint32_t fresh;	   /* ... those taken, but in no call yet */
	uint64_t began_ns; /* its first bytes came; 0: none has */
	uint64_t came_ns;  /* the last ones came */
	uint64_t wait_ns, fill_ns;
};

/* Of a connection, for readers, who may look at any time. */
struct conn_counts {
	uint64_t requests, bytes, waits;
	uint64_t parked_ns;	/* since when it waits; 0: it does not */
	uint32_t partial_bytes; /* that came of the record under way */
	bool for_pages;	     /* it waits for these */
};

/* Of a fill under way. */
struct trace_fill {
	uint64_t start_ns, filled, bulk_calls;
};

static inline bool trace_on(const struct loop_trace *trace)
{
	return RPCBUF_WITH_TRACE && trace->leases;
}

static inline bool trace_is_due(const struct loop_trace *trace, uint64_t now_ns)
{
	return RPCBUF_WITH_TRACE && now_ns >= trace->next_check_ns;
}

static inline void trace_count(struct conn_counts *counts, uint32_t bytes)
{
	if (!RPCBUF_WITH_TRACE)
		return;
	stat_add(counts->requests, 1);
	stat_add(counts->bytes, bytes);
}

/* Is the wait over that trace_parked() has seen? */
static inline bool trace_is_parked(const struct conn_counts *counts)
{
	return RPCBUF_WITH_TRACE && counts->parked_ns;
}

/* When trace_is_due(). */
void trace_check_leases(struct loop *loop);

/* While trace_on(): around what fills the vector; after a receive that took
 * @taken pages, when some of the record had come before or not; and when a call
 * is complete. */
void trace_fill_begin(const struct loop *loop, struct trace_fill *fill);
void trace_fill_end(struct rpcbuf_conn *conn, const struct trace_fill *fill);
void trace_received(struct rpcbuf_conn *conn, uint32_t taken, bool had_bytes);
void trace_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* When there is call->event.  Before the call lets go of its connection. */
void trace_done(struct rpcbuf_call *call);

void trace_parked(struct rpcbuf_conn *conn, bool for_pages);
void trace_unparked(struct rpcbuf_conn *conn);

/* The engine ends. */
void trace_unpublish(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_TRACE_H */
