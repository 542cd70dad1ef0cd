/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A loop and its owner.
 *
 * A step looks at one ready connection: it runs the next complete call, or
 * receives.  Everything is in order before a call runs, because the loop may
 * belong to somebody else when it returns: the connection is back on the
 * ready list, and loop->turn tells the watcher since when it runs.
 *
 * Only loop_kick() and loop_adopt() may be called by others than the owner.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

#define MS_NS UINT64_C(1000000)
#define SECOND_NS UINT64_C(1000000000)
#define IOV_MAX_RECEIVE 64
/* A call with a payload whose copy would cost. */
#define LARGE_CALL (8u << 10)
/* So many small ones in a row, and no large one is expected. */
#define SMALL_CALLS 64
/* Pages of a run that small calls may use up before the rest is too short for
 * the largest payload: header pages that it does not need. */
#define RUN_SLACK 1
/* Steps between two looks at the other connections. */
#define STEPS_PER_POLL 32
/* Parked connections are tried again this often, wake-ups aside. */
#define RETRY_MS 1
/* A loop that received nothing for so long keeps no pages. */
#define IDLE_PAGES_NS (2 * SECOND_NS)
/* How long one connection may hold up others that wait for pages. */
#define FAVOUR_SECONDS 5

void loop_kick(struct loop *loop)
{
	os_eventfd_signal(loop->kick_fd);
}

static bool watched(enum conn_place place)
{
	return place == CONN_WATCHED || place == CONN_READY;
}

static struct list_head *place_list(struct loop *loop, enum conn_place place)
{
	switch (place) {
	case CONN_READY:
		return &loop->ready;
	case CONN_PARKED:
		return &loop->parked;
	case CONN_UNSENT:
		return &loop->unsent;
	case CONN_ENDING:
		return &loop->ending;
	case CONN_WATCHED:
	case CONN_CLOSED:
		break;
	}
	return NULL;
}

/* Moves @conn to the end of its new place. */
void loop_place(struct rpcbuf_conn *conn, enum conn_place place)
{
	struct loop *loop = conn->loop;
	struct list_head *list = place_list(loop, place);

	list_del(&conn->place_link);
	if (watched(conn->place) && !watched(place))
		loop->backend->unwatch(loop, conn);
	else if (!watched(conn->place) && watched(place))
		loop->backend->watch(loop, conn);
	if (list)
		list_add_tail(&conn->place_link, list);
	conn->place = place;
}

/* The back end: bytes or an end have come. */
void loop_report(struct loop *loop, struct rpcbuf_conn *conn)
{
	(void)loop;
	conn->readable = true;
	if (conn->place == CONN_WATCHED)
		loop_place(conn, CONN_READY);
}

/* A connection that leaves the ready list for now. */
static void step_aside(struct rpcbuf_conn *conn, enum conn_place place)
{
	loop_place(conn, place);
	conn_rest(conn);
}

/* Too much is held by partial records: only one connection may add to it. */
static bool may_hold(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_conn *none = NULL;

	if (os_load(&engine->held_pages) < engine->held_limit || conn->outgoing)
		return true;
	if (os_load_acquire(&engine->favoured) == conn)
		return true;
	if (!os_cas_acquire(&engine->favoured, &none, conn))
		return false;
	conn->favoured_ns = conn->loop->now_ns;
	return true;
}

static void park(struct rpcbuf_conn *conn)
{
	stat_add(conn->loop->stats.parked_pages, 1);
	step_aside(conn, CONN_PARKED);
}

/* What came from the socket, or that nothing did. */
static void received(struct rpcbuf_conn *conn, ssize_t n, size_t asked)
{
	struct loop *loop = conn->loop;

	conn->readable = n == (ssize_t)asked;
	if (n > 0) {
		stat_add(loop->stats.bytes_received, (uint64_t)n);
		conn->progress_ns = loop->now_ns;
		loop->received_ns = loop->now_ns;
		if (!conn->record_ns)
			conn->record_ns = loop->now_ns;
		loop_place(conn, CONN_READY);
	} else if (n == 0) {
		conn_end(conn, RPCBUF_CLOSE_EOF);
	} else if (n == -EAGAIN) {
		conn->drained = true;
		step_aside(conn, CONN_WATCHED);
	} else {
		conn_end(conn, RPCBUF_CLOSE_ERROR);
	}
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
	return conn->last_length < LARGE_CALL ? 0 : conn->last_length;
}

/*
 * The vector to receive into: the run, for a connection that has lately sent a
 * large call or not shown yet what it sends; the pages from the caches for
 * others, and where no run is free.  A call that is under way goes on in the
 * run only where its pages go on.  NULL: there are no pages now.
 */
