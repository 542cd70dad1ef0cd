/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Events: what was seen of a record while it came in, and of its call.  An
 * event lies in the chunk of its call until the call is done.  figures.c
 * publishes the engine as a whole.
 *
 * The owner of the loop, except for trace_done(): any thread.
 */
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/rqst/peek.h"

_Static_assert(PEEK_OPS == RPCBUF_EVENT_OPS, "copied as a whole");

void trace_check_leases(struct loop *loop)
{
	struct rpcbuf_publisher *publisher =
		os_load_acquire(&loop->engine->publisher);
	struct loop_trace *trace = &loop->trace;
	unsigned int leases;

	trace->next_check_ns = loop->now_ns + TRACE_CHECK_NS;
	if (!publisher)
		return;
	leases = rpcbuf_publisher_watched(publisher, loop->now_ns) &
		 (RPCBUF_WATCH_EVENTS | RPCBUF_WATCH_TIMES);
	if (leases == trace->leases)
		return;
	/* Drops what was recorded before tracing paused. */
	if (leases & ~trace->leases & RPCBUF_WATCH_EVENTS &&
	    !++trace->generation)
		trace->generation = 1;
	trace->leases = leases;
}

static void read_vector(const struct loop *loop, struct trace_fill *fill)
{
	struct rpcbuf_rqst_stats stats = RPCBUF_RQST_STATS_INIT;

	rpcbuf_rqst_stats(loop->rqst, &stats);
	fill->filled = stats.pages_filled;
	fill->bulk_calls = stats.bulk_calls;
}

void trace_fill_begin(const struct loop *loop, struct trace_fill *fill)
{
	read_vector(loop, fill);
	fill->start_ns = os_now();
}

static void count_fill(struct rpcbuf_engine_stats *stats, uint64_t ns)
{
	unsigned int bucket = rpcbuf_log2_up(ns);

	bucket = rpcbuf_min(bucket, RPCBUF_HIST_NS - 1u);
	stat_add(stats->fills_timed, 1);
	stat_add(stats->fill_ns_sum, ns);
	stat_add(stats->hist_fill_ns[bucket], 1);
}

void trace_fill_end(struct rpcbuf_conn *conn, const struct trace_fill *fill)
{
	struct loop *loop = conn->loop;
	uint64_t ns = os_now() - fill->start_ns;
	struct trace_fill now;

	read_vector(loop, &now);
	if (now.bulk_calls == fill->bulk_calls)
		return;
	count_fill(&loop->stats, ns);
	loop->trace.filled += (uint32_t)(now.filled - fill->filled);
	loop->trace.bulk_calls += (uint32_t)(now.bulk_calls - fill->bulk_calls);
	loop->trace.fill_ns += ns;
}

/* The next receive accounts for the fills, even if they were made for another
 * connection, which then received nothing. */
static void take_fills(struct conn_trace *trace, struct loop_trace *loop)
{
	trace->filled += loop->filled;
	trace->left += loop->filled;
	trace->bulk_calls += loop->bulk_calls;
	trace->fill_ns += loop->fill_ns;
	loop->filled = 0;
	loop->bulk_calls = 0;
	loop->fill_ns = 0;
}

void trace_received(struct rpcbuf_conn *conn, uint32_t taken, bool had_bytes)
{
	struct loop_trace *loop = &conn->loop->trace;
	struct conn_trace *trace = &conn->trace;
	uint32_t fresh;

	if (trace->generation != loop->generation)
		*trace = (struct conn_trace){
			.generation = loop->generation,
			.late = had_bytes,
			.wait_ns = had_bytes ? 0 : trace->wait_ns,
		};
	take_fills(trace, loop);
	trace->came_ns = os_now();
	if (!trace->began_ns)
		trace->began_ns = trace->came_ns;
	trace->receives++;
	fresh = rpcbuf_min(taken, trace->left);
	trace->left -= fresh;
	trace->fresh += fresh;
}

static struct rpcbuf_event *event_of(const struct rpcbuf_call *call)
{
	const struct rpcbuf_engine *engine = call->conn->loop->engine;

