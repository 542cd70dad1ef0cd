/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A step: one look at one ready connection.  It runs the next complete call, or
 * receives.  The owner of the loop only.
 *
 * Everything is in order before a call runs, because the loop may belong to
 * somebody else when it returns: the connection is back on the ready list, and
 * loop->turn tells the watcher since when it runs.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

#define IOV_MAX_RECEIVE 64
/* A call with a payload whose copy would cost. */
#define LARGE_CALL (8u << 10)
/* So many small ones in a row, and no large one is expected. */
#define SMALL_CALLS 64
/* A peer that sends less than that in a second may be let go of for others. */
#define SLOW_BYTES (64u << 10)
/* Most that is copied to let the rest of a large call lie in a run. */
#define MOVED_PAGES 64

/* A ready connection has to wait, not because of its peer. */
static void step_aside(struct rpcbuf_conn *conn, enum waits_for what)
{
	conn->slow_ns = 0;
	trace_aside(conn, waits_for_memory(what));
	reception_move(conn, RECEPTION_WAITING, what);
	conn_rest(conn);
}

/* It goes on, or waits for nothing but its peer. */
static void step_back(struct rpcbuf_conn *conn)
{
	shortage_end(conn);
	if (trace_was_aside(&conn->counts))
		trace_back(conn);
}

/* All that has come was taken: from now its peer is waited for, or since less
 * came than a slow link brings.  The difference wraps with the next record. */
static void await_peer(struct rpcbuf_conn *conn)
{
	uint32_t filled = conn->stream.filled;

	if (conn->slow_ns && filled - conn->slow_filled < SLOW_BYTES)
		return;
	conn->slow_ns = conn->loop->now_ns;
	conn->slow_filled = filled;
}

/* All that has come was looked at.  A peer that sends bit by bit is ready
 * whenever the loop looks for the slow ones, so it is looked at here. */
static void await_bytes(struct rpcbuf_conn *conn)
{
	conn_rest(conn);
	long_rest(conn);
	await_peer(conn);
	if (!loop_watch(conn))
		return;
	/* Who asks from now finds it waiting for its peer. */
	held_rest(conn);
	if (conn->record_ns) {
		lag_await(&conn->lag, os_now());
		conn_check_times(conn);
	}
}

static void park(struct rpcbuf_conn *conn, enum waits_for what)
{
	probe_park(conn, conn->fd, conn->part->client->key);
	long_rest(conn);
	step_aside(conn, what);
}

/* What came from the socket, or that nothing did. */
static void received(struct rpcbuf_conn *conn, ssize_t n, size_t asked)
{
	struct loop *loop = conn->loop;

	conn->readable = n == (ssize_t)asked;
	probe_receive(conn, conn->fd, conn->part->client->key, n);
	if (n > 0) {
		stat_add(loop->stats.bytes_received, (uint64_t)n);
		conn->progress_ns = loop->now_ns;
		pass_busy(&conn->pass);
		loop->received_ns = loop->now_ns;
		if (!conn->record_ns) {
			conn->record_ns = loop->now_ns;
			if (probe_request_begin_on())
				observe_begin(conn);
		}
		lag_receive(&conn->lag, (uint64_t)n,
			    loop->engine->options.least_rate);
		held_count(conn);
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	} else if (n == 0) {
		conn_end(conn, RPCBUF_CLOSE_EOF);
	} else if (n == -EAGAIN) {
		/* What came between an earlier look and the stop counts. */
		conn->drained = engine_stopping(loop->engine);
		await_bytes(conn);
	} else {
		conn_end(conn, RPCBUF_CLOSE_ERROR);
	}
}

