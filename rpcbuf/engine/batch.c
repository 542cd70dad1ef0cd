/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A batch: calls of one connection that run one after the other, and whose
 * replies leave together (cork.h).  It lasts while complete calls wait behind
 * the one that is about to run, for at most batch_calls calls or CORK_NS.
 * Before each call the send list learns whether another one follows.
 *
 * The thread that clears loop->batched by an atomic exchange uncorks the list:
 * the owner at the end of the batch, or the monitor when a call of the batch
 * runs long.  The monitor clears it, and takes a reference, under its lock; the
 * owner takes that lock before it closes a connection.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/cork.h"
#include "rpcbuf/os/os.h"

/* True when another call may follow.  Expects a reply as long as the last
 * one. */
static bool may_extend(const struct loop *loop, const struct rpcbuf_conn *conn)
{
	return loop->batch_left && rpcbuf_stream_ready(&conn->intake.stream) &&
	       os_load(&conn->reply_bytes) < CORK_BYTES;
}

static bool open_batch(struct loop *loop, struct rpcbuf_conn *conn)
{
	loop->batch_left = loop->engine->options.batch_calls - 1;
	if (!may_extend(loop, conn))
		return false;
	loop->batch_end_ns = os_now() + CORK_NS;
	os_store_release(&loop->batched, conn);
	stat_add(loop->stats.batches, 1);
	return true;
}

/* Called before a call of @conn runs. */
void batch_begin(struct loop *loop, struct rpcbuf_conn *conn)
{
	bool first = !os_load(&loop->batched);

	if (first)
		loop->batch_more = open_batch(loop, conn);
	else
		loop->batch_more = may_extend(loop, conn) &&
				   os_now() < loop->batch_end_ns;
	/* A batch of one call needs no cork. */
	if (first && !loop->batch_more)
		return;
	out_more(&conn->sending.out, loop->batch_more);
	/* If the monitor cleared `batched` before out_more(), nothing else
	 * would uncork the list.  If it clears it after that, it uncorks the
	 * list itself. */
	if (os_load(&loop->batched) != conn)
		out_uncork(&conn->sending.out);
}

/* Called after a call: true when the next call of @conn joins the batch.  It
 * must join when out_more() announced it. */
bool batch_joins(struct loop *loop, const struct rpcbuf_conn *conn)
{
	if (os_load(&loop->batched) != conn || !loop->batch_left)
		return false;
	loop->batch_left--;
	return loop->batch_more;
}

/* Returns the connection whose list the caller must uncork, or NULL. */
static struct rpcbuf_conn *claim_batch(struct loop *loop)
{
	return os_load(&loop->batched)
		       ? __atomic_exchange_n(&loop->batched, NULL,
					     __ATOMIC_ACQ_REL)
		       : NULL;
}

/* The owner. */
void batch_uncork(struct loop *loop)
{
	struct rpcbuf_conn *conn = claim_batch(loop);

	if (conn)
		out_uncork(&conn->sending.out);
}

/* The monitor, under its lock, which it gives up while it sends: replies that
 * were sent are freed, and that calls their owners. */
void batch_uncork_late(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	struct rpcbuf_conn *conn = claim_batch(loop);

	if (!conn)
		return;
	conn_get(conn);
	pthread_mutex_unlock(&engine->monitor.lock);
	out_uncork(&conn->sending.out);
	rpcbuf_conn_put(conn);
	pthread_mutex_lock(&engine->monitor.lock);
}

/* @conn is about to be closed.  On return the monitor does not uncork its list
 * any more, or has a reference and finds the list dead. */
void batch_end_conn(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	if (os_load(&conn->loop->batched) == conn)
		batch_uncork(conn->loop);
	pthread_mutex_lock(&engine->monitor.lock);
	pthread_mutex_unlock(&engine->monitor.lock);
}
