/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A connection's life: adopted, received from, ending, closed.
 *
 * Three parties hold references: the engine until it has let go of the
 * descriptor, the adapter, and every call in flight.  All but refs, in_flight,
 * dropped, gone, waits, awaits and posted belongs to the owner of the loop.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

struct rpcbuf_conn *conn_create(struct loop *loop, struct client *client,
				int fd, void *data, bool outgoing)
{
	struct rpcbuf_conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	reception_init(&conn->reception);
	list_init(&conn->conn_link);
	list_init(&conn->post_link);
	list_init(&conn->port_link);
	conn->loop = loop;
	conn->part = &client->parts[loop - loop->engine->loops];
	conn->fd = fd;
	admit_init_conn(&conn->admit, &client->admit, &conn->part->gate);
	conn->data = data;
	conn->outgoing = outgoing;
	conn->progress_ns = os_now();
	conn->refs = 2; /* the engine's and the adapter's */
	rpcbuf_stream_init(&conn->stream, loop->engine->mm, NULL, 0);
	sending_init(conn);
	return conn;
}

void conn_get(struct rpcbuf_conn *conn)
{
	__atomic_fetch_add(&conn->refs, 1, __ATOMIC_RELAXED);
}

void rpcbuf_conn_put(struct rpcbuf_conn *conn)
{
	if (__atomic_sub_fetch(&conn->refs, 1, __ATOMIC_ACQ_REL))
		return;
	out_exit(&conn->sending.out);
	free(conn);
}

/* Tells the owner that something about @conn changed elsewhere. */
void conn_post(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	pthread_mutex_lock(&loop->lock);
	if (!conn->posted) {
		conn->posted = true;
		conn_get(conn);
		list_add_tail(&conn->post_link, &loop->posted);
	}
	pthread_mutex_unlock(&loop->lock);
	loop_kick(loop);
}

void rpcbuf_conn_drop(struct rpcbuf_conn *conn)
{
	__atomic_store_n(&conn->dropped, true, __ATOMIC_SEQ_CST);
	conn_post(conn);
}

void conn_call_begin(struct rpcbuf_conn *conn)
{
	conn_get(conn);
	__atomic_fetch_add(&conn->in_flight, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&conn->loop->engine->in_flight, 1, __ATOMIC_RELAXED);
}

void conn_call_done(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	int left = __atomic_sub_fetch(&conn->in_flight, 1, __ATOMIC_SEQ_CST);
	uint8_t awaits = __atomic_load_n(&conn->awaits, __ATOMIC_SEQ_CST);

	/* Pairs with await_calls(): either it sees how few are in flight, or
	 * we see that it waits. */
	if (awaits != AWAITS_NONE &&
	    left == (awaits == AWAITS_LAST ? 0 : engine->calls_resume))
		conn_post(conn);
	/* Pairs with rpcbuf_engine_stop(): from here on the engine may be
	 * destroyed. */
	__atomic_fetch_sub(&engine->in_flight, 1, __ATOMIC_RELEASE);
	rpcbuf_conn_put(conn);
}

/*
 * Tells the calls in flight to post @conn when so few are left.  Pairs with
 * conn_call_done().
 */
static void await_calls(struct rpcbuf_conn *conn, enum conn_awaits awaits)
{
	__atomic_store_n(&conn->awaits, awaits, __ATOMIC_SEQ_CST);
}

/* At its limit of calls in flight: it waits until there are fewer. */
bool conn_too_busy(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	int limit = engine->calls_limit;

	if (conn->reception.waits_for == FOR_CALLS)
		limit = engine->calls_resume + 1;
	else if (os_load(&conn->in_flight) >= limit)
		await_calls(conn, AWAITS_FEWER);
	if (__atomic_load_n(&conn->in_flight, __ATOMIC_SEQ_CST) >= limit)
		return true;
	await_calls(conn, AWAITS_NONE);
	return false;
}

/* Nothing more is read; waits for its calls, then closes. */
void conn_end(struct rpcbuf_conn *conn, enum rpcbuf_close_reason reason)
{
	intake_reset(conn);
	/* That it was dropped then is only what its owner made of it. */
	if (conn->reception.state != RECEPTION_ENDING ||
	    conn->reason != RPCBUF_CLOSE_UNREAD)
		conn->reason = reason;
	conn->record_ns = 0;
	await_calls(conn, AWAITS_LAST);
	reception_move(conn, RECEPTION_ENDING, FOR_NOTHING);
	conn_try_close(conn);
}

static bool may_close(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t now = conn->loop->now_ns;

	if (engine_stopping(engine) && now >= engine->stop_ns)
		return true;
	/* Also of a dropped one: a call may be on its way to the handler, on a
	 * thread that was interrupted before it could take a reference. */
	if (__atomic_load_n(&conn->in_flight, __ATOMIC_SEQ_CST))
		return false;
	if (conn->reason == RPCBUF_CLOSE_DROPPED ||
	    conn->reason == RPCBUF_CLOSE_ERROR)
		return true;
	/* Its peer has its time for each reply: conn_check_times(). */
	return sending_done(conn);
}

bool conn_try_close(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (!may_close(conn))
		return false;
	batch_forget(conn);
	sending_end(conn);
	reception_move(conn, RECEPTION_CLOSED, FOR_NOTHING);
	/* A thread that sits in a call still holds the socket in its ring:
	 * closing it would not tell the peer. */
	if (os_load(&conn->armed) && conn->reason != RPCBUF_CLOSE_DROPPED)
		shutdown(conn->fd, SHUT_RDWR);
	pthread_mutex_lock(&loop->lock);
	list_del(&conn->conn_link);
	fair_leave(conn);
	pthread_mutex_unlock(&loop->lock);
	successor_leave(conn);
	client_put(loop->engine, conn->part->client);
	conn->part = NULL;
	__atomic_fetch_sub(&loop->engine->connections, 1, __ATOMIC_RELAXED);
	loop->engine->handlers.closed(conn->data, conn->reason);
	rpcbuf_conn_put(conn);
	return true;
}

/* Closes a connection that broke a limit, and says which. */
void conn_refuse(struct rpcbuf_conn *conn, int err,
		 const struct rpcbuf_record_refusal *refusal)
{
	struct loop_stats *stats = &conn->loop->stats;
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
		what = "too little of a record came, in seconds";
		stat_add(stats->refused_timeout, 1);
		why = REFUSED_TIMEOUT;
		break;
	case -ETIMEDOUT:
		what = "record was not finished in time, in seconds";
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