/* Bytes, 0 at the end, or -errno. */
static ssize_t receive_now(const struct rpcbuf_conn *conn, struct iovec *iov,
			   unsigned int nr_iov)
{
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = nr_iov };
	ssize_t n;

	do {
		n = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

static size_t iov_bytes(const struct iovec *iov, unsigned int nr)
{
	size_t bytes = 0;

	while (nr--)
		bytes += iov++->iov_len;
	return bytes;
}

/* Bytes that the call under way, or the next one, is known or likely to need. */
static size_t call_size(const struct rpcbuf_conn *conn)
{
	if (!rpcbuf_stream_empty(&conn->stream))
		return rpcbuf_stream_wanted(&conn->stream);
	if (conn->next_length)
		return conn->next_length < LARGE_CALL ? 0 : conn->next_length;
	return conn->last_length < LARGE_CALL ? 0 : conn->last_length;
}

/*
 * A call turns out to be large: what has come of it moves to the front of a
 * run, and the call goes on behind it.  What is copied here is less than the
 * payload that need not be copied then; once for a call, as the run may go to
 * others before the rest has come.
 */
static bool move_to_run(struct rpcbuf_conn *conn, unsigned int nr)
{
	struct rpcbuf_stream *stream = &conn->stream;
	struct rpcbuf_rqst *run = conn->loop->run;
	void *pages[MOVED_PAGES];
	uint32_t nr_moved = stream->nr_pages;
	bool of_run = stream->run;

	if (conn->moved || nr_moved > MOVED_PAGES ||
	    stream->filled + call_size(conn) < LARGE_CALL ||
	    rpcbuf_rqst_try_run(run, nr + nr_moved))
		return false;
	os_fetch_add(&conn->loop->engine->bytes_copied, stream->filled);
	rpcbuf_rqst_take(run, nr_moved, pages);
	rpcbuf_stream_move(stream, pages, true);
	conn->moved = true;
	if (of_run)
		rpcbuf_free_run(stream->mm, nr_moved, pages);
	else
		rpcbuf_free_bulk_array(stream->mm, nr_moved, pages);
	return true;
}

/*
 * The vector to receive into: the run, for a connection whose last call was
 * large, and where a call turns out to be; the stream's own for a long record;
 * the pages from the caches for others, and where no run is free.  A call that
 * is under way goes on in the run only where its pages go on.  NULL: there are
 * no pages now.
 */
static inline __attribute__((always_inline)) struct rpcbuf_rqst *
choose_vector(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	unsigned int nr = rpcbuf_pages_spanned(0, call_size(conn));

	if (long_reserve(conn))
		return loop->rqst; /* of which nothing is taken */
	if (rpcbuf_stream_empty(&conn->stream)) {
		if (nr && rpcbuf_rqst_try_run(loop->run, nr) == 0)
			return loop->run;
	} else if ((rpcbuf_rqst_populated(loop->run) >= nr &&
		    rpcbuf_rqst_pages(loop->run)[0] ==
			    rpcbuf_stream_next_page(&conn->stream)) ||
		   move_to_run(conn, nr)) {
		return loop->run;
	}
	if (rpcbuf_rqst_try_fill(loop->rqst) == 0)
		return loop->rqst;
	/* What is short is not kept for payloads to come. */
	rpcbuf_rqst_release(loop->run);
	if (rpcbuf_rqst_try_fill(loop->rqst) &&
	    rpcbuf_rqst_make_do(loop->rqst, 1))
		return NULL;
	return loop->rqst;
}

/*
 * How much to ask the socket for.  Small calls are read ahead.  Where the last
 * call was large the next are likely to be as large: the receive ends where
 * such a call does, so that each starts in fresh pages and lies in one run.
 * Where nothing is known a page is enough to see how long the call is.
 */
static size_t receive_size(const struct rpcbuf_conn *conn,
			   const struct rpcbuf_rqst *rqst)
{
	size_t first = call_size(conn);
	size_t most = rpcbuf_max(first, conn->loop->engine->options.read_ahead);

	most = rpcbuf_min(most,
			  rpcbuf_rqst_populated(rqst) * RPCBUF_PAGE_SIZE);
	if (conn->small_calls < SMALL_CALLS && !first)
		return RPCBUF_PAGE_SIZE;
	if (conn->last_length < LARGE_CALL || first >= most)
		return most;
	return first +
	       (most - first) / conn->last_length * conn->last_length;
}

/* The same, while somebody asks how long it takes. */
static __attribute__((noinline)) struct rpcbuf_rqst *
choose_vector_timed(struct rpcbuf_conn *conn)
{
	struct trace_fill fill;
	struct rpcbuf_rqst *rqst;

	trace_fill_begin(conn->loop, &fill);
	rqst = choose_vector(conn);
	trace_fill_end(conn, &fill);
	return rqst;
}

/* A vector for @conn when it may have one, and there is one; else NULL, and
 * *@what says what there is too little of. */
static struct rpcbuf_rqst *take_vector(struct rpcbuf_conn *conn,
				       enum waits_for *what)
{
	*what = FOR_PAGES;
	if (!shortage_passes(conn))
		return NULL;
	if (!conn_attach_slots(conn)) {
		*what = FOR_HEAP;
		return NULL;
	}
	return trace_on(&conn->loop->trace) ? choose_vector_timed(conn)
					    : choose_vector(conn);
}

/* The first @len bytes of the receive are there. */
static void commit(struct rpcbuf_conn *conn, struct rpcbuf_rqst *rqst,
		   size_t len)
{
	uint32_t bytes = conn->stream.filled;
	uint32_t pages = bytes ? conn->stream.nr_pages : 0;

	rpcbuf_stream_commit(&conn->stream, rqst, len,
			     rqst == conn->loop->run);
	if (trace_on(&conn->loop->trace))
		trace_received(conn, conn->stream.nr_pages - pages, bytes);
}

static void receive(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct iovec iov[IOV_MAX_RECEIVE];
	struct rpcbuf_rqst *rqst;
	enum waits_for what;
	unsigned int nr;
	size_t most;
	ssize_t n;

	if (!conn->readable) {
		step_back(conn);
		await_bytes(conn);
		return;
	}
	most = held_may_receive(conn);
	if (!most) {
		park(conn, FOR_QUOTA);
		return;
	}
	switch (long_begin(conn)) {
	case -EAGAIN:
		received(conn, -EAGAIN, 0);
		return;
	case -EBUSY:
		step_aside(conn, FOR_LONG);
		return;
	}
	rqst = take_vector(conn, &what);
	if (!rqst) {
		shortage_wait(conn);
		park(conn, what);
		return;
	}
	step_back(conn);
	most = conn->stream.nr_spare
		       ? SIZE_MAX
		       : rpcbuf_min(most, receive_size(conn, rqst));
	nr = rpcbuf_stream_iov(&conn->stream, rqst, most, iov,
			       IOV_MAX_RECEIVE);
	stat_add(loop->stats.receives, 1);
	n = receive_now(conn, iov, nr);
	if (n > 0)
		commit(conn, rqst, (size_t)n);
	received(conn, n, iov_bytes(iov, nr));
}

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
static void begin(struct loop *loop, struct rpcbuf_conn *conn,
		  struct rpcbuf_call *call)
{
	call->conn = conn;
	call->conn_data = conn->data;
	call->bytes_copied = 0;
	call->in_place = 0;
	call->copied = 0;
	call->reply_bytes = 0;
	call->number = conn->nr_calls++;
	call->event = NULL;
	count_call(loop, call);
	trace_count(&conn->counts, call->message.wire_length);
	step_back(conn);
	if (trace_on(&loop->trace))
		trace_call(conn, call);
	conn_call_begin(conn);
}

/*
 * Runs @call.  Returns false when the loop was given to another thread
 * meanwhile: the caller must not touch it again.
 */
static bool run(struct loop *loop, struct rpcbuf_conn *conn,
		struct rpcbuf_call *call)
{
	struct rpcbuf_engine *engine = loop->engine;
	uint32_t turn = os_load(&loop->turn) + 1;
	struct call_clock clock;

	loop->running = conn;
	call_clock_start(&clock, conn);
	/* Pairs with the watcher's last look before it sleeps: either it sees
	 * the turn, or we see that it sleeps. */
	__atomic_exchange_n(&loop->turn, turn, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&engine->watcher_asleep, __ATOMIC_SEQ_CST))
		watcher_rouse(engine);
	call_dispatch(engine, call);
	/* Pairs with the watcher's: one of us gets the loop. */
	if (!os_cas_acq_rel(&loop->turn, &turn, turn + 1))
		return false;
	call_clock_stop(&clock, conn);
	return true;
}

