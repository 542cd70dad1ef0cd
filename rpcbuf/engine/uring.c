/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The io_uring back end.
 *
 * A ring belongs to a thread: requests complete in the thread that armed them,
 * and a loop may change threads while its owner runs a call.  With
 * DEFER_TASKRUN nothing completes outside poll_ring_enter(), so a thread inside
 * a call is not disturbed.  The new owner of the loop arms its own ring for the
 * idle connections; the old owner disarms its ring before it does anything
 * else.  In between both rings reference the sockets, so a socket is shut down
 * before it is closed.
 *
 * An idle connection is armed once, and reported once; it is armed again when
 * it is idle again.  Requests are submitted by the system call that waits.
 *
 * Receives are plain recvmsg(2).  A receive that is armed in place of the poll,
 * into a page of a page_pool, was measured as well (one call or many at once,
 * one connection and 64): from a tenth less CPU for one call at a time to a
 * tenth more for pipelined calls, and within the noise elsewhere.  It pins a
 * page per idle connection, which a thread inside a call cannot release when
 * memory is short, so it was left out.  So were receives in a batch for all
 * ready connections, which save the same system call.  A multishot receive
 * would continue to read for a connection that must be parked, or whose loop
 * was taken.
 *
 * A thread that gets no ring, for want of descriptors or memory, uses the
 * loop's epoll until it gets one.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/poll_ring.h"
#include "rpcbuf/os/os.h"

#define RETRY_NS    OS_SECOND_NS
/* Longest wait, in milliseconds, when no kick can end it. */
#define UNKICKED_MS 10
/* Milliseconds after which a ring is destroyed with its polls armed. */
#define DISARM_MS   1000

static int uring_backend_probe(void)
{
	struct poll_ring *ring;
	int err = poll_ring_create(&ring);

	if (!err)
		poll_ring_destroy(ring);
	return err;
}

static int uring_backend_open(struct loop *loop)
{
	int err = backend_epoll.open(loop);

	return err ? err : poll_ring_create(&loop->cached_ring);
}

static void uring_backend_close(struct loop *loop)
{
	poll_ring_destroy(loop->cached_ring);
	backend_epoll.close(loop);
}

static int uring_backend_watch(struct loop *loop, struct rpcbuf_conn *conn)
{
	uint32_t place;
	int err;

	if (!loop->ring)
		return backend_epoll.watch(loop, conn);
	if (conn->arm)
		return 0;
	err = poll_ring_arm_poll(loop->ring, conn, conn->fd, POLLIN | POLLRDHUP,
				 &place);
	if (!err)
		conn->arm = place + 1;
	return err;
}

static int uring_backend_watch_out(struct loop *loop, struct rpcbuf_conn *conn)
{
	uint32_t place;
	int err;

	if (!loop->ring)
		return backend_epoll.watch_out(loop, conn);
	if (conn->sending.arm)
		return 0;
	err = poll_ring_arm_poll(loop->ring, conn, conn->fd, POLLOUT, &place);
	if (!err)
		conn->sending.arm = place + 1;
	return err;
}

static void arm_kick(struct loop *loop)
{
	uint32_t place;

	loop->kick_armed = !poll_ring_arm_poll(loop->ring, NULL, loop->kick_fd,
					       POLLIN, &place);
}

static int reap(struct loop *loop)
{
	struct rpcbuf_conn *conn;
	int reported = 0, result;
	eventfd_t value;
	uint32_t place;

	while (poll_ring_next(loop->ring, &conn, &place, &result)) {
		if (!conn) {
			(void)eventfd_read(loop->kick_fd, &value);
			loop->kicked = true;
			loop->kick_armed = false;
			continue;
		}
		if (conn->arm == place + 1) {
			conn->arm = 0;
			conn_event(conn,
				    result > 0 ? (uint32_t)result : 0);
			reported++;
		} else if (conn->sending.arm == place + 1) {
			conn->sending.arm = 0;
			sending_resume(conn);
		}
		rpcbuf_conn_put(conn);
	}
	return reported;
}

static void uring_backend_unwatch(struct loop *loop, struct rpcbuf_conn *conn)
{
	uint32_t arm = conn->arm;

	backend_epoll.unwatch(loop, conn);
	if (!arm)
		return;
	conn->arm = 0;
	/* Now, as the socket may be about to be closed. */
	poll_ring_disarm(loop->ring, arm - 1);
	reap(loop);
}

static void uring_backend_unwatch_out(struct loop *loop,
				      struct rpcbuf_conn *conn)
{
	uint32_t arm = conn->sending.arm;

