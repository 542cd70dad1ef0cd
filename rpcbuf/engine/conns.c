/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/conns.h"

#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

void conn_get(struct rpcbuf_conn *conn)
{
	__atomic_fetch_add(&conn->refs, 1, __ATOMIC_RELAXED);
}

void rpcbuf_conn_put(struct rpcbuf_conn *conn)
{
	if (__atomic_sub_fetch(&conn->refs, 1, __ATOMIC_ACQ_REL))
		return;
	out_exit(&conn->sending.out);
	free(conn);
}

void loop_kick(struct loop *loop)
{
	os_eventfd_signal(loop->kick_fd);
}

/* Under loop->lock. */
static void post(struct rpcbuf_conn *conn)
{
	if (conn->posted)
		return;
	conn->posted = true;
	conn_get(conn);
	list_add_tail(&conn->post_link, &conn->loop->posted);
}

void conn_post(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	pthread_mutex_lock(&loop->lock);
	post(conn);
	pthread_mutex_unlock(&loop->lock);
	loop_kick(loop);
}

void conns_init(struct loop *loop)
{
	list_init(&loop->conns);
	list_init(&loop->looked_at);
	list_init(&loop->posted);
	pthread_mutex_init(&loop->lock, NULL);
}

void conns_exit(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	while ((conn = conns_next_posted(loop)))
		rpcbuf_conn_put(conn);
	pthread_mutex_destroy(&loop->lock);
}

void conns_join(struct rpcbuf_conn *conn)
{
	list_add_tail(&conn->conn_link, &conn->loop->conns);
	fair_join(conn);
	post(conn);
}

void conns_leave(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	pthread_mutex_lock(&loop->lock);
	list_del(&conn->conn_link);
	fair_leave(conn);
	pthread_mutex_unlock(&loop->lock);
}

struct rpcbuf_conn *conns_next_posted(struct loop *loop)
{
	struct rpcbuf_conn *conn = NULL;

	pthread_mutex_lock(&loop->lock);
	if (!list_empty(&loop->posted)) {
		conn = list_first_entry(&loop->posted, struct rpcbuf_conn,
					post_link);
		list_del(&conn->post_link);
		conn->posted = false;
	}
	pthread_mutex_unlock(&loop->lock);
	return conn;
}

bool conns_none(struct loop *loop)
{
	bool none;

	pthread_mutex_lock(&loop->lock);
	none = list_empty(&loop->conns);
	pthread_mutex_unlock(&loop->lock);
	return none;
}

/* Only the owner takes connections off a list, so the lock is needed for the
 * ends of it alone: new ones come in at the tail. */
void conns_each(struct loop *loop, void (*look)(struct rpcbuf_conn *conn))
{
	struct rpcbuf_conn *conn, *tmp;

	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&loop->conns, &loop->looked_at);
	pthread_mutex_unlock(&loop->lock);
	list_for_each_entry_safe(conn, tmp, &loop->looked_at,
				 struct rpcbuf_conn, conn_link) look(conn);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&loop->looked_at, &loop->conns);
	pthread_mutex_unlock(&loop->lock);
}