	return (struct rpcbuf_event *)((char *)call + engine->heap.call_bytes -
				       sizeof(struct rpcbuf_event));
}

/* Copies what the head of the message says. */
static void copy_peek(struct rpcbuf_event *event,
		      const struct rpcbuf_message *message)
{
	struct peek peek;

	peek_message(&peek, message);
	event->xid = peek.xid;
	event->program = peek.program;
	event->version = peek.version;
	event->procedure = peek.procedure;
	event->nr_ops = peek.nr_ops;
	event->flags = (uint8_t)((peek.reply ? RPCBUF_EVENT_NO_CALL : 0) |
				 (peek.cut ? RPCBUF_EVENT_CUT_OPS : 0));
	memcpy(event->ops, peek.ops, sizeof(event->ops));
	event->bytes = message->wire_length;
	event->fragments = message->fragments;
	event->pages = message->nr_pages;
	event->runs = message->nr_runs;
}

/* Returns how many of the message's pages were filled since the last record.  A
 * page in which the record before it ended was filled for that one. */
static uint32_t take_fresh(struct conn_trace *trace,
			   const struct rpcbuf_message *message)
{
	uint32_t own = message->nr_pages -
		       (trace->within && message->offset != 0);
	uint32_t fresh = rpcbuf_min(own, trace->fresh);

	trace->fresh -= fresh;
	return fresh;
}

static void fill_event(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	struct conn_trace *trace = &conn->trace;
	struct rpcbuf_event *event = event_of(call);

	*event = (struct rpcbuf_event){
		.time_ns = trace->came_ns,
		.port = conn->succession.port,
		.filled = trace->filled,
		.reused = call->message.nr_pages -
			  take_fresh(trace, &call->message),
		.bulk_calls = trace->bulk_calls,
		.receives = trace->receives,
		.thread = (uint32_t)os_load(&conn->loop->handover.owner_id),
		.wait_ns = trace->wait_ns,
		.fill_ns = trace->fill_ns,
		.receive_ns = trace->came_ns - trace->began_ns,
	};
	memcpy(event->address, conn->part->client->key, sizeof(event->address));
	copy_peek(event, &call->message);
	call->event = event;
}

void trace_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	struct loop_trace *loop = &conn->loop->trace;
	struct conn_trace *trace = &conn->trace;

	if (!(loop->leases & RPCBUF_WATCH_EVENTS) ||
	    trace->generation != loop->generation || !trace->began_ns)
		return;
	if (!trace->late)
		fill_event(conn, call);
	/* The bytes of the next record that are here came with the last
	 * receive. */
	*trace = (struct conn_trace){
		.generation = trace->generation,
		.fresh = conn->intake.stream.filled ? trace->fresh : 0,
		.within = conn->intake.stream.filled != 0,
		.began_ns = conn->intake.stream.filled ? trace->came_ns : 0,
		.came_ns = trace->came_ns,
	};
}

void trace_done(struct rpcbuf_call *call)
{
	struct rpcbuf_publisher *publisher =
		os_load(&call->conn->loop->engine->publisher);
	struct rpcbuf_event *event = call->event;

	event->reply_ns = os_now() - event->time_ns;
	event->in_place = call->in_place;
	event->copied = call->copied;
	event->copied_bytes = call->bytes_copied;
	event->reply_bytes = call->reply_bytes;
	event->reply_pages = call->reply_pages;
	event->reply_reserved = call->reply_reserved;
	rpcbuf_publisher_write_event(publisher, event);
}

void trace_parked(struct rpcbuf_conn *conn, bool for_pages)
{
	struct conn_counts *counts = &conn->counts;

	if (for_pages)
		stat_add(counts->waits, 1);
	if (!counts->parked_ns)
		os_store(&counts->parked_ns, os_now());
	counts->for_pages = for_pages;
}

void trace_unparked(struct rpcbuf_conn *conn)
{
	struct conn_counts *counts = &conn->counts;

	if (counts->for_pages)
		conn->trace.wait_ns += os_now() - counts->parked_ns;
	os_store(&counts->parked_ns, 0);
}
