/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A call of the engine's on its way to libtirpc's dispatch,
 * svc_getreq_common(), which finds the transport by its descriptor in a table
 * of its own.
 *
 * Calls of a connection run one after the other, in the order in which they
 * came: SVCXPRT has room for one xid and one verifier, and clients batch calls.
 * One that comes before its turn, or finds another one running, is queued on
 * the connection and run by the thread that runs the one before it.  The
 * engine's bound of calls in flight is that of the queue.
 *
 * The table ends where the limit of descriptors was when libtirpc first asked
 * for it.  A connection above is put, for the time of a call, into one of a
 * few places below, whose descriptors are taken before others take them.
 *
 * Any thread of the engine; the places are under `places.lock`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpcbuf/tirpc/tirpc_private.h"

#define PLACES 32u

/* Descriptors below the end of the table that are not polled; a byte each, by
 * descriptor.  Under table_lock(). */
static uint8_t *owned;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	unsigned int nr, nr_free;
	int free[PLACES];
} places = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .freed = PTHREAD_COND_INITIALIZER};

bool dispatch_owns(int fd)
{
	return owned && fd < _rpc_dtablesize() && owned[fd];
}

/* Takes places while there are low descriptors. */
static void reserve_places(void)
{
	int fds[PLACES], size = _rpc_dtablesize();
	unsigned int nr = 0;

	pthread_mutex_lock(&places.lock);
	while (places.nr + nr < PLACES) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		if (fd >= size) {
			close(fd);
			break;
		}
		fds[nr++] = fd;
	}
	for (unsigned int i = 0; i < nr; i++)
		places.free[places.nr_free++] = fds[i];
	places.nr += nr;
	pthread_mutex_unlock(&places.lock);
	table_lock();
	for (unsigned int i = 0; i < nr; i++)
		owned[fds[i]] = 1;
	table_unlock();
}

static int place_get(void)
{
	int fd;

	pthread_mutex_lock(&places.lock);
	while (!places.nr_free)
		pthread_cond_wait(&places.freed, &places.lock);
	fd = places.free[--places.nr_free];
	pthread_mutex_unlock(&places.lock);
	return fd;
}

static void place_put(int fd)
{
	pthread_mutex_lock(&places.lock);
	places.free[places.nr_free++] = fd;
	pthread_cond_signal(&places.freed);
	pthread_mutex_unlock(&places.lock);
}

int dispatch_register(struct conn *conn)
{
	int size = _rpc_dtablesize(), fd = conn->xprt.xp_fd;

	table_lock();
	if (!owned)
		owned = calloc((size_t)size, 1);
	if (!owned) {
		table_unlock();
		return -ENOMEM;
	}
	if (fd < size) {
		xprt_register(&conn->xprt);
		owned[fd] = 1;
	}
	table_unlock();
	if (fd >= size - size / 4 && !places.nr)
		reserve_places();
	if (fd < size || places.nr)
		return 0;
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing a connection: its descriptor is %d, libtirpc's table "
		"ends at %d, and none is free below",
		fd, size);
	return -EMFILE;
}

void dispatch_unregister(struct conn *conn)
{
	int fd = conn->xprt.xp_fd;

	if (fd >= _rpc_dtablesize())
		return;
	table_lock();
	xprt_unregister(&conn->xprt);
	if (owned)
		owned[fd] = 0;
	table_unlock();
}

/* @fd: what libtirpc is to think that the descriptor is. */
static void put_in_table(struct conn *conn, int fd, void (*put)(SVCXPRT *xprt))
{
	int real = conn->xprt.xp_fd;

	table_lock();
	conn->xprt.xp_fd = fd;
	put(&conn->xprt);
	conn->xprt.xp_fd = real;
	table_unlock();
}

static void dispatch(struct conn *conn)
{
	int fd = conn->xprt.xp_fd;

	if (fd < _rpc_dtablesize()) {
		svc_getreq_common(fd);
		return;
	}
	fd = place_get();
	put_in_table(conn, fd, xprt_register);
	svc_getreq_common(fd);
	put_in_table(conn, fd, xprt_unregister);
	place_put(fd);
}

static void run_call(struct conn *conn, struct rpcbuf_call *call)
{
	conn->message = &call->message;
	conn->call = call;
	dispatch(conn);
	conn->call = NULL;
	call->bytes_copied += conn->xdr.copied;
	call->in_place += conn->xdr.refs_in_place;
	call->copied += conn->xdr.refs_copied;
	svc_conn_end_call(conn);
}

/* Numbers wrap. */
static void queue(struct conn *conn, struct rpcbuf_call *call)
{
	struct pending *pending = call->private_data;
	struct pending **at = &conn->first;

	while (*at && (int32_t)(call->number - (*at)->call->number) > 0)
		at = &(*at)->next;
	*pending = (struct pending){call, *at};
	*at = pending;
}

/* False: another thread will run it, after those before it. */
static bool begin_or_queue(struct conn *conn, struct rpcbuf_call *call)
{
	bool begin;

	pthread_mutex_lock(&conn->lock);
	begin = !conn->running && call->number == conn->due;
	if (begin)
		conn->running = true;
	else
		queue(conn, call);
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

/* A call in flight keeps its connection: the next one is taken before the one
 * at hand is done with. */
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

/* While the engine stops it may let go of connections whose calls still run:
 * rpcbuf_svc_run() frees what is left. */
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
	.call = on_call,
	.closed = on_closed,
	.thread_start = on_thread_start,
	.thread_stop = encode_thread_stop,
	.log = on_log,
};