/* A reply is shorter than a call, so the machine lets both through. */
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

/* Takes the next call out of the stream: 1, 0, or -errno as the stream does. */
static int next_call(struct loop *loop, struct rpcbuf_conn *conn,
		     struct rpcbuf_call *call,
		     struct rpcbuf_record_refusal *refusal)
{
	struct rpcbuf_engine *engine = loop->engine;
	int ret = rpcbuf_stream_next(&conn->stream, &engine->machine_limits,
				     &call->message, refusal);

	if (ret != 1)
		return ret;
	held_count(conn);
	conn->moved = false;
	conn->next_length = 0;
	conn->last_length = call->message.wire_length;
	if (conn->last_length >= LARGE_CALL)
		conn->small_calls = 0;
	else if (conn->small_calls < SMALL_CALLS)
		conn->small_calls++;
	conn->record_ns = conn->stream.filled ? loop->now_ns : 0;
	lag_begin(&conn->lag);
	if (too_short(&call->message, engine->options.limits.min_length,
		      refusal)) {
		rpcbuf_message_release(&call->message);
		return -EBADMSG;
	}
	if (probe_request_received_on())
		observe_received(conn, call);
	if (conn->stream.filled && probe_request_begin_on())
		observe_begin(conn);
	return 1;
}

/*
 * A peer that does not read its replies, or whose calls pile up, is not read
 * from.  Never so where replies to calls of ours come in, nor in the middle of
 * a record that others wait for.
 */