static struct rpcbuf_rqst *choose_vector(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	unsigned int nr = rpcbuf_pages_spanned(0, call_size(conn));
	bool start = rpcbuf_stream_empty(&conn->stream);

	if (start && conn->small_calls < SMALL_CALLS) {
		if (!nr)
			nr = rpcbuf_rqst_maxpages(loop->run) - RUN_SLACK;
		if (rpcbuf_rqst_try_run(loop->run, nr) == 0)
			return loop->run;
	} else if (!start && rpcbuf_rqst_populated(loop->run) >= nr &&
		   rpcbuf_rqst_pages(loop->run)[0] ==
			   rpcbuf_stream_next_page(&conn->stream)) {
		return loop->run;
	}
	if (rpcbuf_rqst_try_fill(loop->rqst) == 0)
		return loop->rqst;
	/* What is short is not kept for payloads to come. */
	rpcbuf_rqst_release(loop->run);
	return rpcbuf_rqst_try_fill(loop->rqst) ? NULL : loop->rqst;
}

/*
 * How much to ask the socket for.  Small calls are read ahead.  Where the last
 * call was large the next are likely to be as large: the receive ends where
 * such a call does, so that each starts in fresh pages and lies in one run.
 */
static size_t receive_size(const struct rpcbuf_conn *conn,
			   const struct rpcbuf_rqst *rqst)
{
	size_t first = call_size(conn);
	size_t most = rpcbuf_max(first, conn->loop->engine->options.read_ahead);

	most = rpcbuf_min(most,
			  rpcbuf_rqst_populated(rqst) * RPCBUF_PAGE_SIZE);
	if (conn->last_length < LARGE_CALL || first >= most)
		return most;
	return first +
	       (most - first) / conn->last_length * conn->last_length;
}

static void receive(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct iovec iov[IOV_MAX_RECEIVE];
	struct rpcbuf_rqst *rqst;
	unsigned int nr;
	ssize_t n;

	if (!conn->readable) {
		conn->drained = true;
		step_aside(conn, CONN_WATCHED);
		return;
	}
	rqst = may_hold(conn) ? choose_vector(conn) : NULL;
	if (!rqst || !conn_attach_slots(conn)) {
		park(conn);
		return;
	}
	nr = rpcbuf_stream_iov(&conn->stream, rqst, receive_size(conn, rqst),
			       iov, IOV_MAX_RECEIVE);
	stat_add(loop->stats.receives, 1);
	n = loop->backend->receive(conn, iov, nr);
	if (n > 0)
		rpcbuf_stream_commit(&conn->stream, rqst, (size_t)n,
				     rqst == loop->run);
	received(conn, n, iov_bytes(iov, nr));
}

static unsigned int log2_up(uint32_t value)
{
	return value <= 1 ? 0 : 32 - (unsigned int)__builtin_clz(value - 1);
}

static void count_call(struct loop *loop, const struct rpcbuf_call *call)
{
	unsigned int bucket = log2_up(call->message.nr_pages);

	bucket = rpcbuf_min(bucket, RPCBUF_HIST_PAGES - 1u);
	stat_add(loop->stats.requests, 1);
	stat_add(loop->stats.hist_pages[bucket], 1);
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

	call->conn = conn;
	call->conn_data = conn->data;
	call->bytes_copied = 0;
	call->in_place = 0;
	call->copied = 0;
	count_call(loop, call);
	conn_call_begin(conn);
	/* Pairs with the watcher's last look before it sleeps: either it sees
	 * the turn, or we see that it sleeps. */
	__atomic_exchange_n(&loop->turn, turn, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&engine->watcher_asleep, __ATOMIC_SEQ_CST))
		watcher_rouse(engine);
	engine->handlers.call(call);
	/* Pairs with the watcher's: one of us gets the loop. */
	return os_cas_acq_rel(&loop->turn, &turn, turn + 1);
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
	conn->last_length = call->message.wire_length;
	if (conn->last_length >= LARGE_CALL)
		conn->small_calls = 0;
	else if (conn->small_calls < SMALL_CALLS)
		conn->small_calls++;
	conn->record_ns = conn->stream.filled ? loop->now_ns : 0;
	if (too_short(&call->message, engine->options.limits.min_length,
		      refusal)) {
		rpcbuf_message_release(&call->message);
		return -EBADMSG;
	}
	return 1;
}

/* One call of @conn, or one receive.  False: the loop was taken. */
static bool step(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = loop->engine;
	struct rpcbuf_record_refusal refusal;
	struct rpcbuf_call *call;
	int ret;

	if (os_load(&conn->dropped)) {
		conn_end(conn, RPCBUF_CLOSE_DROPPED);
		return true;
	}
	if (engine->handlers.unsent && engine->handlers.unsent(conn->data)) {
		stat_add(loop->stats.parked_unsent, 1);
		step_aside(conn, CONN_UNSENT);
		return true;
	}
	if (conn->stream.parsed == conn->stream.filled) {
		receive(loop, conn);
		return true;
	}
	call = call_get(engine);
	if (!call) {
		park(conn);
		return true;
	}
	ret = next_call(loop, conn, call, &refusal);
	if (ret == 1) {
		loop_place(conn, CONN_READY);
		conn_unfavour(conn);
		return run(loop, conn, call);
	}
	call_put(engine, call);
	if (ret < 0)
		conn_refuse(conn, ret, &refusal);
	else
		receive(loop, conn);
	return true;
}

