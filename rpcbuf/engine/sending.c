/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The sending side of a connection.  The loop continues where a full socket
 * stopped.  A connection whose peer does not read is parked, and closed at the
 * send timeout.
 *
 * Unsent replies count per connection and per engine, in bytes and in memory
 * that they pin; the limits are of memory.  The limit of a connection is never
 * less than the longest reply, so a peer that reads one reply after the other
 * never meets it.  Above the limit of the engine every connection with unsent
 * replies is parked, so none waits for another's peer.  Each may add one reply
 * beyond it, so from a second limit on READs are shortened
 * (rpcbuf_call_be_short()).
 */
#include <errno.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/flush.h"
#include "rpcbuf/engine/cork.h"
#include "rpcbuf/engine/round.h"
#include "rpcbuf/os/os.h"

/* Unsent memory above which no further call runs while the socket is full: its
 * data would leave the CPU's caches before it is sent.  The peer reads from the
 * socket's buffer meanwhile; the kernel reports POLLOUT when a third of that is
 * free. */
#define AHEAD_BYTES (UINT64_C(64) << 10)

static struct rpcbuf_conn *conn_of_list(struct rpcbuf_out *out)
{
	return rpcbuf_container_of(
		rpcbuf_container_of(out, struct sending, out),
		struct rpcbuf_conn, sending);
}

/* Any thread: posts the connection when the owner must act. */
static void wrote(struct rpcbuf_out *out)
{
	struct rpcbuf_conn *conn = conn_of_list(out);
	enum out_state state = out_state(out);

	if (state == OUT_DEAD)
		os_store(&conn->gone, true);
	if (state == OUT_DEAD || state == OUT_BLOCKED ||
	    os_load(&conn->sending.wanted) ||
	    os_load(&conn->reception.parked_for) == FOR_UNSENT ||
	    os_load(&conn->reception.state) == RECEPTION_ENDING)
		conn_post(conn);
}

static void charge_unsent(struct rpcbuf_out *out, uint64_t bytes,
			  uint64_t pinned)
{
	const struct rpcbuf_conn *conn = conn_of_list(out);
	struct rpcbuf_engine *engine = conn->loop->engine;

	os_fetch_add(&engine->unsent_bytes, bytes);
	os_fetch_add(&engine->unsent_pinned, pinned);
	os_fetch_add(&conn->part->client->unsent_pinned, pinned);
}

static const struct out_ops ops = {.wrote = wrote, .charge = charge_unsent};

void sending_init(struct rpcbuf_conn *conn)
{
	conn->sending.timeout = SENDING_TIMEOUT;
	out_init(&conn->sending.out, conn->fd, &ops);
}

void sending_update_watch(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct sending *sending = &conn->sending;
	enum out_state state = out_state(&sending->out);

	if (state == OUT_BLOCKED) {
		os_store(&sending->wanted, true);
		if (!loop->backend->watch_out(loop, conn))
			return;
		/* No thread would send the rest: drops it.  The connection does
		 * not end here, as the back end may be in its event loop. */
		os_store(&sending->wanted, false);
		out_end(&sending->out);
		os_store(&conn->gone, true);
		conn_post(conn);
	} else if (state != OUT_WRITING && sending->wanted) {
		os_store(&sending->wanted, false);
		loop->backend->unwatch_out(loop, conn);
	}
}

void sending_resume(struct rpcbuf_conn *conn)
{
	out_write(&conn->sending.out);
	sending_update_watch(conn);
}

static uint64_t pinned(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->sending.out.pinned);
}

static bool engine_over(const struct rpcbuf_engine *engine)
{
	return os_load(&engine->unsent_pinned) > engine->unsent_limit;
}

bool sending_over_limit(const struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return pinned(conn) > engine->unsent_conn_limit ||
	       (engine_over(engine) && pinned(conn));
}

bool sending_full(const struct rpcbuf_conn *conn)
{
	return out_state(&conn->sending.out) == OUT_BLOCKED &&
	       pinned(conn) > AHEAD_BYTES;
}

/* This and sending_done() take the lock: a writing thread has either stopped
 * before, or sees in wrote() that the connection waits for it. */
bool sending_below_limits(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t now;

	pthread_mutex_lock(&conn->sending.out.lock);
	now = pinned(conn);
	pthread_mutex_unlock(&conn->sending.out.lock);
	return !now ||
	       (now <= rpcbuf_min(engine->unsent_conn_limit / 2, AHEAD_BYTES) &&
		!engine_over(engine));
}

bool sending_done(struct rpcbuf_conn *conn)
{
	struct rpcbuf_out *out = &conn->sending.out;
	enum out_state state;

	pthread_mutex_lock(&out->lock);
	state = out->state;
	pthread_mutex_unlock(&out->lock);
	return state == OUT_EMPTY || state == OUT_DEAD;
}