static bool may_not_go_on(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	if (conn->outgoing || held_beyond(conn))
		return false;
	if (sending_over(conn)) {
		stat_add(conn->loop->stats.parked_unsent, 1);
		log_wait(conn, WAIT_UNSENT,
			 os_load(&conn->sending.out.pinned),
			 engine->unsent_conn_limit);
		step_aside(conn, FOR_READER);
		/* Its peer may have read meanwhile. */
		if (sending_under(conn))
			reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		return true;
	}
	if (os_load(&conn->in_flight) >= engine->calls_limit &&
	    conn_too_busy(conn)) {
		stat_add(conn->loop->stats.parked_calls, 1);
		log_wait(conn, WAIT_CALLS, (uint64_t)os_load(&conn->in_flight),
			 (uint64_t)engine->calls_limit);
		step_aside(conn, FOR_CALLS);
		return true;
	}
	return false;
}

enum step {
	STEP_RAN,   /* a call, and the loop is still ours */
	STEP_OTHER, /* anything but a call */
	STEP_TAKEN, /* a call, and the loop was taken meanwhile */
};

/* One call of @conn, or one receive. */
static enum step one_step(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = loop->engine;
	struct rpcbuf_record_refusal refusal;
	struct rpcbuf_call *call;
	int ret;

	if (os_load(&conn->dropped)) {
		conn_end(conn, RPCBUF_CLOSE_DROPPED);
		return STEP_OTHER;
	}
	/* What has not begun would be done for nobody, and late: its client may
	 * have sent it again, and more. */
	if (os_load(&conn->gone)) {
		conn_end(conn, RPCBUF_CLOSE_ERROR);
		return STEP_OTHER;
	}
	if (may_not_go_on(conn))
		return STEP_OTHER;
	if (conn->stream.parsed == conn->stream.filled) {
		receive(loop, conn);
		return STEP_OTHER;
	}
	call = call_get(engine);
	if (!call) {
		shortage_wait(conn);
		park(conn, FOR_HEAP);
		return STEP_OTHER;
	}
	ret = next_call(loop, conn, call, &refusal);
	if (ret == 1) {
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
		held_end_turn(conn);
		long_end(conn);
		begin(loop, conn, call);
		if (delegate_call(conn, call))
			return STEP_OTHER;
		batch_begin(loop, conn);
		return run(loop, conn, call) ? STEP_RAN : STEP_TAKEN;
	}
	call_put(engine, call);
	if (ret < 0)
		conn_refuse(conn, ret, &refusal);
	else
		receive(loop, conn);
	return STEP_OTHER;
}

/* A batch of calls of @conn, or one receive.  False: the loop was taken. */
bool loop_step(struct loop *loop, struct rpcbuf_conn *conn)
{
	enum step step;

	do
		step = one_step(loop, conn);
	while (step == STEP_RAN && batch_goes_on(loop, conn));
	if (step == STEP_TAKEN)
		return false;
	batch_release(loop);
	return true;
}