/* Connections that changed elsewhere: dropped, or their last call is done. */
static void take_posted(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	for (;;) {
		pthread_mutex_lock(&loop->lock);
		conn = list_empty(&loop->posted)
			       ? NULL
			       : list_first_entry(&loop->posted,
						  struct rpcbuf_conn,
						  post_link);
		if (conn) {
			list_del(&conn->post_link);
			conn->posted = false;
		}
		pthread_mutex_unlock(&loop->lock);
		if (!conn)
			return;
		if (conn->place != CONN_CLOSED) {
			if (os_load(&conn->dropped))
				conn_end(conn, RPCBUF_CLOSE_DROPPED);
			else if (conn->place == CONN_ENDING)
				conn_try_close(conn);
		}
		rpcbuf_conn_put(conn);
	}
}

/* Looks again at those that wait for something nobody tells us about. */
static void retry(struct loop *loop)
{
	struct rpcbuf_conn *conn, *tmp;

	if (!list_empty(&loop->parked)) {
		conn = list_first_entry(&loop->parked, struct rpcbuf_conn,
					place_link);
		loop_place(conn, CONN_READY);
	} else {
		/* Nobody here wants pages: others may have our turn. */
		rpcbuf_rqst_give_up(loop->rqst);
	}
	list_for_each_entry_safe (conn, tmp, &loop->unsent, struct rpcbuf_conn,
				  place_link)
		if (!loop->engine->handlers.unsent(conn->data))
			loop_place(conn, CONN_READY);
	list_for_each_entry_safe (conn, tmp, &loop->ending, struct rpcbuf_conn,
				  place_link)
		conn_try_close(conn);
}

static bool waits_for_retry(const struct loop *loop)
{
	return !list_empty(&loop->parked) || !list_empty(&loop->unsent) ||
	       !list_empty(&loop->ending);
}

/* Time limits of one connection. */
static void check_times(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	const struct rpcbuf_engine_options *options = &engine->options;
	struct rpcbuf_record_refusal refusal;
	uint64_t now = conn->loop->now_ns;
	uint64_t limit = options->record_timeout;

	if (conn->place == CONN_ENDING || conn->outgoing)
		return;
	refusal.value = (now - conn->progress_ns) / SECOND_NS;
	if (os_load(&engine->favoured) == conn) {
		refusal.value = (now - conn->favoured_ns) / SECOND_NS;
		limit = FAVOUR_SECONDS;
	} else if (conn->record_ns && conn->place == CONN_WATCHED) {
		refusal.value = (now - conn->record_ns) / SECOND_NS;
	} else {
		limit = 0;
	}
	if (limit && refusal.value >= limit) {
		refusal.limit = limit;
		conn_refuse(conn, -ETIMEDOUT, &refusal);
		return;
	}
	if (os_load(&conn->in_flight))
		conn->progress_ns = now;
	if (options->idle_timeout &&
	    now - conn->progress_ns >= options->idle_timeout * SECOND_NS) {
		stat_add(conn->loop->stats.closed_idle, 1);
		conn_end(conn, RPCBUF_CLOSE_IDLE);
	}
}

static void release_vectors(struct loop *loop)
{
	rpcbuf_rqst_release(loop->rqst);
	rpcbuf_rqst_release(loop->run);
}

/* Once a second. */
static void scan(struct loop *loop)
{
	struct rpcbuf_conn *conn, *tmp;
	struct list_head all;

	if (loop->now_ns < loop->next_scan_ns)
		return;
	loop->next_scan_ns = loop->now_ns + SECOND_NS;
	/* Only the owner takes connections off the list, so the lock is
	 * needed for the ends of it alone: new ones come in at the tail. */
	list_init(&all);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&loop->conns, &all);
	pthread_mutex_unlock(&loop->lock);
	list_for_each_entry_safe (conn, tmp, &all, struct rpcbuf_conn,
				  conn_link)
		check_times(conn);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&all, &loop->conns);
	pthread_mutex_unlock(&loop->lock);
	if (rpcbuf_wait_pending(loop->engine->mm))
		rpcbuf_rqst_release(loop->run);
	if (loop->now_ns - loop->received_ns > IDLE_PAGES_NS)
		release_vectors(loop);
}

/*
 * Polls for a short while before blocking: waking an idle CPU costs more than
 * the poll when the next call is near.  One loop at a time, and less and less
 * often while it finds nothing.
 */