	backend_epoll.unwatch_out(loop, conn);
	if (!arm)
		return;
	conn->sending.arm = 0;
	poll_ring_disarm(loop->ring, arm - 1);
	reap(loop);
}

/* Returns the ring of this thread; NULL: it can have none. */
static struct poll_ring *get_ring(struct loop *loop, struct worker *worker)
{
	struct poll_ring *ring = worker->ring;

	if (ring)
		return ring;
	ring = loop->cached_ring;
	if (!ring && poll_ring_create(&ring))
		return NULL;
	loop->cached_ring = NULL;
	if (poll_ring_enable(ring)) {
		poll_ring_destroy(ring);
		return NULL;
	}
	worker->ring = ring;
	/* For the next thread, which may come when there are no descriptors. */
	(void)poll_ring_create(&loop->cached_ring);
	return ring;
}

static void rearm(struct rpcbuf_conn *conn)
{
	conn->arm = conn->sending.arm = 0;
	backend_epoll.unwatch(conn->loop, conn);
	backend_epoll.unwatch_out(conn->loop, conn);
	sending_update_watch(conn);
	if (conn->reception.state == RECEPTION_WATCHED)
		conn_watch(conn);
}

static void set_ring(struct loop *loop, struct poll_ring *ring)
{
	loop->ring = ring;
	conns_each(loop, rearm);
	if (ring)
		arm_kick(loop);
}

static void uring_backend_enter(struct loop *loop, struct worker *worker)
{
	struct poll_ring *ring = get_ring(loop, worker);

	loop->worker = worker;
	loop->retry_ns = loop->now_ns + RETRY_NS;
	if (!ring)
		engine_log(loop->engine, RPCBUF_LOG_WARNING,
			   "a thread can have no io_uring now: it uses epoll");
	set_ring(loop, ring);
}

static void uring_backend_leave(struct worker *worker)
{
	struct poll_ring *ring = worker->ring;
	struct rpcbuf_conn *conn;
	uint32_t place;
	int result, err = 0;

	if (!ring || !ring->nr_used)
		return;
	poll_ring_disarm_all(ring);
	for (int ms = 0; ring->nr_used && !err && ms < DISARM_MS; ms++) {
		err = poll_ring_enter(ring, 1);
		while (poll_ring_next(ring, &conn, &place, &result))
			if (conn)
				rpcbuf_conn_put(conn);
	}
	if (!ring->nr_used)
		return;
	poll_ring_destroy(ring);
	worker->ring = NULL;
}

static void uring_backend_exit(struct worker *worker)
{
	poll_ring_destroy(worker->ring);
}

static int wait_without_ring(struct loop *loop, int timeout_ms)
{
	struct poll_ring *ring;

	if (loop->now_ns >= loop->retry_ns) {
		loop->retry_ns = loop->now_ns + RETRY_NS;
		ring = get_ring(loop, loop->worker);
		if (ring)
			set_ring(loop, ring);
		if (ring)
			return 0;
	}
	return backend_epoll.wait(loop, timeout_ms);
}

/* The kernel lost completions for want of memory, and does not say which: arms
 * another ring for all connections. */
static void replace_ring(struct loop *loop)
{
	struct worker *worker = loop->worker;

	poll_ring_destroy(worker->ring);
	worker->ring = NULL;
	set_ring(loop, get_ring(loop, worker));
}

static int uring_backend_wait(struct loop *loop, int timeout_ms)
{
	struct poll_ring *ring = loop->ring;
	int err, reported;

	if (!ring)
		return wait_without_ring(loop, timeout_ms);
	if (!loop->kick_armed)
		arm_kick(loop);
	/* The kick could not be armed: no thread can wake us. */
	if (!loop->kick_armed && timeout_ms)
		timeout_ms = UNKICKED_MS;
	if (!timeout_ms && !poll_ring_has_work(ring))
		return 0;
	err = poll_ring_enter(ring, timeout_ms);
	reported = reap(loop);
	/* The kernel has no memory to submit requests. */
	if (err == -EAGAIN && timeout_ms)
		usleep(1000);
	if (err == -EBADR)
		replace_ring(loop);
	return reported;
}

const struct backend backend_uring = {
	.name = "io_uring",
	.probe = uring_backend_probe,
	.open = uring_backend_open,
	.close = uring_backend_close,
	.enter = uring_backend_enter,
	.leave = uring_backend_leave,
	.exit = uring_backend_exit,
	.watch = uring_backend_watch,
	.unwatch = uring_backend_unwatch,
	.watch_out = uring_backend_watch_out,
	.unwatch_out = uring_backend_unwatch_out,
	.wait = uring_backend_wait,
};
