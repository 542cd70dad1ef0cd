/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Time limits: connections that take too long are closed, and time in which
 * nobody could get on does not count.  Once a second, and for peers that send
 * bit by bit whenever they do.  The owner of the loop only.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* How long one connection whose peer sends next to nothing may hold up others of
 * its client, */
#define FAVOUR_SECONDS 5
/* ... and those of other clients.  Long enough for TCP to send again what was lost
 * a few times. */
#define SLOW_SECONDS   4

/* Whole seconds since @since, which may be later than the loop's @now: the
 * thread that adopts a connection reads the clock too. */
static uint64_t seconds_since(uint64_t since, uint64_t now)
{
	return now > since ? (now - since) / OS_SECOND_NS : 0;
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
	engine_log(
		loop->engine, RPCBUF_LOG_INFO,
		"closing connection of %s: it was idle, in seconds: %llu, limit %u",
		peer,
		(unsigned long long)seconds_since(conn->times.progress_ns,
						  loop->now_ns),
		loop->engine->options.idle_timeout);
	conn_end(conn, RPCBUF_CLOSE_IDLE);
}

/* For how many seconds the peer has sent next to nothing of the record under
 * way. */
static uint64_t slow_seconds(const struct rpcbuf_conn *conn)
{
	const struct timing *times = &conn->times;

	if (!times->record_ns || !times->slow_ns)
		return 0;
	return seconds_since(rpcbuf_max(times->slow_ns, times->record_ns),
			     conn->loop->now_ns);
}

/* For how many seconds others of its client have waited for it to finish. */
static uint64_t favoured_seconds(const struct rpcbuf_conn *conn)
{
	if (!admit_favours(&conn->loop->engine->admit, &conn->admit))
		return 0;
	return seconds_since(conn->admit.quota.beyond_ns, conn->loop->now_ns);
}

/*
 * Does the peer of @conn bring too little for others to wait for it?  Those of
 * other clients would wait for what it keeps until its turn has come and gone:
 * many peers that are silent would be waited for one by one.  One that brings
 * something is waited for.
 */
static bool keeps_others(struct rpcbuf_conn *conn,
			 struct rpcbuf_record_refusal *refusal)
{
	uint64_t slow = slow_seconds(conn);

	if (slow < SLOW_SECONDS)
		return false;
	refusal->value = slow;
	refusal->limit = SLOW_SECONDS;
	if (admit_wanted(conn))
		return true;
	refusal->value = favoured_seconds(conn);
	refusal->limit = FAVOUR_SECONDS;
	return refusal->value >= FAVOUR_SECONDS;
}

/* What the peer of @conn keeps waiting for too long: 0, or why it is refused. */
static int check_record(struct rpcbuf_conn *conn,
			struct rpcbuf_record_refusal *refusal)
{
	struct lag *lag = &conn->times.lag;

	if (keeps_others(conn, refusal))
		return -ETIMEDOUT;
	lag_look(lag, conn->loop->now_ns);
	refusal->value = lag->ns / OS_SECOND_NS;
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
	if (conn->reception.state == RECEPTION_ENDING || conn->outgoing)
		return;
	if (queued_withdraw_excess(conn)) {
		admit_forgo(conn);
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
	}
	if (successor_overdue(conn) && !conn_watch(conn))
		return;
	if (conn->reception.state == RECEPTION_WATCHED)
		err = check_record(conn, &refusal);
	if (err && !kept_waiting(conn)) {
		conn_refuse(conn, err, &refusal);
		return;
	}
	if (os_load(&conn->flight.nr))
		conn->times.progress_ns = now;
	if (options->idle_timeout &&
	    seconds_since(conn->times.progress_ns, now) >=
		    options->idle_timeout &&
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
	excuse(&conn->times.progress_ns, conn->loop);
	excuse(&conn->times.record_ns, conn->loop);
	excuse(&conn->times.slow_ns, conn->loop);
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
	conns_each(loop, conn_excuse);
}
