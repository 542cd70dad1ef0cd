/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A step serves one ready connection: it runs the next complete call, or
 * receives (receive.c).  The owner of the loop only.
 *
 * The loop may belong to another thread when a call returns.  So all is in
 * order before the call runs: the connection is on the ready list again, and
 * the handover state says that a call runs (handover.h).
 */
#include <errno.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/receive.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/pause.h"

static void count_call(struct loop *loop, const struct rpcbuf_call *call)
{
	unsigned int bucket = rpcbuf_log2_up(call->message.nr_pages);

	bucket = rpcbuf_min(bucket, RPCBUF_HIST_PAGES - 1u);
	stat_add(loop->stats.requests, 1);
	stat_add(loop->stats.pages, call->message.nr_pages);
	stat_add(loop->stats.runs, call->message.nr_runs);
	stat_add(loop->stats.hist_pages[bucket], 1);
}

/* From here on @call is in flight. */
static void start_call(struct loop *loop, struct rpcbuf_conn *conn,
		       struct rpcbuf_call *call)
{
	call->conn = conn;
	call->conn_data = conn->data;
	call->bytes_copied = 0;
	call->in_place = 0;
	call->copied = 0;
	call->reply_bytes = call->reply_pages = call->reply_reserved = 0;
	call->later = false;
	call->share = -1;
	call_waiter(call)->client = NULL;
	call->number = conn->flight.begun++;
	call->event = NULL;
	count_call(loop, call);
	trace_count(&conn->counts, call->message.wire_length);
	receive_goes_on(conn);
	if (trace_on(&loop->trace))
		trace_call(conn, call);
	flight_begin(conn);
}

/*
 * Runs @call, which was queued for this thread, and the queued calls behind it.
 * The monitor sees them as one call, so it takes the loop even if
 * each of them is short.  @loop: the caller's, or NULL.  Returns false when the
 * caller does not own it any more.
 */
static bool run_queued(struct rpcbuf_engine *engine, struct rpcbuf_call *call,
		       struct loop *loop)
{
	uint32_t sequence = 0;

	if (loop) {
		loop->running = NULL;
		sequence = handover_begin(loop);
	}
	queued_dispatch(engine, call);
	return loop && handover_end(loop, sequence);
}

/*
 * Runs @call.  Returns false when another thread took the loop meanwhile: the
 * caller must not touch it again.
 */
static bool dispatch_call(struct loop *loop, struct rpcbuf_conn *conn,
			  struct rpcbuf_call *call)
{
	struct rpcbuf_engine *engine = loop->engine;
	struct call_clock clock;
	struct share_client *share_client;
	uint32_t sequence;
	bool ours;

	loop->running = conn;
	call_clock_start(&clock, conn);
	sequence = handover_begin(loop);
	share_client = call_dispatch(engine, call);
	ours = handover_end(loop, sequence);
	if (ours)
		call_clock_stop(&clock, conn);
	call = queued_next(engine, share_client);
	return call ? run_queued(engine, call, ours ? loop : NULL) : ours;
}

/* A reply is shorter than a call, so the record machine accepts both. */
static bool too_short(const struct rpcbuf_message *message, uint32_t min,
		      struct rpcbuf_record_refusal *refusal)
{
	struct rpcbuf_cursor cursor;
	uint8_t head[8]; /* xid and direction */

	if (message->length >= min)
		return false;
	rpcbuf_cursor_init(&cursor, message);
	if (rpcbuf_cursor_read(&cursor, head, sizeof(head)) == 0 &&
	    memcmp(head + 4, "\0\0\0\1", 4) == 0)
		return false;
	refusal->value = message->length;
	refusal->limit = min;
	return true;
}

/* Takes the next call from the stream: returns 1, 0 or -errno as
 * rpcbuf_stream_next() does. */
static int take_call(struct loop *loop, struct rpcbuf_conn *conn,
		     struct rpcbuf_call *call,
		     struct rpcbuf_record_refusal *refusal)
{
	struct rpcbuf_engine *engine = loop->engine;
	int ret = rpcbuf_stream_next(&conn->intake.stream,
				     &engine->machine_limits, &call->message,
				     refusal);

	if (ret != 1)
		return ret;
	intake_taken(conn, call->message.wire_length);
	admit_done(conn);
	conn->times.record_ns = conn->intake.stream.filled ? loop->now_ns : 0;
	lag_begin(&conn->times.lag);
	if (too_short(&call->message, engine->options.limits.min_length,
		      refusal)) {
		rpcbuf_message_release(&call->message);
		return -EBADMSG;
	}
	if (probe_request_received_on())
		observe_received(conn, call);
	if (conn->intake.stream.filled && probe_request_begin_on())
		observe_begin(conn);
	return 1;
}

