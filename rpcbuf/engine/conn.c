/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A connection's life: adopted, read, ending, closed.  The engine holds a
 * reference until it has released the descriptor, the adapter holds one, and so
 * does every call in flight.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/pause.h"

struct rpcbuf_conn *conn_create(struct loop *loop, struct client *client,
				int fd, void *data, bool outgoing)
{
	struct rpcbuf_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	reception_init(&conn->reception);
	list_init(&conn->member.link);
	list_init(&conn->member.post_link);
	list_init(&conn->succession.link);
	queued_init(conn, client->key);
	conn->loop = loop;
	conn->part = &client->parts[loop - loop->engine->loops];
	conn->fd = fd;
	admit_init_conn(&conn->admit, &client->admit, &conn->part->gate);
	conn->data = data;
	conn->outgoing = outgoing;
	conn->times.progress_ns = os_now();
	conn->member.refs = 2; /* the engine's and the adapter's */
	rpcbuf_stream_init(&conn->intake.stream, loop->engine->mm, NULL, 0);
	sending_init(conn);
	return conn;
}

void rpcbuf_conn_drop(struct rpcbuf_conn *conn)
{
	if (fork_is_child(conn->loop->engine->mm))
		return;
	__atomic_store_n(&conn->dropped, true, __ATOMIC_SEQ_CST);
	conn_post(conn);
}

bool conn_watch(struct rpcbuf_conn *conn)
{
	if (rpcbuf_likely(!reception_move(conn, RECEPTION_WATCHED,
					  FOR_NOTHING)))
		return true;
	conn_end(conn, RPCBUF_CLOSE_ERROR);
	return false;
}

void conn_event(struct rpcbuf_conn *conn, uint32_t events)
{
	conn->intake.readable = true;
	/* Reset, or closed at both ends.  An outgoing connection may still have
	 * replies in its socket, to be read first. */
	if (events & POLLHUP && !conn->outgoing)
		os_store(&conn->gone, true);
	admit_woken(&conn->admit);
	if (lag_awaits(&conn->times.lag))
		lag_pause(&conn->times.lag, os_now());
	if (conn->reception.state == RECEPTION_WATCHED)
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

void conn_end(struct rpcbuf_conn *conn, enum rpcbuf_close_reason reason)
{
	intake_reset(conn);
	/* The adapter drops a connection after UNREAD: keep the first
	 * reason. */
	if (conn->reception.state != RECEPTION_ENDING ||
	    conn->reason != RPCBUF_CLOSE_UNREAD)
		conn->reason = reason;
	conn->times.record_ns = 0;
	flight_await_last(conn);
	reception_move(conn, RECEPTION_ENDING, FOR_NOTHING);
	os_pause_at("ending");
	conn_try_close(conn);
}

static bool is_over(const struct loop *loop)
{
	return engine_stopping(loop->engine) &&
	       loop->now_ns >= loop->engine->stop_ns;
}

/* True when no reply can reach the peer. */
static bool cannot_be_answered(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->gone) || os_load(&conn->dropped) ||
	       conn->reason == RPCBUF_CLOSE_ERROR ||
	       conn->reason == RPCBUF_CLOSE_UNREAD || is_over(conn->loop);
}

static bool may_close(struct rpcbuf_conn *conn)
{
	if (is_over(conn->loop))
		return true;
	if (!flight_none(conn))
		return false;
	if (conn->reason == RPCBUF_CLOSE_DROPPED ||
	    conn->reason == RPCBUF_CLOSE_ERROR)
		return true;
	/* The send timeout bounds this: conn_check_times(). */
	return sending_done(conn);
}

bool conn_try_close(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	queued_end(conn, cannot_be_answered(conn));
	if (!may_close(conn))
		return false;
	batch_end_conn(conn);
	sending_end(conn);
	reception_move(conn, RECEPTION_CLOSED, FOR_NOTHING);
	/* The ring of a thread that is in a call references the socket, so
	 * close() alone would send no FIN. */
	if (os_load(&conn->armed) && conn->reason != RPCBUF_CLOSE_DROPPED)
		shutdown(conn->fd, SHUT_RDWR);
	conns_leave(conn);
	successor_leave(conn);
	client_leave(conn);
	__atomic_fetch_sub(&loop->engine->connections, 1, __ATOMIC_RELAXED);
	os_pause_at("closed");
	loop->engine->handlers.closed(conn->data, conn->reason);
	rpcbuf_conn_put(conn);
	return true;
}

void conn_refuse(struct rpcbuf_conn *conn, int err,
		 const struct rpcbuf_record_refusal *refusal)
{
	struct rpcbuf_engine_stats *stats = &conn->loop->stats;
	const char *what = "failed";
	char peer[LOG_PEER_MAX];
	enum refusal why = NR_REFUSALS;

	switch (err) {
	case -EMSGSIZE:
		what = "record is longer than the page vector takes, in bytes";
		stat_add(stats->refused_length, 1);
		why = REFUSED_LENGTH;
		break;
	case -E2BIG:
		what = "record has too many fragments";
		stat_add(stats->refused_fragments, 1);
		why = REFUSED_FRAGMENTS;
		break;
	case -EBADMSG:
		what = "record is shorter than a message, in bytes";
		stat_add(stats->refused_short, 1);
		why = REFUSED_SHORT;
		break;
	case -ETIME:
		what = "record is below the least rate, seconds of lag";
		stat_add(stats->refused_timeout, 1);
		why = REFUSED_TIMEOUT;
		break;
	case -ETIMEDOUT:
		what = "record blocked others, in seconds";
		stat_add(stats->refused_timeout, 1);
		why = REFUSED_TIMEOUT;
		break;
	}
	probe_refuse(conn, conn->fd, conn->part->client->key, err,
		     refusal->value, refusal->limit);
	if (why != NR_REFUSALS)
		os_fetch_add(&conn->part->client->refused[why], 1);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(conn->loop->engine, RPCBUF_LOG_WARNING,
		   "closing connection of %s: %s: %llu, limit %llu", peer, what,
		   (unsigned long long)refusal->value,
		   (unsigned long long)refusal->limit);
	conn_end(conn, RPCBUF_CLOSE_REFUSED);
}
