/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where replies go: to the send list of the engine's connection, or under
 * svc_run() to one of our own (rpcbuf/out.h).
 *
 * The engine sends later what a client does not read now.  Under svc_run() no
 * thread would, so this waits for the client, for send_timeout at most, as libtirpc
 * does.  Under the engine it waits for a reply whose bytes the dispatcher needs
 * again, and for one that is sent in fragments.
 *
 * The thread that runs the call.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "rpcbuf/os/clock.h"
#include "rpcbuf/tirpc/tirpc_private.h"

/* The connection whose call this thread runs, or NULL. */
static __thread struct conn *at_hand;

void deliver_begin_call(struct conn *conn)
{
	at_hand = conn;
}

void deliver_end_call(void)
{
	at_hand = NULL;
}

void deliver_begin_reply(struct conn *conn)
{
	conn->until_ns = 0;
}

static void log_timeout(struct conn *conn)
{
	svc_stat_add(send_timeouts, 1);
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing a connection whose client does not read: a reply "
		"was not taken in %u s",
		conn->options.send_timeout);
}

/* The time that the client has for the reply at hand, from its first wait. */
static uint64_t until(struct conn *conn)
{
	if (!conn->until_ns)
		conn->until_ns =
			os_now() + conn->options.send_timeout * OS_SECOND_NS;
	return conn->until_ns;
}

static int flush_list(struct conn *conn, uint64_t until_ns)
{
	return conn->engine_conn
		       ? rpcbuf_conn_flush(conn->engine_conn, until_ns)
		       : rpcbuf_out_flush(conn->out, until_ns);
}

/* In a forked child the list is the parent's, and its lock may be held for ever.
 * It was flushed before the fork, and the child sends by itself. */
static bool has_list(const struct conn *conn)
{
	return !home.forked && (conn->engine_conn || conn->out);
}

void deliver_push(struct conn *conn)
{
	if (has_list(conn))
		(void)flush_list(conn, 0);
}

void svc_conn_kill(struct conn *conn)
{
	if (__atomic_exchange_n(&conn->dead, true, __ATOMIC_ACQ_REL))
		return;
	/* In a forked child: the connection is the parent's. */
	if (home.forked)
		return;
	deliver_push(conn);
	shutdown(conn->xprt.xp_fd, SHUT_RDWR);
	if (conn->engine_conn)
		rpcbuf_conn_drop(conn->engine_conn);
}

bool deliver_all(struct conn *conn)
{
	int err;

	if (!has_list(conn))
		return true;
	err = flush_list(conn, 0);
	if (err == -ETIMEDOUT)
		err = flush_list(conn, until(conn));
	if (err == -ETIMEDOUT)
		log_timeout(conn);
	return !err;
}

/* True when another call of the connection is received: its reply and this one
 * can leave together. */
static bool more_follow(const struct conn *conn)
{
	return conn->dispatching && conn->slots &&
	       rpcbuf_stream_ready(&conn->stream);
}

bool deliver(struct conn *conn, struct rpcbuf_reply *reply, bool wait)
{
	int ret;

	svc_stat_add(reply_bytes, rpcbuf_reply_bytes(reply));
	if (conn->call)
		ret = rpcbuf_call_reply(conn->call, reply);
	else if (conn->engine_conn)
		ret = rpcbuf_conn_send(conn->engine_conn, reply);
	else
		ret = rpcbuf_out_send(conn->out, reply,
				      !wait && more_follow(conn));
	if (ret < 0)
		return false;
	svc_stat_add(replies_kept, (uint64_t)ret);
	if (wait || (!conn->engine_conn && !ret))
		return deliver_all(conn);
	return true;
}

int deliver_join(struct conn *conn, const void *bytes, size_t len)
{
	int ret;

	if (conn->call)
		ret = rpcbuf_call_reply_join(conn->call, bytes, len);
	else if (!conn->engine_conn)
		ret = rpcbuf_out_join(conn->out, bytes, len, more_follow(conn));
	else
		return -EAGAIN;
	if (ret < 0)
		return ret;
	svc_stat_add(reply_bytes, len);
	svc_stat_add(replies_kept, (uint64_t)ret);
	if (!conn->engine_conn && !ret && !deliver_all(conn))
		return -EPIPE;
	return ret;
}

void deliver_flush(struct conn *conn)
{
	if (home.forked || !conn->out || !rpcbuf_out_unsent(conn->out))
		return;
	deliver_begin_reply(conn);
	if (!svc_conn_dead(conn) && !deliver_all(conn))
		svc_conn_kill(conn);
}

/* A child could not continue a reply that was sent in part: flush it before the
 * fork. */
void deliver_before_fork(void)
{
	struct conn *conn = at_hand;

	if (!conn || home.forked || svc_conn_dead(conn))
		return;
	deliver_begin_reply(conn);
	if (!deliver_all(conn))
		svc_conn_kill(conn);
}

bool deliver_in_child(struct conn *conn, const void *data, size_t len)
{
	struct pollfd pfd = {.fd = conn->xprt.xp_fd, .events = POLLOUT};
	const uint8_t *at = data;

	deliver_begin_reply(conn);
	while (len) {
		ssize_t n = send(pfd.fd, at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		uint64_t now, end;

		if (n >= 0) {
			svc_stat_add(reply_bytes, (uint64_t)n);
			at += n;
			len -= (size_t)n;
			continue;
		}
		if (errno != EINTR && errno != EAGAIN)
			return false;
		end = until(conn);
		now = os_now();
		if (now >= end) {
			log_timeout(conn);
			return false;
		}
		(void)poll(&pfd, 1, (int)((end - now) / 1000000) + 1);
	}
	return true;
}
