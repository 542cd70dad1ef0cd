/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A receive: asks admission for bytes, gets the pages for them, and reports the
 * outcome.
 */
#include "rpcbuf/engine/receive.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/pause.h"

#define IOV_MAX_RECEIVE 64
/* A peer that sends less than this in SLOW_SECONDS trickles (limits.c). */
#define SLOW_BYTES	(64u << 10)

void receive_park(struct rpcbuf_conn *conn, enum parked_for what)
{
	if (parked_for_memory(what))
		probe_park(conn, conn->fd, conn->part->client->key);
	conn->times.slow_ns = 0;
	trace_parked(conn, parked_for_memory(what));
	reception_move(conn, RECEPTION_PARKED, what);
	intake_idle(conn);
}

void receive_lacks(struct rpcbuf_conn *conn, enum parked_for what)
{
	admit_lacks(conn, what);
	receive_park(conn, what);
}

void receive_goes_on(struct rpcbuf_conn *conn)
{
	admit_given(conn);
	if (trace_is_parked(&conn->counts))
		trace_unparked(conn);
}

/* The socket was drained: starts the timer of a trickling peer, and keeps it
 * while fewer than SLOW_BYTES came.  The difference wraps with the next
 * record. */
static void start_slow_timer(struct rpcbuf_conn *conn)
{
	uint32_t filled = conn->intake.stream.filled;

	if (conn->times.slow_ns &&
	    filled - conn->times.slow_filled < SLOW_BYTES)
		return;
	conn->times.slow_ns = conn->loop->now_ns;
	conn->times.slow_filled = filled;
}

/* The socket was drained: waits for more.  A trickling peer may be ready at
 * every scan of the loop, so its time limits are checked here. */
static void await_bytes(struct rpcbuf_conn *conn)
{
	intake_idle(conn);
	start_slow_timer(conn);
	if (!conn_watch(conn))
		return;
	admit_yield(conn);
	if (conn->times.record_ns) {
		lag_await(&conn->times.lag, os_now());
		conn_check_times(conn);
	}
}

/* The socket is empty.  If the engine stops, all that came before is
 * received. */
static void nothing_came(struct rpcbuf_conn *conn)
{
	conn->intake.readable = false;
	conn->drained = engine_stopping(conn->loop->engine);
	await_bytes(conn);
}

static void bytes_came(struct rpcbuf_conn *conn, size_t n)
{
	struct loop *loop = conn->loop;

	stat_add(loop->stats.bytes_received, n);
	conn->times.progress_ns = loop->now_ns;
	loop->received_ns = loop->now_ns;
	if (!conn->times.record_ns) {
		conn->times.record_ns = loop->now_ns;
		if (probe_request_begin_on())
			observe_begin(conn);
	}
	lag_receive(&conn->times.lag, n, loop->engine->options.least_rate);
	admit_woken(&conn->admit);
	admit_count(conn);
	reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

/*
 * Peeks the mark of the next record, so that a connection that has to wait at
 * the gate for a long one holds no page.  False: the socket is empty.
 */
static bool peek_mark(struct rpcbuf_conn *conn)
{
	uint32_t mark;
	ssize_t n =
		recv(conn->fd, &mark, sizeof(mark), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN) {
		probe_receive(conn, conn->fd, conn->part->client->key, -EAGAIN);
		return false;
	}
	mark = n == (ssize_t)sizeof(mark) ? ntohl(mark) : 0;
	intake_expect(conn,
		      mark & RPCBUF_MARK_LAST
			      ? (mark & ~RPCBUF_MARK_LAST) + RPCBUF_MARK_SIZE
			      : 0);
	return true;
}

static void received(struct rpcbuf_conn *conn, ssize_t n)
{
	if (n > 0)
		bytes_came(conn, (size_t)n);
	else if (n == -EAGAIN)
		nothing_came(conn);
	else
		conn_end(conn, n ? RPCBUF_CLOSE_ERROR : RPCBUF_CLOSE_EOF);
}

/* Returns the bytes, 0 at the end of the stream, or -errno. */
static ssize_t receive_now(struct rpcbuf_conn *conn, struct iovec *iov,
			   unsigned int nr_iov)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = nr_iov};
	ssize_t n;

	stat_add(conn->loop->stats.receives, 1);
	do {
		n = recvmsg(conn->fd, &msg, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	n = n < 0 ? -errno : n;
	probe_receive(conn, conn->fd, conn->part->client->key, n);
	return n;
}

static size_t iov_bytes(const struct iovec *iov, unsigned int nr)
{
	size_t bytes = 0;

	while (nr--)
		bytes += iov++->iov_len;
	return bytes;
}

void receive(struct rpcbuf_conn *conn)
{
	struct iovec iov[IOV_MAX_RECEIVE];
	enum parked_for what;
	unsigned int nr;
	size_t most;
	ssize_t n;

	if (!conn->intake.readable) {
		receive_goes_on(conn);
		await_bytes(conn);
		return;
	}
	if (intake_should_peek(conn) && !peek_mark(conn)) {
		nothing_came(conn);
		return;
	}
	most = admit_ask(conn, intake_wanted(conn), &what);
	if (!most) {
		receive_park(conn, what);
		return;
	}
	if (!intake_open(conn)) {
		receive_lacks(conn, FOR_HEAP);
		return;
	}
	nr = intake_offer(conn, most, iov, IOV_MAX_RECEIVE);
	if (!nr) {
		receive_lacks(conn, FOR_PAGES);
		return;
	}
	receive_goes_on(conn);
	n = receive_now(conn, iov, nr);
	conn->intake.readable = n == (ssize_t)iov_bytes(iov, nr);
	if (n > 0)
		intake_commit(conn, (size_t)n);
	os_pause_at("received");
	received(conn, n);
}