bool sending_expired(struct rpcbuf_conn *conn)
{
	struct rpcbuf_out *out = &conn->sending.out;
	uint64_t since = os_load(&out->blocked_ns), now = conn->loop->now_ns;
	uint32_t limit = os_load(&conn->sending.timeout);
	char peer[LOG_PEER_MAX];

	/* A flush has a deadline of its own. */
	if (!since || os_load(&out->waiters) ||
	    now < since + limit * OS_SECOND_NS)
		return false;
	stat_add(conn->loop->stats.closed_unread, 1);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(
		conn->loop->engine, RPCBUF_LOG_WARNING,
		"closing connection of %s: it does not read, seconds: %llu, limit %u",
		peer, (unsigned long long)((now - since) / OS_SECOND_NS),
		limit);
	out_end(out);
	return true;
}

void sending_add_missed(struct rpcbuf_conn *conn, uint64_t missed_ns)
{
	struct rpcbuf_out *out = &conn->sending.out;

	if (!os_load(&out->blocked_ns))
		return;
	pthread_mutex_lock(&out->lock);
	if (out->blocked_ns)
		os_store(&out->blocked_ns,
			 rpcbuf_min(out->blocked_ns + missed_ns,
				    conn->loop->now_ns));
	pthread_mutex_unlock(&out->lock);
}

void sending_end(struct rpcbuf_conn *conn)
{
	struct sending *sending = &conn->sending;

	out_end(&sending->out);
	if (sending->wanted)
		conn->loop->backend->unwatch_out(conn->loop, conn);
	os_store(&sending->wanted, false);
}

/* A reply may be sent in several parts. */
static void count_part(struct rpcbuf_call *call, uint64_t bytes, uint32_t pages,
		       uint32_t reserved)
{
	call->reply_bytes = (uint32_t)rpcbuf_min(call->reply_bytes + bytes,
						 (uint64_t)UINT32_MAX);
	call->reply_pages += pages;
	call->reply_reserved += reserved;
	if (probe_reply_on())
		observe_reply(call, bytes, pages, reserved);
}

/* The engine may not exist any more. */
static bool conn_is_forked(const struct rpcbuf_conn *conn)
{
	return out_is_forked(&conn->sending.out);
}

static int free_in_child(struct rpcbuf_reply *reply)
{
	rpcbuf_reply_free(reply);
	return -EPERM;
}

int rpcbuf_call_reply(struct rpcbuf_call *call, struct rpcbuf_reply *reply)
{
	if (conn_is_forked(call->conn))
		return free_in_child(reply);
	count_part(call, reply->bytes, reply->nr_pages, reply->nr_reserved);
	return out_append(&call->conn->sending.out, reply,
			  call_is_running(call));
}

int rpcbuf_call_reply_join(struct rpcbuf_call *call, const void *bytes,
			   size_t len)
{
	int ret;

	if (conn_is_forked(call->conn))
		return -EPERM;
	ret = out_join(&call->conn->sending.out, bytes, len,
		       call_is_running(call));
	if (ret >= 0)
		count_part(call, len, 0, 0);
	return ret;
}

/* @most is half of the budget.  Half of that again is left to clients that pin
 * less than an equal part of it. */
static bool pins_much(const struct rpcbuf_conn *conn, uint64_t pinned_all,
		      uint64_t most)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t nr = rpcbuf_max(os_load(&engine->clients.nr), 1u);

	return pinned_all >= most && (pinned_all >= most + most / 2 ||
				      client_unsent(conn) >= most / 2 / nr);
}

bool rpcbuf_call_be_short(struct rpcbuf_call *call)
{
	struct rpcbuf_engine *engine = call->conn->loop->engine;
	uint64_t pinned_all = os_load(&engine->unsent_pinned), most;
	struct rpcbuf_budget budget = RPCBUF_BUDGET_INIT;

	if (rpcbuf_likely(pinned_all <= engine->unsent_conn_limit))
		return false;
	/* The budget may have changed since the start. */
	rpcbuf_budget_get(engine->mm, &budget);
	most = budget.memory / 2;
	if (!pins_much(call->conn, pinned_all, most))
		return false;
	os_fetch_add(&engine->stats.short_replies, 1);
	log_short(engine, pinned_all, most);
	return true;
}

int rpcbuf_conn_send(struct rpcbuf_conn *conn, struct rpcbuf_reply *reply)
{
	if (conn_is_forked(conn))
		return free_in_child(reply);
	return out_append(&conn->sending.out, reply, false);
}

int rpcbuf_conn_flush(struct rpcbuf_conn *conn, uint64_t until_ns)
{
	if (conn_is_forked(conn))
		return -EPERM;
	return rpcbuf_out_flush(&conn->sending.out, until_ns);
}

void rpcbuf_conn_set_send_timeout(struct rpcbuf_conn *conn, uint32_t seconds)
{
	os_store(&conn->sending.timeout, seconds);
}
