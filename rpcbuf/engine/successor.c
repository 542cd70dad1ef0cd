/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A client whose connection broke reconnects from the same port, as kernels do,
 * and retransmits unanswered calls.  A server's reply cache knows these by
 * address, port and xid.  But it may not cope with one whose original still
 * runs: Ganesha's drops it, and the client waits in vain.
 *
 * So calls of the old connection that have not started are dropped, as nfsd
 * does (XPT_CLOSE), and the new one is not read until the started ones are
 * done, for SUCCESSOR_WAIT_NS at most.
 *
 * engine->clients.ports has every connection of a client from its adoption
 * until it is closed, in this order.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"

/* A call that takes longer may hang for ever. */
#define SUCCESSOR_WAIT_NS (5 * OS_SECOND_NS)

/* True for the connections that the table has. */
static bool may_succeed(const struct rpcbuf_conn *conn)
{
	return conn->succession.port && !conn->outgoing;
}

static struct list_head *port_bucket(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->clients
			.ports[conn->succession.port & (PORT_BUCKETS - 1)];
}

static bool is_same_port(const struct rpcbuf_conn *a,
			 const struct rpcbuf_conn *b)
{
	return a->succession.port == b->succession.port &&
	       a->part->client == b->part->client;
}

/* True when @conn is broken, and so a predecessor.  A live connection from the
 * same port goes to another port of this server. */
static bool is_dead(const struct rpcbuf_conn *conn)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	return os_load(&conn->dropped) || os_load(&conn->gone) ||
	       (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &len) == 0 &&
		info.tcpi_state == TCP_CLOSE);
}

void successor_join(struct rpcbuf_conn *conn)
{
	assert_held(&conn->loop->engine->clients.lock);
	assert_held(&conn->loop->conns.lock);
	if (may_succeed(conn))
		list_add_tail(&conn->succession.link, port_bucket(conn));
}

void successor_leave(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_conn *next, *tmp;

	if (!may_succeed(conn))
		return;
	pthread_mutex_lock(&engine->clients.lock);
	list_del(&conn->succession.link);
	list_for_each_entry_safe (next, tmp, port_bucket(conn),
				  struct rpcbuf_conn, succession.link)
		if (os_load(&next->succession.waits) &&
		    is_same_port(next, conn))
			conn_post(next);
	pthread_mutex_unlock(&engine->clients.lock);
}

bool successor_waits(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_conn *old, *tmp;
	bool waits = false;

	if (!may_succeed(conn))
		return false;
	pthread_mutex_lock(&engine->clients.lock);
	list_for_each_entry_safe (old, tmp, port_bucket(conn),
				  struct rpcbuf_conn, succession.link) {
		if (old == conn)
			break;
		if (!is_same_port(old, conn) || !is_dead(old))
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

bool successor_overdue(struct rpcbuf_conn *conn)
{
	if (conn->reception.state != RECEPTION_ADOPTED ||
	    !os_load(&conn->succession.waits) ||
	    conn->loop->now_ns < conn->times.progress_ns + SUCCESSOR_WAIT_NS)
		return false;
	os_store(&conn->succession.waits, false);
	return true;
}
