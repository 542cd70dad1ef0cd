/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What happens once a second: connections that take too long are closed, and a
 * loop that received nothing gives its pages back, or sooner, when memory is
 * short.  The owner of the loop only, but for the shrinker: any thread.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS_NS	  UINT64_C(1000000)
/* A loop that received nothing for so long keeps no pages. */
#define IDLE_PAGES_NS (2 * SECOND_NS)
/* loop->shrink: what is wanted of it. */
enum { SHRINK_NOTHING, SHRINK_VECTORS, SHRINK_ALL };
/* How long one connection may hold up others that wait for pages. */
#define FAVOUR_SECONDS 5
/* ... and how long one whose peer sends next to nothing. */
#define SLOW_SECONDS   1

/* Whole seconds since @since, which may be later than the loop's @now: the
 * thread that adopts a connection reads the clock too. */
static uint64_t seconds_since(uint64_t since, uint64_t now)
{
	return now > since ? (now - since) / SECOND_NS : 0;
}

/* Not idle: its bytes are there, and wait for pages or for their turn, and not
 * for itself to read its replies. */
static bool kept_waiting(const struct rpcbuf_conn *conn)
{
	int unread = 0;

	return conn->reception.waits_for != FOR_READER &&
	       ioctl(conn->fd, FIONREAD, &unread) == 0 && unread > 0;
}

static void end_idle(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	char peer[LOG_PEER_MAX];

	stat_add(loop->stats.closed_idle, 1);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(loop->engine, RPCBUF_LOG_INFO,
		   "closing connection of %s: it was idle, in seconds: %llu, limit %u",
		   peer,
		   (unsigned long long)seconds_since(conn->progress_ns,
						     loop->now_ns),
		   loop->engine->options.idle_timeout);
	conn_end(conn, RPCBUF_CLOSE_IDLE);
}

/* Since when the peer sends next to nothing of the record under way. */
static uint64_t slow_since(const struct rpcbuf_conn *conn)
{
	return rpcbuf_max(conn->slow_ns, conn->record_ns);
}

/* Other clients would wait for what it keeps until its turn has come and gone,
 * or its time: many peers that are silent would be waited for one by one. */
static bool is_slow(struct rpcbuf_conn *conn)
{
	return conn->record_ns && conn->slow_ns &&
	       seconds_since(slow_since(conn), conn->loop->now_ns) >=
		       SLOW_SECONDS &&
	       admit_wanted(conn);
}

/* What the peer of @conn keeps waiting for too long: 0, or why it is refused. */
static int check_record(struct rpcbuf_conn *conn,
			struct rpcbuf_record_refusal *refusal)
{
	uint64_t now = conn->loop->now_ns;
	uint64_t favoured_ns = conn->admit.quota.beyond_ns;

	if (is_slow(conn)) {
		refusal->value = seconds_since(slow_since(conn), now);
		refusal->limit = SLOW_SECONDS;
		return -ETIMEDOUT;
	}
	if (admit_favours(&conn->loop->engine->admit, &conn->admit) &&
	    seconds_since(favoured_ns, now) >= FAVOUR_SECONDS) {
		refusal->value = seconds_since(favoured_ns, now);
		refusal->limit = FAVOUR_SECONDS;
		return -ETIMEDOUT;
	}
	lag_look(&conn->lag, now);
	refusal->value = conn->lag.ns / SECOND_NS;
	refusal->limit = conn->loop->engine->options.record_timeout;
	return refusal->limit && refusal->value >= refusal->limit ? -ETIME : 0;
}

/*
 * Time limits of one connection.  Only one that is watched has been read to its
 * last byte, so the unfinished record of another is not held against it; nor is
 * it when more has come that nobody told of yet.
 */
