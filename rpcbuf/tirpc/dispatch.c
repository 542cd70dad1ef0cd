/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A call of the engine's on its way to libtirpc's dispatch (table.c).
 *
 * Calls of a connection run one after the other, in the order in which they
 * came: SVCXPRT has room for one xid and one verifier, and clients batch calls.
 * A call that is not the next one, or finds another one running, is queued on
 * the connection and run by the thread that runs the one before it.  The engine's
 * limit of calls in flight is the limit of the queue.
 *
 * Any thread of the engine.
 */
#include "rpcbuf/tirpc/tirpc_private.h"

static void run_call(struct conn *conn, struct rpcbuf_call *call)
{
	conn->message = &call->message;
	conn->call = call;
	table_dispatch(conn);
	conn->call = NULL;
	call->bytes_copied += conn->xdr.copied;
	call->in_place += conn->xdr.refs_in_place;
	call->copied += conn->xdr.refs_copied;
	svc_conn_end_call(conn);
}

/* Numbers wrap. */
static void queue_call(struct conn *conn, struct rpcbuf_call *call)
{
	struct pending *pending = call->private_data;
	struct pending **at = &conn->first;

	while (*at && (int32_t)(call->number - (*at)->call->number) > 0)
		at = &(*at)->next;
	*pending = (struct pending){call, *at};
	*at = pending;
}

/* Returns false when the call was queued behind others of its connection. */
static bool begin_or_queue(struct conn *conn, struct rpcbuf_call *call)
{
	bool begin;

	pthread_mutex_lock(&conn->lock);
	begin = !conn->running && call->number == conn->due;
	if (begin)
		conn->running = true;
	else
		queue_call(conn, call);
	pthread_mutex_unlock(&conn->lock);
	return begin;
}

static struct rpcbuf_call *next_or_end(struct conn *conn)
{
	struct pending *pending;

	pthread_mutex_lock(&conn->lock);
	conn->due++;
	pending = conn->first;
	if (pending && pending->call->number == conn->due) {
		conn->first = pending->next;
	} else {
		pending = NULL;
		conn->running = false;
	}
	pthread_mutex_unlock(&conn->lock);
	return pending ? pending->call : NULL;
}

/* A call in flight keeps its connection: dequeue the next one before completing
 * this one. */
static void on_call(struct rpcbuf_call *call)
{
	struct conn *conn = call->conn_data;

	if (!begin_or_queue(conn, call))
		return;
	while (call) {
		struct rpcbuf_call *next;

		if (!svc_conn_dead(conn))
			run_call(conn, call);
		next = next_or_end(conn);
		rpcbuf_call_done(call);
		call = next;
	}
}

/* A stopping engine may close connections whose calls still run:
 * rpcbuf_svc_run() frees these. */
static void on_closed(void *conn_data, enum rpcbuf_close_reason reason)
{
	struct conn *conn = conn_data;

	if (reason == RPCBUF_CLOSE_UNREAD)
		svc_stat_add(send_timeouts, 1);
	if (reason != RPCBUF_CLOSE_STOP && !os_load(&home.stopping))
		svc_conn_free(conn);
}

static void on_thread_start(const char *name)
{
	(void)name;
	encode_thread_start();
}

static void on_log(enum rpcbuf_log_level level, const char *line)
{
	if (level <= RPCBUF_LOG_WARNING)
		svc_log(&home.options, level, "%s", line);
}

const struct rpcbuf_handlers dispatch_handlers = {
	.size = sizeof(dispatch_handlers),
	.call = on_call,
	.closed = on_closed,
	.thread_start = on_thread_start,
	.thread_stop = encode_thread_stop,
	.log = on_log,
};
