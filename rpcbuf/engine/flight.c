/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/flight.h"

#include "rpcbuf/engine/engine_private.h"

void flight_begin(struct rpcbuf_conn *conn)
{
	conn_get(conn);
	__atomic_fetch_add(&conn->flight.nr, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&conn->loop->engine->flight.nr, 1, __ATOMIC_RELAXED);
}

void flight_done(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	int left = __atomic_sub_fetch(&conn->flight.nr, 1, __ATOMIC_SEQ_CST);
	uint8_t awaits =
		__atomic_load_n(&conn->flight.awaits, __ATOMIC_SEQ_CST);

	/* Pairs with set_awaits(): either the owner sees the number, or we see
	 * that it waits. */
	if (awaits != AWAITS_NONE &&
	    left == (awaits == AWAITS_LAST ? 0 : engine->flight.resume))
		conn_post(conn);
	/* Pairs with rpcbuf_engine_stop(). */
	__atomic_fetch_sub(&engine->flight.nr, 1, __ATOMIC_RELEASE);
	rpcbuf_conn_put(conn);
}

/* Makes the call whose completion leaves the number that @awaits stands for post
 * @conn.  Pairs with
 * flight_done(). */
static void set_awaits(struct rpcbuf_conn *conn, enum conn_awaits awaits)
{
	__atomic_store_n(&conn->flight.awaits, awaits, __ATOMIC_SEQ_CST);
}

static int in_flight(const struct rpcbuf_conn *conn)
{
	return __atomic_load_n(&conn->flight.nr, __ATOMIC_SEQ_CST);
}

bool flight_too_many(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	int limit = engine->flight.limit;

	if (conn->reception.parked_for == FOR_CALLS)
		limit = engine->flight.resume + 1;
	else if (os_load(&conn->flight.nr) >= limit)
		set_awaits(conn, AWAITS_FEWER);
	if (in_flight(conn) >= limit)
		return true;
	set_awaits(conn, AWAITS_NONE);
	return false;
}

void flight_await_last(struct rpcbuf_conn *conn)
{
	set_awaits(conn, AWAITS_LAST);
}

/* Counts, too, a call of a dropped connection that a preempted thread has not
 * dispatched yet. */
bool flight_none(const struct rpcbuf_conn *conn)
{
	return !in_flight(conn);
}
