/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/intake.h"

#include "rpcbuf/engine/engine_private.h"

/* Bytes of a call with a payload that should not be copied. */
#define LARGE_CALL  (8u << 10)
/* After so many small calls in a row no large one is expected. */
#define SMALL_CALLS 64
/* Most pages that are copied to put a large call into one run. */
#define MOVED_PAGES 64

bool intake_open(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	if (conn->intake.slots)
		return true;
	if (!conn->loop->cached_slots && !admit_heap(conn))
		return false;
	conn->intake.slots = heap_get_slots(conn->loop, conn->outgoing);
	if (!conn->intake.slots)
		return false;
	rpcbuf_stream_init(&conn->intake.stream, engine->mm, conn->intake.slots,
			   engine->nr_slots);
	return true;
}

/* Bytes that are known or likely to come of the call under way, or the next
 * one. */
static size_t call_size(const struct rpcbuf_conn *conn)
{
	if (!rpcbuf_stream_empty(&conn->intake.stream))
		return rpcbuf_stream_wanted(&conn->intake.stream);
	if (conn->intake.next_length)
		return conn->intake.next_length < LARGE_CALL
			       ? 0
			       : conn->intake.next_length;
	return conn->intake.last_length < LARGE_CALL ? 0
						     : conn->intake.last_length;
}

/*
 * Preallocates adjacent pages for the rest of the record, so that its payload
 * is not copied although other connections are served in between.  Returns true
 * when the stream has such pages.
 */
static bool prealloc_rest(struct rpcbuf_conn *conn)
{
	struct rpcbuf_stream *stream = &conn->intake.stream;
	struct loop *loop = conn->loop;
	uint32_t bytes, pages, copied;

	if (stream->nr_spare)
		return true;
	bytes = intake_wanted(conn);
	pages = rpcbuf_pages_spanned(0, stream->filled + (size_t)bytes) + 1;
	if (conn->intake.moved || !admit_may_prealloc(conn, pages) ||
	    rpcbuf_stream_reserve(stream, loop->rqst, bytes, &copied))
		return false;
	if (copied)
		os_fetch_add(&loop->engine->stats.bytes_copied, copied);
	conn->intake.moved = true;
	return true;
}

/* True when the part of the call that has come ends directly in front of the
 * unused part of the run, and the rest fits there. */
static bool continues_run(const struct rpcbuf_conn *conn, unsigned int nr)
{
	unsigned int left;
	const void *next = rpcbuf_rqst_run_left(conn->loop->rqst, &left);

	return left >= nr &&
	       next == rpcbuf_stream_next_page(&conn->intake.stream);
}

/* True when the start of a call that is now known to be large should move to
 * the front of a run.  Once for a call: another call may use up the run before
 * the rest comes. */
static bool may_move(const struct rpcbuf_conn *conn, size_t size)
{
	const struct rpcbuf_stream *stream = &conn->intake.stream;

	return !conn->intake.moved && stream->nr_pages <= MOVED_PAGES &&
	       stream->filled + size >= LARGE_CALL;
}

/* The call continues behind the moved pages.  This copies less than the
 * payload, which need not be copied then. */
static void move_to_run(struct rpcbuf_conn *conn)
{
	struct rpcbuf_stream *stream = &conn->intake.stream;
	void *pages[MOVED_PAGES];
	uint32_t nr_moved = stream->nr_pages;
	bool of_run = stream->run;

	os_fetch_add(&conn->loop->engine->stats.bytes_copied, stream->filled);
	rpcbuf_rqst_take(conn->loop->rqst, nr_moved, pages);
	rpcbuf_stream_move(stream, pages, true);
	conn->intake.moved = true;
	if (of_run)
		rpcbuf_free_run(stream->mm, nr_moved, pages);
	else
		rpcbuf_free_bulk_array(stream->mm, nr_moved, pages);
}

/*
 * Fills the vector for a receive: with a run after a large call, and for a call
 * that is now known to be large.  A long record has preallocated pages
 * instead.  A call under way continues in a run only where that is adjacent to
 * its pages. False: there are no pages now.
 */
static inline __attribute__((always_inline)) bool
fill_vector(struct rpcbuf_conn *conn, size_t size)
{
	struct rpcbuf_rqst *rqst = conn->loop->rqst;
	unsigned int nr = rpcbuf_pages_spanned(0, size), moved = 0;

	if (conn->admit.gate_entry.state != GATE_NONE && prealloc_rest(conn))
		return true;
	if (!rpcbuf_stream_empty(&conn->intake.stream) &&
	    !continues_run(conn, nr)) {
		if (may_move(conn, size))
			moved = conn->intake.stream.nr_pages;
		else
			nr = 0;
	}
	rpcbuf_rqst_want(rqst, nr + moved);
	if (rpcbuf_unlikely(rpcbuf_rqst_try_fill(rqst)))
		return rpcbuf_rqst_make_do(rqst, 1) == 0;
	if (moved && rpcbuf_rqst_is_run(rqst))
		move_to_run(conn);
	return true;
}

