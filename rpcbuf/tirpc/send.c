/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Sending: at once, or together with the reply to the next call when that is at
 * hand already (collect.c).  What is too long to be copied for that the kernel
 * holds back, for 200 ms at most, until more is sent.
 *
 * The thread that runs the call.  It waits for a client that does not read, for
 * send_timeout at most.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/tirpc/tirpc_private.h"

/* Pushes out those before it, and needs no company. */
#define LARGE_REPLY ((uint32_t)16 << 10)
/* Most that replies wait under svc_run(), but for the last call. */
#define TOGETHER_NS 50000

static uint64_t now_ms(void)
{
	return os_now() / 1000000;
}

/* Waits until the peer has read something; false: it does not, or so little
 * that it had not taken the reply in time. */
static bool wait_writable(struct conn *conn)
{
	struct pollfd pfd = {.fd = conn->xprt.xp_fd, .events = POLLOUT};
	uint64_t now = now_ms();

	if (!conn->until_ms)
		conn->until_ms =
			now + conn->options.send_timeout * UINT64_C(1000);
	for (; now < conn->until_ms; now = now_ms()) {
		if (poll(&pfd, 1, (int)(conn->until_ms - now)) > 0)
			return true;
		if (svc_conn_dead(conn))
			return false;
	}
	svc_stat_add(send_timeouts, 1);
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing a connection whose client does not read: a reply "
		"was not taken in %u s",
		conn->options.send_timeout);
	return false;
}

static void skip(struct msghdr *msg, size_t n)
{
	while (n) {
		struct iovec *iov = msg->msg_iov;
		size_t part = rpcbuf_min(n, iov->iov_len);

		iov->iov_base = (char *)iov->iov_base + part;
		iov->iov_len -= part;
		n -= part;
		if (!iov->iov_len) {
			msg->msg_iov++;
			msg->msg_iovlen--;
		}
	}
}

static ssize_t send_some(int fd, struct msghdr *msg, size_t left, bool hold)
{
	int flags = MSG_NOSIGNAL | MSG_DONTWAIT |
		    (left > UIO_MAXIOV || hold ? MSG_MORE : 0);

	if (left == 1)
		return send(fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len,
			    flags);
	msg->msg_iovlen = rpcbuf_min(left, (size_t)UIO_MAXIOV);
	return sendmsg(fd, msg, flags);
}

static bool send_iov(struct conn *conn, struct iovec *iov, size_t nr, bool hold)
{
	struct msghdr msg = {.msg_iov = iov};
	size_t left = nr;

	while (left) {
		ssize_t n = send_some(conn->xprt.xp_fd, &msg, left, hold);

		if (n >= 0) {
			svc_stat_add(reply_bytes, (uint64_t)n);
			skip(&msg, (size_t)n);
			left = nr - (size_t)(msg.msg_iov - iov);
		} else if (errno != EINTR &&
			   (errno != EAGAIN || !wait_writable(conn))) {
			return false;
		}
	}
	return true;
}

/*
 * Another call of the connection is at hand: the reply to this one can wait for
 * that to it.  The engine says so, and when it was long enough; svc_run() does
 * not.
 */
static bool more_follow(struct conn *conn, uint32_t length)
{
	uint64_t now;

	if (length >= LARGE_REPLY || !conn->dispatching)
		return false;
	if (conn->engine_conn)
		return conn->more;
	if (!conn->slots || !rpcbuf_stream_ready(&conn->stream))
		return false;
	now = os_now();
	if (!conn->together_ns)
		conn->together_ns = now + TOGETHER_NS;
	return now < conn->together_ns;
}

/* There is room for an entry in front of @iov. */
static bool send_behind_others(struct conn *conn, struct iovec *iov,
			       unsigned int nr, bool hold)
{
	void *page = collect_take(conn, iov - 1);
	bool sent;

	if (page) {
		iov--;
		nr++;
	}
	sent = send_iov(conn, iov, nr, hold);
	if (page)
		rpcbuf_free_page(home.mm, page);
	return sent;
}

static void none_waits(struct conn *conn)
{
	if (os_load(&conn->collected.in_socket))
		os_store(&conn->collected.in_socket, false);
	if (conn->together_ns)
		watch_end();
	conn->together_ns = 0;
}

bool send_reply(struct conn *conn, struct iovec *iov, unsigned int nr,
		uint32_t len, bool whole)
{
	bool more = whole && more_follow(conn, len) &&
		    (conn->engine_conn || watch_begin(conn));
	bool hold;

	if (more && collect_reply(conn, iov, nr, len)) {
		svc_stat_add(replies_kept, 1);
		return true;
	}
	hold = more && len > RPCBUF_PAGE_SIZE &&
	       !os_load(&conn->collected.let_go);
	if (hold)
		os_store(&conn->collected.in_socket, true);
	else
		none_waits(conn);
	return send_behind_others(conn, iov, nr, hold);
}

bool send_alone(struct conn *conn, void *data, size_t len)
{
	struct iovec iov = {data, len};

	return send_iov(conn, &iov, 1, false);
}

void send_rest(struct conn *conn)
{
	struct iovec iov[1];

	if (home.forked)
		return;
	if (!collect_some(conn) && !os_load(&conn->collected.in_socket))
		return;
	conn->until_ms = 0;
	if (!svc_conn_dead(conn) &&
	    !send_behind_others(conn, iov + 1, 0, false))
		svc_conn_kill(conn);
	collect_flush(conn);
	none_waits(conn);
}