/* Parks @conn while its peer does not read. */
static bool park_unsent(struct rpcbuf_conn *conn)
{
	bool over = sending_over_limit(conn);

	if (!over && !sending_full(conn))
		return false;
	stat_add(conn->loop->stats.parked_unsent, 1);
	if (over)
		log_parked(conn, FOR_UNSENT,
			   "bytes of its unread replies",
			 os_load(&conn->sending.out.pinned),
			 conn->loop->engine->unsent_conn_limit);
	receive_park(conn, FOR_UNSENT);
	/* The peer may have read meanwhile. */
	if (sending_below_limits(conn))
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	return true;
}

/*
 * Parks @conn while its peer does not read its replies, or too many of its
 * calls are in flight.  Never an outgoing connection, nor the holder of the
 * over-quota grant, for which others wait.
 */
static bool park_busy(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	if (conn->outgoing || admit_over_quota(&engine->admit, &conn->admit))
		return false;
	if (park_unsent(conn))
		return true;
	if (os_load(&conn->flight.nr) >= engine->flight.limit &&
	    flight_too_many(conn)) {
		stat_add(conn->loop->stats.parked_calls, 1);
		log_parked(conn, FOR_CALLS, "its calls in flight",
			 (uint64_t)os_load(&conn->flight.nr),
			 (uint64_t)engine->flight.limit);
		receive_park(conn, FOR_CALLS);
		return true;
	}
	return false;
}

enum step {
	STEP_RAN,   /* a call; the caller still owns the loop */
	STEP_OTHER, /* anything but a call */
	STEP_TAKEN, /* a call; another thread took the loop meanwhile */
};

/* A call for the next message; NULL: *@what is what to park @conn for. */
static struct rpcbuf_call *get_call(struct rpcbuf_conn *conn,
				    enum parked_for *what)
{
	struct loop *loop = conn->loop;
	struct rpcbuf_call *call;

	*what = FOR_HEAP;
	if (!call_is_cached() && !admit_heap(conn))
		return NULL;
	call = call_get(loop->engine, conn->outgoing, what);
	/* The reply lacks a page, not the vector: leave the allocator's
	 * queue. */
	if (!call && *what == FOR_PAGES && !loop->admit.page_grantee)
		rpcbuf_rqst_give_up(loop->rqst);
	return call;
}

/* One call of @conn, or one receive. */
static enum step one_step(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = loop->engine;
	struct rpcbuf_record_refusal refusal;
	struct rpcbuf_call *call;
	enum parked_for what;
	int ret;

	if (os_load(&conn->dropped)) {
		conn_end(conn, RPCBUF_CLOSE_DROPPED);
		return STEP_OTHER;
	}
	/* The next calls would run in vain, and too late: the client may have sent
	 * them again, and later calls too. */
	if (os_load(&conn->gone)) {
		conn_end(conn, RPCBUF_CLOSE_ERROR);
		return STEP_OTHER;
	}
	call = queued_next_delayed(conn);
	if (call) {
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		return dispatch_call(loop, conn, call) ? STEP_OTHER
						       : STEP_TAKEN;
	}
	if (park_busy(conn))
		return STEP_OTHER;
	if (conn->intake.stream.parsed == conn->intake.stream.filled) {
		receive(conn);
		return STEP_OTHER;
	}
	call = get_call(conn, &what);
	if (!call) {
		receive_lacks(conn, what);
		return STEP_OTHER;
	}
	ret = take_call(loop, conn, call, &refusal);
	if (ret == 1) {
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		start_call(loop, conn, call);
		os_pause_at("begun");
		if (engine->handlers.share && !conn->outgoing &&
		    !queued_may_run(conn, call))
			return STEP_OTHER;
		if (!call->later && delegate_call(conn, call))
			return STEP_OTHER;
		batch_begin(loop, conn);
		return dispatch_call(loop, conn, call) ? STEP_RAN : STEP_TAKEN;
	}
	call_put(engine, call);
	if (ret < 0)
		conn_refuse(conn, ret, &refusal);
	else
		receive(conn);
	return STEP_OTHER;
}

bool loop_step(struct loop *loop, struct rpcbuf_conn *conn)
{
	enum step step;

	do
		step = one_step(loop, conn);
	while (step == STEP_RAN && batch_joins(loop, conn));
	if (step == STEP_TAKEN)
		return false;
	batch_uncork(loop);
	return true;
}
