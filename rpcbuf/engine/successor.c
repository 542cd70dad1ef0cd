/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Successors: a client whose connection broke comes back from the same port, as
 * kernels' do, and sends again what was not answered.  A server's cache of
 * replies knows such calls by address, port and xid, but not what to do with
 * one whose first copy still runs: Ganesha's drops it, and the client waits in
 * vain.
 *
 * So what is left of the old connection is not begun any more, as in the
 * kernel's nfsd (XPT_CLOSE), and nothing is read from the new one until what
 * was begun is done, or for PATIENCE_NS.
 *
 * engine->clients.ports has every connection of a client from its adoption until it is
 * closed, in this order.  It is under clients.lock, which is taken before a
 * loop's lock.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"

/* A call that takes longer may hang for ever. */
#define PATIENCE_NS (5 * OS_SECOND_NS)

/* Those that this process opened are not in the table, nor those without a
 * port. */
static bool may_succeed(const struct rpcbuf_conn *conn)
{
	return conn->succession.port && !conn->outgoing;
}

static struct list_head *bucket_of(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->clients
			.ports[conn->succession.port & (PORT_BUCKETS - 1)];
}

static bool is_namesake(const struct rpcbuf_conn *a,
			const struct rpcbuf_conn *b)
{
	return a->succession.port == b->succession.port &&
	       a->part->client == b->part->client;
}

/* One from the same port that lives is to another port of ours. */
static bool is_dead(const struct rpcbuf_conn *conn)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return os_load(&conn->dropped) || os_load(&conn->gone) ||
	       (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
		info.tcpi_state == TCP_CLOSE);
}

/* Under clients.lock, and under the loop's lock, in one step with the owner's
 * getting to know @conn. */
void successor_join(struct rpcbuf_conn *conn)
{
	assert_held(&conn->loop->engine->clients.lock);
	assert_held(&conn->loop->conns.lock);
	if (may_succeed(conn))
		list_add_tail(&conn->succession.link, bucket_of(conn));
}

/* The owner: @conn is closed. */
void successor_leave(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_conn *next, *tmp;

	if (!may_succeed(conn))
		return;
	pthread_mutex_lock(&engine->clients.lock);
	list_del(&conn->succession.link);
	list_for_each_entry_safe(
		next, tmp, bucket_of(conn), struct rpcbuf_conn,
		succession.link) if (os_load(&next->succession.waits) &&
				     is_namesake(next, conn)) conn_post(next);
	pthread_mutex_unlock(&engine->clients.lock);
}

/* Whether @conn, which is not read from yet, has to wait for others, which are
 * told to end. */
bool successor_waits(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_conn *old, *tmp;
	bool waits = false;

	if (!may_succeed(conn))
		return false;
	pthread_mutex_lock(&engine->clients.lock);
	list_for_each_entry_safe(old, tmp, bucket_of(conn), struct rpcbuf_conn,
				 succession.link)
	{
		if (old == conn)
			break;
		if (!is_namesake(old, conn) || !is_dead(old))
			continue;
		waits = true;
		if (!os_load(&old->gone)) {
			os_store(&old->gone, true);
			conn_post(old);
		}
	}
	os_store(&conn->succession.waits, waits);
	pthread_mutex_unlock(&engine->clients.lock);
	return waits;
}

/* The owner, once a second: has it waited for so long that it is read from
 * nevertheless? */
bool successor_overdue(struct rpcbuf_conn *conn)
{
	if (conn->reception.state != RECEPTION_ADOPTED ||
	    !os_load(&conn->succession.waits) ||
	    conn->loop->now_ns < conn->times.progress_ns + PATIENCE_NS)
		return false;
	os_store(&conn->succession.waits, false);
	return true;
}
