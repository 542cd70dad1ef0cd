/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The io_uring back end.
 *
 * A ring belongs to a thread, not to a loop: loops change hands while their
 * owner sits in a call, and what an io_uring has armed completes in the thread
 * that armed it.  Rings are made so that this happens inside poll_ring_enter() only
 * (DEFER_TASKRUN), so a thread in a call completes nothing, is not disturbed by
 * what comes in meanwhile, and is not told of it late: the thread that takes
 * the loop arms its own ring for the connections that are at rest, and the
 * other one disarms all of its ring before it does anything else.  Between the
 * two, the sockets are held by both rings, so one that is closed then is shut
 * down first.
 *
 * A connection at rest is armed once: it is reported once, and not again until
 * it comes to rest again.  What is to be armed goes to the kernel with the call
 * that waits.
 *
 * Receives are plain recvmsg(2).  A receive that is armed in place of the poll,
 * into a page of a page_pool, was measured as well (a call or many at once, one
 * connection and 64): from a tenth less CPU for one call at a time to a tenth
 * more for pipelined ones, and within the noise elsewhere.  It costs a page for
 * every connection at rest, which a thread that sits in a call cannot give back
 * when memory is short, so it was left out; receives in a batch for all ready
 * connections with it, as they save the same system call.  A multishot receive
 * goes on reading for a connection that is to wait, or whose loop was taken.
 *
 * A thread that can have no ring, for want of descriptors or memory, makes do
 * with the loop's epoll until it can.
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
/* Longest wait, in milliseconds, when nothing can end it. */
#define UNKICKED_MS 10
/* Milliseconds until a ring that does not let go is given up. */
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
	/* At once: the socket may be about to be closed. */
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

/* A ring for this thread, if there is one to be had. */
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
	/* The next thread may come when there are no descriptors. */
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

/* The kernel had no memory to keep a completion, nobody knows which: all that
 * was armed is armed in another ring. */
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
	/* No memory for it: nobody can wake us. */
	if (!loop->kick_armed && timeout_ms)
		timeout_ms = UNKICKED_MS;
	if (!timeout_ms && !poll_ring_has_work(ring))
		return 0;
	err = poll_ring_enter(ring, timeout_ms);
	reported = reap(loop);
	/* The kernel has no memory for what is to be submitted. */
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
