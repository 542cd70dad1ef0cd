/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Long records: how many of them a loop receives at a time.  Of many peers that
 * send long records at once some are read to the end of theirs while the others
 * wait in their sockets, unread: each record under way takes pages for as long
 * as it is, and what was received lately is still in the CPU's cache when its
 * call runs.  gate.c says whose turn it is.  The owner of the loop only.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Where more than so many bytes are still to come, a record is long. */
#define LONG_RECORD (128u << 10)

/*
 * The bytes of the record that comes next, where its mark can tell; else 0, or
 * -EAGAIN when nothing has come.  Only looked at: who is to wait holds no page.
 */
static int64_t peek_record(const struct rpcbuf_conn *conn)
{
	uint32_t mark;
	ssize_t n =
		recv(conn->fd, &mark, sizeof(mark), MSG_PEEK | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n != (ssize_t)sizeof(mark))
		return 0;
	mark = ntohl(mark);
	if (!(mark & RPCBUF_MARK_LAST))
		return 0;
	return (int64_t)(mark & ~RPCBUF_MARK_LAST) + RPCBUF_MARK_SIZE;
}

/* Bytes that are still to come of the record that is to be received from. */
static int64_t bytes_to_come(struct rpcbuf_conn *conn)
{
	int64_t bytes;

	if (!rpcbuf_stream_empty(&conn->stream))
		return rpcbuf_stream_wanted(&conn->stream);
	if (conn->last_length < LONG_RECORD)
		return 0;
	bytes = peek_record(conn);
	/* What is longer than a record may be will be refused; of that, and
	 * where the mark does not tell, a page is enough to see more. */
	if (bytes > conn->loop->engine->machine_limits.max_length)
		bytes = 0;
	conn->next_length = bytes > 0 ? (uint32_t)bytes : 1;
	return bytes;
}

/* 0: the record may be received from now; -EAGAIN: nothing has come; -EBUSY: it
 * waits for others, on the gate's list. */
int long_begin(struct rpcbuf_conn *conn)
{
	struct gate *gate = &conn->loop->gate;
	int64_t bytes;

	if (conn->pass.state != PASS_NONE || conn->outgoing ||
	    held_beyond(conn))
		return 0;
	bytes = bytes_to_come(conn);
	if (bytes < 0)
		return -EAGAIN;
	if (bytes < LONG_RECORD ||
	    gate_enter(gate, &conn->pass, (uint32_t)bytes))
		return 0;
	stat_add(conn->loop->stats.parked_long, 1);
	log_wait(conn, WAIT_LONG, gate->used, gate->limit);
	return -EBUSY;
}

/*
 * Whether the stream has the pages for the rest of its record, as many as come:
 * adjacent ones, so that a payload is never copied, however often others are
 * looked at meanwhile.  What is taken before it is filled counts as held, and
 * is of the share of its client: marks that claim much and bring little do not
 * keep others from going on.
 */
bool long_reserve(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_stream *stream = &conn->stream;
	uint32_t bytes, pages, copied;

	if (stream->nr_spare)
		return true;
	if (conn->pass.state == PASS_NONE || conn->moved ||
	    rpcbuf_wait_pending(engine->mm))
		return false;
	bytes = rpcbuf_stream_empty(stream) ? conn->pass.bytes
					    : rpcbuf_stream_wanted(stream);
	pages = rpcbuf_pages_spanned(0, stream->filled + (size_t)bytes) + 1;
	if (pages > engine->held_conn_limit ||
	    pages > held_room(conn) ||
	    rpcbuf_stream_reserve(stream, bytes, &copied))
		return false;
	stat_add(conn->loop->stats.runs_reserved, 1);
	stat_add(conn->loop->stats.pages_reserved,
		 stream->nr_pages + stream->nr_spare);
	if (copied)
		os_fetch_add(&engine->bytes_copied, copied);
	conn->moved = true;
	return true;
}

/* Memory is short: pages that wait for bytes can be spared. */
void long_trim(struct rpcbuf_conn *conn)
{
	rpcbuf_stream_trim(&conn->stream);
	held_count(conn);
}

/* All that has come of its record was taken, or there are no pages for it. */
void long_rest(struct rpcbuf_conn *conn)
{
	if (conn->pass.state == PASS_IN && !conn->pass.idle_ns)
		pass_idle(&conn->pass, os_now());
}

/* Others may be received from now. */
void long_next(struct loop *loop)
{
	struct pass *pass;

	while ((pass = gate_next(&loop->gate, loop->now_ns)))
		reception_move(list_entry(pass, struct rpcbuf_conn, pass),
			       RECEPTION_READY, FOR_NOTHING);
}

/* Its record is there, or never will be. */
void long_end(struct rpcbuf_conn *conn)
{
	if (conn->pass.state == PASS_NONE)
		return;
	gate_leave(&conn->loop->gate, &conn->pass);
	long_next(conn->loop);
}