/* The same, timed while a reader holds a lease on events or times. */
static __attribute__((noinline)) bool fill_vector_timed(struct rpcbuf_conn *conn,
							size_t size)
{
	struct trace_fill fill;
	bool filled;

	trace_fill_begin(conn->loop, &fill);
	filled = fill_vector(conn, size);
	trace_fill_end(conn, &fill);
	return filled;
}

/*
 * Small calls are read ahead.  After a large call the next ones are likely to
 * be as large: the receive ends where such a call ends, so that each begins in
 * a new page and lies in one run.  If nothing is known, a page is enough to see
 * the length of the call.  @size: from call_size().
 */
static size_t receive_size(const struct rpcbuf_conn *conn, size_t size)
{
	const struct loop *loop = conn->loop;
	size_t most = rpcbuf_max(size, loop->engine->options.read_ahead);

	most = rpcbuf_min(most, rpcbuf_rqst_populated(loop->rqst) *
					RPCBUF_PAGE_SIZE);
	if (conn->intake.small_calls < SMALL_CALLS && !size)
		return RPCBUF_PAGE_SIZE;
	if (conn->intake.last_length < LARGE_CALL || size >= most)
		return most;
	return size + (most - size) / conn->intake.last_length *
			      conn->intake.last_length;
}

unsigned int intake_offer(struct rpcbuf_conn *conn, size_t most,
			  struct iovec *iov, unsigned int max)
{
	struct loop *loop = conn->loop;
	size_t size = call_size(conn);

	if (trace_on(&loop->trace) ? !fill_vector_timed(conn, size)
				   : !fill_vector(conn, size))
		return 0;
	most = conn->intake.stream.nr_spare
		       ? SIZE_MAX
		       : rpcbuf_min(most, receive_size(conn, size));
	return rpcbuf_stream_iov(&conn->intake.stream, loop->rqst, most, iov,
				 max);
}

void intake_commit(struct rpcbuf_conn *conn, size_t len)
{
	uint32_t bytes = conn->intake.stream.filled;
	uint32_t pages = bytes ? conn->intake.stream.nr_pages : 0;

	rpcbuf_stream_commit(&conn->intake.stream, conn->loop->rqst, len);
	if (trace_on(&conn->loop->trace))
		trace_received(conn, conn->intake.stream.nr_pages - pages,
			       bytes);
}

bool intake_should_peek(const struct rpcbuf_conn *conn)
{
	return conn->intake.last_length >= ADMIT_LONG_RECORD &&
	       conn->intake.next_length <= 1 &&
	       rpcbuf_stream_empty(&conn->intake.stream) &&
	       admit_wants_length(conn);
}

/* One page is enough when the mark does not give the length, or one that will
 * be refused. */
void intake_expect(struct rpcbuf_conn *conn, uint32_t bytes)
{
	if (bytes > conn->loop->engine->machine_limits.max_length)
		bytes = 0;
	conn->intake.next_length = bytes ? bytes : 1;
}

uint32_t intake_wanted(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->intake.stream)
		       ? conn->intake.next_length
		       : rpcbuf_stream_wanted(&conn->intake.stream);
}

void intake_taken(struct rpcbuf_conn *conn, uint32_t length)
{
	conn->intake.moved = false;
	conn->intake.next_length = 0;
	conn->intake.last_length = length;
	if (length >= LARGE_CALL)
		conn->intake.small_calls = 0;
	else if (conn->intake.small_calls < SMALL_CALLS)
		conn->intake.small_calls++;
}

/*
 * A few bytes may stay for long: copies them to a single page, as in a page of
 * a run they would pin the run.
 */
static void leave_run(struct rpcbuf_conn *conn)
{
	struct rpcbuf_stream *stream = &conn->intake.stream;
	void *page = rpcbuf_alloc_page(stream->mm, RPCBUF_GFP_NOWAIT);

	if (!page)
		return;
	rpcbuf_stream_move(stream, &page, false);
	rpcbuf_free_run(stream->mm, 1, &page);
}

void intake_idle(struct rpcbuf_conn *conn)
{
	if (conn->intake.slots && !conn->intake.stream.nr_pages) {
		heap_put_slots(conn->loop, conn->intake.slots);
		conn->intake.slots = NULL;
		admit_empty(conn);
	} else if (conn->intake.stream.nr_pages == 1 &&
		   !conn->intake.stream.nr_spare && conn->intake.stream.run) {
		leave_run(conn);
	}
	admit_count(conn);
}

void intake_trim(struct rpcbuf_conn *conn)
{
	rpcbuf_stream_trim(&conn->intake.stream);
	admit_count(conn);
}

void intake_reset(struct rpcbuf_conn *conn)
{
	if (conn->intake.slots)
		rpcbuf_stream_reset(&conn->intake.stream);
	intake_idle(conn);
}
