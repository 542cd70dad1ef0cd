/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Closes connections that exceed a time limit.  Time in which the loop could
 * not run does not count.  Checked once a second, and for peers that trickle at
 * each of their receives.  The owner of the loop only.
 */
#include <errno.h>
#include <sys/ioctl.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Seconds that a connection whose peer trickles may hold the over-quota
 * grant. */
#define OVER_QUOTA_SECONDS 5
/* Seconds that it may keep other clients waiting for its pages.  Long enough
 * for a few retransmissions of TCP. */
#define SLOW_SECONDS	   4

/* Whole seconds since @since, which may be later than the loop's @now: the
 * thread that adopts a connection reads the clock too. */
static uint64_t seconds_since(uint64_t since, uint64_t now)
{
	return now > since ? (now - since) / OS_SECOND_NS : 0;
}

/* True when bytes lie in the socket while the connection waits for pages or a
 * grant: then it is not idle.  One that is parked because its peer does not
 * read may be. */
static bool has_unread(const struct rpcbuf_conn *conn)
{
	int unread = 0;

	return conn->reception.parked_for != FOR_UNSENT &&
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
		"closing connection of %s: idle, seconds: %llu, limit %u",
		peer,
		(unsigned long long)seconds_since(conn->times.progress_ns,
						  loop->now_ns),
		loop->engine->options.idle_timeout);
	conn_end(conn, RPCBUF_CLOSE_IDLE);
}

/* Seconds for which the peer has trickled in the record under way. */
static uint64_t slow_seconds(const struct rpcbuf_conn *conn)
{
	const struct timing *times = &conn->times;

	if (!times->record_ns || !times->slow_ns)
		return 0;
	return seconds_since(rpcbuf_max(times->slow_ns, times->record_ns),
			     conn->loop->now_ns);
}

/* Seconds for which @conn has held the over-quota grant. */
static uint64_t over_quota_seconds(const struct rpcbuf_conn *conn)
{
	if (!admit_over_quota(&conn->loop->engine->admit, &conn->admit))
		return 0;
	return seconds_since(conn->admit.quota.over_quota_ns, conn->loop->now_ns);
}

/*
 * True when the peer of @conn trickles, and other clients need its pages, or it
 * has held the over-quota grant for too long.  Without this, many silent peers
 * would delay others one after the other.
 */
static bool blocks_others(struct rpcbuf_conn *conn,
			  struct rpcbuf_record_refusal *refusal)
{
	uint64_t slow = slow_seconds(conn);

	if (slow < SLOW_SECONDS)
		return false;
	refusal->value = slow;
	refusal->limit = SLOW_SECONDS;
	if (admit_wanted(conn))
		return true;
	refusal->value = over_quota_seconds(conn);
	refusal->limit = OVER_QUOTA_SECONDS;
	return refusal->value >= OVER_QUOTA_SECONDS;
}

/* Checks the partial record of @conn: 0, or the reason to close it. */
static int check_record(struct rpcbuf_conn *conn,
			struct rpcbuf_record_refusal *refusal)
{
	struct lag *lag = &conn->times.lag;

	if (blocks_others(conn, refusal))
		return -ETIMEDOUT;
	lag_update(lag, conn->loop->now_ns);
	refusal->value = lag->ns / OS_SECOND_NS;
	refusal->limit = conn->loop->engine->options.record_timeout;
	return refusal->limit && refusal->value >= refusal->limit ? -ETIME : 0;
}

/*
 * The limits of a record hold for a watched connection only, as its socket was
 * drained; and not when bytes came since that the back end has not reported.
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
	if (err && !has_unread(conn)) {
		conn_refuse(conn, err, &refusal);
		return;
	}
	if (os_load(&conn->flight.nr))
		conn->times.progress_ns = now;
	if (options->idle_timeout &&
	    seconds_since(conn->times.progress_ns, now) >=
		    options->idle_timeout &&
	    !has_unread(conn))
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
	excuse(&conn->admit.quota.over_quota_ns, conn->loop);
	excuse(&conn->admit.gate_entry.idle_ns, conn->loop);
	sending_add_missed(conn, conn->loop->missed_ns);
}

/* Moves all start times forward by the time in which the loop did not run, for
 * example because the process was stopped. */
void loop_excuse(struct loop *loop, uint64_t since_last_ns)
{
	if (since_last_ns <= 2 * LAG_SCAN_NS)
		return;
	loop->missed_ns = since_last_ns - LAG_SCAN_NS;
	conns_each(loop, conn_excuse);
}
