/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Replies that leave together.  Sending costs more than a small call: the
 * peer's receive path runs on our time, and then the peer is woken.  So while
 * complete calls of a connection wait behind the one that is about to run,
 * the kernel holds its replies back (TCP_CORK), for at most batch_calls calls
 * or BATCH_NS, whichever comes first.
 *
 * Whoever takes held_fd out of the loop, atomically, lets the replies go: the
 * owner at the end of the batch, or the watcher when a call of the batch runs
 * long.  The watcher may come so late that the descriptor is somebody else's
 * by then; that one at worst sends what it has a little earlier.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Most that a reply waits for the calls behind it, but for the last of them. */
#define BATCH_NS      50000
/* Pushes out the replies before it and all of itself but an end, for which the
 * time begins anew. */
#define PUSHING_REPLY (16u << 10)
/* Its end is so little of it that it need not leave with another's. */
#define LARGE_REPLY   (128u << 10)

static int set_cork(int fd, int on)
{
	return setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
}

/* The replies of @conn are as its last one was.  One that pushes waits where no
 * other connection is: among many its client has enough to do without its end. */
static bool waits(const struct rpcbuf_conn *conn)
{
	uint32_t bytes = os_load(&conn->reply_bytes);

	return bytes < PUSHING_REPLY ||
	       (bytes < LARGE_REPLY && os_load(&conn->loop->nr_conns) == 1);
}

/* Before a call of @conn runs. */
void batch_begin(struct loop *loop, const struct rpcbuf_conn *conn)
{
	unsigned int most = loop->engine->options.batch_calls;

	if (os_load(&loop->held_fd) >= 0 || most < 2 || !waits(conn) ||
	    !rpcbuf_stream_ready(&conn->stream) || set_cork(conn->fd, 1))
		return;
	loop->batch_left = most - 1;
	loop->batch_end_ns = os_now() + BATCH_NS;
	os_store(&loop->held_fd, conn->fd);
	stat_add(loop->stats.batches, 1);
}

/* After it: may the next call of @conn join? */
bool batch_goes_on(struct loop *loop, const struct rpcbuf_conn *conn)
{
	uint64_t now;

	if (os_load(&loop->held_fd) != conn->fd || !loop->batch_left)
		return false;
	loop->batch_left--;
	if (!rpcbuf_stream_ready(&conn->stream) || !waits(conn))
		return false;
	now = os_now();
	if (os_load(&conn->reply_bytes) >= PUSHING_REPLY)
		loop->batch_end_ns = now + BATCH_NS;
	return now < loop->batch_end_ns;
}

/* Any thread. */
void batch_release(struct loop *loop)
{
	int fd;

	if (os_load(&loop->held_fd) < 0)
		return;
	fd = os_exchange_acquire(&loop->held_fd, -1);
	if (fd >= 0)
		set_cork(fd, 0);
}