void conn_check_times(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine_options *options =
		&conn->loop->engine->options;
	struct rpcbuf_record_refusal refusal;
	uint64_t now = conn->loop->now_ns;
	int err = 0;

	if (sending_expired(conn)) {
		if (conn->reception.state == RECEPTION_ENDING)
			conn_try_close(conn);
		else
			conn_end(conn, RPCBUF_CLOSE_UNREAD);
		return;
	}
	if (conn->reception.state == RECEPTION_ENDING || conn->outgoing ||
	    !successor_check(conn))
		return;
	if (conn->reception.state == RECEPTION_WATCHED)
		err = check_record(conn, &refusal);
	if (err && !kept_waiting(conn)) {
		conn_refuse(conn, err, &refusal);
		return;
	}
	if (os_load(&conn->in_flight))
		conn->progress_ns = now;
	if (options->idle_timeout &&
	    seconds_since(conn->progress_ns, now) >= options->idle_timeout &&
	    !kept_waiting(conn))
		end_idle(conn);
}

static void excuse(uint64_t *since, const struct loop *loop)
{
	if (*since)
		*since = rpcbuf_min(*since + loop->missed_ns, loop->now_ns);
}

static void conn_excuse(struct rpcbuf_conn *conn)
{
	excuse(&conn->progress_ns, conn->loop);
	excuse(&conn->record_ns, conn->loop);
	excuse(&conn->slow_ns, conn->loop);
	excuse(&conn->admit.quota.beyond_ns, conn->loop);
	excuse(&conn->admit.pass.idle_ns, conn->loop);
	sending_excuse(conn, conn->loop->missed_ns);
}

/* Nobody could get on while the loop did not run: because the process was
 * stopped, for one. */
void loop_excuse(struct loop *loop, uint64_t since_last_ns)
{
	if (since_last_ns <= 2 * LAG_LOOK_NS)
		return;
	loop->missed_ns = since_last_ns - LAG_LOOK_NS;
	loop_each(loop, conn_excuse);
}

void loop_release_vectors(struct loop *loop)
{
	rpcbuf_rqst_release(loop->rqst);
	rpcbuf_rqst_release(loop->run);
}

/* Not while a connection waits, or tries again: its place in the queue would
 * go too. */
static bool may_release(const struct loop *loop)
{
	return !loop->admit.starved && list_empty(&loop->ready);
}

/* What is kept for the rest of records goes at once; a busy loop keeps its
 * vectors until it has nothing to do. */
void loop_shrink(struct loop *loop)
{
	uint32_t shrink = os_load(&loop->shrink);

	if (shrink == SHRINK_ALL) {
		os_store(&loop->shrink, SHRINK_VECTORS);
		loop_each(loop, intake_trim);
	}
	if (!shrink || !may_release(loop))
		return;
	os_store(&loop->shrink, SHRINK_NOTHING);
	loop_release_vectors(loop);
}

/* Vectors are their loops': these let go of them in a moment, and of how many
 * pages is not known here. */
void limits_spare(struct rpcbuf_engine *engine)
{
	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		os_store(&engine->loops[i].shrink, SHRINK_ALL);
		loop_kick(&engine->loops[i]);
	}
}

static uint64_t shrink(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	(void)nr;
	limits_spare(rpcbuf_container_of(shrinker, struct rpcbuf_engine,
					 shrinker));
	return 0;
}

int shrinker_start(struct rpcbuf_engine *engine)
{
	engine->shrinker.shrink = shrink;
	return rpcbuf_shrinker_register(engine->mm, &engine->shrinker);
}

void shrinker_stop(struct rpcbuf_engine *engine)
{
	rpcbuf_shrinker_unregister(engine->mm, &engine->shrinker);
}

/* Once a second. */
void loop_check_limits(struct loop *loop)
{
	if (loop->now_ns < loop->next_scan_ns)
		return;
	loop->next_scan_ns = loop->now_ns + SECOND_NS;
	loop_each(loop, conn_check_times);
	if (rpcbuf_wait_pending(loop->engine->mm)) {
		rpcbuf_rqst_release(loop->run);
		loop_each(loop, intake_trim);
	}
	if (may_release(loop) &&
	    loop->now_ns - loop->received_ns > IDLE_PAGES_NS)
		loop_release_vectors(loop);
}
