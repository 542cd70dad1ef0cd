/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * trace.h - what readers of the segment see of the engine.
 *
 * Without a reader a call pays a few tests of a flag, and the counters of its
 * connection (tests/check-trace-cost measures that).  With a reader, what was
 * seen of a record is kept with its connection, becomes an event when the
 * record is complete, and is written when the call is done.
 *
 * The owner of the loop, except for trace_done(): any thread.
 */
#ifndef RPCBUF_ENGINE_TRACE_H
#define RPCBUF_ENGINE_TRACE_H

#include <rpcbuf/publish.h>
#include <rpcbuf/rqst.h>

#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/stat.h"

/* 0: builds without tracing, to measure its cost. */
#ifndef RPCBUF_WITH_TRACE
#define RPCBUF_WITH_TRACE 1
#endif

struct loop;
struct rpcbuf_call;
struct rpcbuf_conn;
struct rpcbuf_engine;

/* Period in which a busy loop checks the leases of readers. */
#define TRACE_CHECK_NS UINT64_C(1000000)

/* Of a loop. */
struct loop_trace {
	unsigned int leases; /* RPCBUF_WATCH_* bits that readers hold; 0
			       * without a publisher */
	uint32_t generation; /* counts the tracing sessions */
	uint64_t next_check_ns;
	/* Of the fills since the last receive. */
	uint32_t filled, bulk_calls;
	uint64_t fill_ns;
};

/* Of the record under way on a connection, while calls are traced. */
struct conn_trace {
	uint32_t generation; /* of the loop, when the members below began; 0:
			      * none */
	bool late;	     /* the record began before tracing did */
	bool within;	     /* its first bytes came with the record before
			      * it */
	uint32_t filled, bulk_calls, receives;
	uint32_t left;	   /* pages filled and not taken yet */
	uint32_t fresh;	   /* pages taken that no call has yet */
	uint64_t began_ns; /* when its first bytes came; 0: none came yet */
	uint64_t came_ns;  /* when its last bytes came */
	uint64_t wait_ns, fill_ns;
};

/* Of a connection.  Readers may read it at any time. */
struct conn_counts {
	uint64_t requests, bytes, waits;
	uint64_t parked_ns;	/* since when it is parked; 0: it is not */
	uint32_t partial_bytes; /* of the record under way */
	bool for_pages;		/* it is parked for memory */
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

/* True when trace_parked() was called, and trace_unparked() was not yet. */
static inline bool trace_is_parked(const struct conn_counts *counts)
{
	return RPCBUF_WITH_TRACE && counts->parked_ns;
}

/* When trace_is_due(). */
void trace_check_leases(struct loop *loop);

/* While trace_on(): around a fill of the vector; after a receive that took
 * @taken pages, @had_bytes: some of the record had come before; and when a call
 * is complete. */
void trace_fill_begin(const struct loop *loop, struct trace_fill *fill);
void trace_fill_end(struct rpcbuf_conn *conn, const struct trace_fill *fill);
void trace_received(struct rpcbuf_conn *conn, uint32_t taken, bool had_bytes);
void trace_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* When there is call->event; before the call gives up its connection. */
void trace_done(struct rpcbuf_call *call);

void trace_parked(struct rpcbuf_conn *conn, bool for_pages);
void trace_unparked(struct rpcbuf_conn *conn);

/* The engine is destroyed. */
void trace_unpublish(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_TRACE_H */