static int spin(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	uint64_t end;
	uint32_t none = 0;
	int n = 0;

	if (!engine->options.spin_us || loop->spin_skip) {
		loop->spin_skip -= loop->spin_skip != 0;
		return 0;
	}
	if (!os_cas_acquire(&engine->spinning, &none, 1))
		return 0;
	end = os_now() + engine->options.spin_us * UINT64_C(1000);
	do {
		os_relax();
		n = loop->backend->wait(loop, 0);
	} while (!n && !loop->kicked && os_now() < end);
	os_store_release(&engine->spinning, 0);
	if (n) {
		loop->spin_misses = 0;
	} else if (loop->spin_misses < 6) {
		loop->spin_misses++;
		loop->spin_skip = (1u << loop->spin_misses) - 2;
	} else {
		loop->spin_skip = 62;
	}
	return n;
}

static int block_ms(const struct loop *loop)
{
	if (engine_stopping(loop->engine) || waits_for_retry(loop))
		return RETRY_MS;
	return os_load(&loop->nr_conns) ? 1000 : -1;
}

/* Collects what is ready; blocks only when there is nothing to do. */
static void collect(struct loop *loop)
{
	bool idle = list_empty(&loop->ready);
	int n = loop->backend->wait(loop, 0);

	loop->steps = 0;
	if (idle && !n && !loop->kicked && !waits_for_retry(loop))
		n = spin(loop);
	if (idle && !n && !loop->kicked)
		loop->backend->wait(loop, block_ms(loop));
	loop->now_ns = os_now();
	loop->kicked = false;
	take_posted(loop);
	retry(loop);
	scan(loop);
}

/*
 * The engine stops: every connection is read until its socket is empty once,
 * its calls are run, then it ends.  True when none is left.
 */
static bool drain(struct loop *loop)
{
	struct rpcbuf_conn *conn, *tmp;
	bool late = loop->now_ns >= loop->engine->stop_ns;
	struct list_head all;
	bool none;

	list_init(&all);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&loop->conns, &all);
	pthread_mutex_unlock(&loop->lock);
	list_for_each_entry_safe (conn, tmp, &all, struct rpcbuf_conn,
				  conn_link) {
		if (conn->place == CONN_ENDING)
			conn_try_close(conn);
		else if (late || conn->place == CONN_PARKED ||
			 (conn->place == CONN_WATCHED && conn->drained))
			conn_end(conn, RPCBUF_CLOSE_STOP);
		else if (conn->place == CONN_WATCHED)
			loop_report(loop, conn);
	}
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&all, &loop->conns);
	none = list_empty(&loop->conns);
	pthread_mutex_unlock(&loop->lock);
	return none;
}

/*
 * Owns @loop until it has ended, when the engine stops, and returns true; or
 * until another thread took it during a long call, and returns false.
 */
bool loop_own(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	os_store(&loop->owner_id, os_thread_id());
	for (;;) {
		if (engine_stopping(loop->engine) && drain(loop)) {
			release_vectors(loop);
			return true;
		}
		if (list_empty(&loop->ready) || loop->steps >= STEPS_PER_POLL)
			collect(loop);
		if (list_empty(&loop->ready))
			continue;
		loop->steps++;
		conn = list_first_entry(&loop->ready, struct rpcbuf_conn,
					place_link);
		if (!step(loop, conn))
			return false;
	}
}

int loop_open(struct loop *loop, struct rpcbuf_engine *engine,
	      unsigned int maxpages)
{
	int err;

	loop->engine = engine;
	loop->backend = &backend_epoll;
	loop->poll_fd = -1;
	list_init(&loop->ready);
	list_init(&loop->parked);
	list_init(&loop->unsent);
	list_init(&loop->ending);
	list_init(&loop->conns);
	list_init(&loop->posted);
	pthread_mutex_init(&loop->lock, NULL);
	loop->now_ns = os_now();
	loop->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick_fd < 0)
		return -errno;
	err = rpcbuf_rqst_create(&loop->rqst, engine->mm, NULL, maxpages);
	if (err)
		return err;
	rpcbuf_rqst_notify(loop->rqst, loop->kick_fd);
	err = rpcbuf_rqst_create(&loop->run, engine->mm, NULL,
				 rpcbuf_min(maxpages, RPCBUF_RUN_MAX));
	if (err)
		return err;
	return loop->backend->open(loop);
}

void loop_close(struct loop *loop)
{
	if (!loop->backend)
		return;
	loop->backend->close(loop);
	if (loop->kick_fd >= 0)
		close(loop->kick_fd);
	rpcbuf_rqst_destroy(loop->rqst);
	rpcbuf_rqst_destroy(loop->run);
	free(loop->spare_slots);
	pthread_mutex_destroy(&loop->lock);
}
