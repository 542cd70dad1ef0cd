/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Receiving under svc_run(), which says that a connection is readable and
 * takes calls from it until there is none.  Bytes are read, without waiting,
 * into the pages of the vector that all connections share; what is no call yet
 * stays in the connection's stream, and svc_run() goes on with others.
 *
 * All of it is on the thread of svc_run().
 */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/tirpc_private.h"

#define IOV_RECEIVE RECEIVE_PAGES
/* What one receive asks for at least: as much as the shared vector has.  Less
 * where calls are small: all that it brings run before other connections are
 * served. */
#define READ_AHEAD  ((uint32_t)(RECEIVE_PAGES << RPCBUF_PAGE_SHIFT))
#define READ_SMALL  ((uint32_t)64 << 10)
#define SMALL_CALL  ((uint32_t)8 << 10)
/* A record of so many bytes is received to its end before other connections
 * are served. */
#define LONG_RECORD ((uint32_t)64 << 10)

/* The arrays for the pages of the stream and of a call. */
static bool attach_slots(struct conn *conn)
{
	uint32_t nr = rpcbuf_stream_slots(&conn->options.limits, READ_AHEAD);

	if (conn->slots)
		return true;
	conn->slots = malloc(2 * nr * sizeof(void *));
	if (!conn->slots)
		return false;
	rpcbuf_stream_init(&conn->stream, home.mm, conn->slots, nr);
	conn->received.pages = conn->slots + nr;
	return true;
}

static void detach_slots(struct conn *conn)
{
	free(conn->slots);
	conn->slots = NULL;
}

void poll_reset(struct conn *conn)
{
	if (conn->received.nr_pages)
		rpcbuf_message_release(&conn->received);
	conn->received.nr_pages = 0;
	if (conn->slots)
		rpcbuf_stream_reset(&conn->stream);
	detach_slots(conn);
}

static void close_refused(struct conn *conn, const char *why, uint64_t value,
			  uint64_t limit)
{
	char host[64] = "a client", port[16] = "";

	getnameinfo(conn->xprt.xp_rtaddr.buf, conn->xprt.xp_rtaddr.len, host,
		    sizeof(host), port, sizeof(port),
		    NI_NUMERICHOST | NI_NUMERICSERV);
	svc_stat_add(refused, 1);
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing connection of %s port %s: %s: %llu, limit %llu", host,
		port, why, (unsigned long long)value,
		(unsigned long long)limit);
	svc_conn_kill(conn);
}

/* The connection whose partial record has most pages. */
static struct conn *largest_partial(void)
{
	struct conn *conn, *tmp, *most = NULL;

	pthread_mutex_lock(&home.lock);
	list_for_each_entry_safe(conn, tmp, &home.conns, struct conn, link)
	{
		if (conn->slots && conn->stream.nr_pages &&
		    (!most || conn->stream.nr_pages > most->stream.nr_pages))
			most = conn;
	}
	pthread_mutex_unlock(&home.lock);
	return most;
}

/*
 * Pages to receive into.  Only this thread frees the pages of records, so it
 * cannot wait for them: it closes the connection with the largest partial record.
 */
static bool fill_shared_vector(struct conn *conn)
{
	while (rpcbuf_rqst_try_fill(home.rqst) &&
	       rpcbuf_rqst_make_do(home.rqst, 1)) {
		struct conn *most = largest_partial();

		rpcbuf_rqst_give_up(home.rqst);
		if (!most)
			most = conn;
		close_refused(most, "no free page, pages of its record",
			      most->stream.nr_pages, 0);
		poll_reset(most);
		if (most == conn)
			return false;
	}
	return true;
}

/* One receive.  Returns false when there are no bytes, or never more. */
static bool receive_once(struct conn *conn, bool *full)
{
	/* The next call is likely to be as long as the last one. */
	bool small = conn->received.wire_length < SMALL_CALL;
	size_t want = rpcbuf_max(rpcbuf_stream_wanted(&conn->stream),
				 small ? READ_SMALL : READ_AHEAD);
	struct iovec iov[IOV_RECEIVE];
	struct msghdr msg = {.msg_iov = iov};
	size_t room = 0;
	ssize_t n;

	if (!fill_shared_vector(conn))
		return false;
	msg.msg_iovlen = rpcbuf_stream_iov(&conn->stream, home.rqst, want, iov,
					   IOV_RECEIVE);
	for (size_t i = 0; i < msg.msg_iovlen; i++)
		room += iov[i].iov_len;
	do
		n = recvmsg(conn->xprt.xp_fd, &msg, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		rpcbuf_stream_commit(&conn->stream, home.rqst, (size_t)n);
		*full = (size_t)n == room;
		return true;
	}
	/* At the end every call was answered: there is none in the stream. */
	if (n == 0 || errno != EAGAIN)
		svc_conn_kill(conn);
	return false;
}

/* The next call of the stream: 1, 0, or refused. */
static int take_call(struct conn *conn)
{
	const struct rpcbuf_record_limits *limits = &conn->options.limits;
	struct rpcbuf_record_refusal refusal;
	int ret = rpcbuf_stream_next(&conn->stream, limits, &conn->received,
				     &refusal);
	const char *why = "record is longer than the limit, in bytes";

	if (ret >= 0)
		return ret;
	if (ret == -E2BIG)
		why = "record has too many fragments";
	else if (ret == -EBADMSG)
		why = "record is shorter than a call, in bytes";
	close_refused(conn, why, refusal.value, refusal.limit);
	return ret;
}

/*
 * Whether the socket may have more of the call under way.  While a long record
 * is received its peer goes on sending: each receive makes room for it.  A record
 * that is interrupted pins its pages until its next poll, so long ones are
 * received to their end first.
 */
static bool more_may_come(const struct conn *conn, bool full)
{
	return full ||
	       conn->stream.filled + rpcbuf_stream_wanted(&conn->stream) >=
		       LONG_RECORD;
}

/* One poll receives the rest of a record, and runs the calls that came with it:
 * libtirpc repeats this until poll_stat() returns XPRT_IDLE. */
bool poll_receive(struct conn *conn)
{
	bool full = true, begins;

	if (svc_conn_dead(conn) || conn->message)
		return false;
	if (!home_is_ours(&conn->options) || !attach_slots(conn)) {
		svc_conn_kill(conn);
		return false;
	}
	begins = conn->stream.parsed == conn->stream.filled;
	while (!svc_conn_dead(conn)) {
		if (take_call(conn) == 1) {
			conn->message = &conn->received;
			return true;
		}
		if (!begins || svc_conn_dead(conn) ||
		    !more_may_come(conn, full) || !receive_once(conn, &full))
			break;
	}
	return false;
}

enum xprt_stat poll_stat(struct conn *conn)
{
	if (conn->message) {
		if (!rpcbuf_stream_ready(&conn->stream))
			deliver_flush(conn);
		svc_conn_end_call(conn);
		rpcbuf_message_release(&conn->received);
		conn->received.nr_pages = 0;
	}
	if (svc_conn_dead(conn))
		return XPRT_DIED;
	if (conn->slots && conn->stream.parsed < conn->stream.filled)
		return XPRT_MOREREQS;
	if (conn->slots && rpcbuf_stream_empty(&conn->stream))
		detach_slots(conn);
	return XPRT_IDLE;
}
