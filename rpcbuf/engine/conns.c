/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/conns.h"

#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/flush.h"
#include "rpcbuf/os/os.h"

void conn_get(struct rpcbuf_conn *conn)
{
	__atomic_fetch_add(&conn->member.refs, 1, __ATOMIC_RELAXED);
}

void rpcbuf_conn_put(struct rpcbuf_conn *conn)
{
	if (out_is_forked(&conn->sending.out))
		return;
	if (__atomic_sub_fetch(&conn->member.refs, 1, __ATOMIC_ACQ_REL))
		return;
	out_exit(&conn->sending.out);
	free(conn);
}

void loop_kick(struct loop *loop)
{
	os_eventfd_signal(loop->kick_fd);
}

static void post(struct rpcbuf_conn *conn)
{
	assert_held(&conn->loop->conns.lock);
	if (conn->member.posted)
		return;
	conn->member.posted = true;
	conn_get(conn);
	list_add_tail(&conn->member.post_link, &conn->loop->conns.posted);
}

void conn_post(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	pthread_mutex_lock(&loop->conns.lock);
	post(conn);
	pthread_mutex_unlock(&loop->conns.lock);
	loop_kick(loop);
}

void conns_init(struct loop *loop)
{
	list_init(&loop->conns.all);
	list_init(&loop->conns.in_scan);
	list_init(&loop->conns.posted);
	pthread_mutex_init(&loop->conns.lock, NULL);
}

void conns_exit(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	while ((conn = conns_next_posted(loop)))
		rpcbuf_conn_put(conn);
	pthread_mutex_destroy(&loop->conns.lock);
}

void conns_join(struct rpcbuf_conn *conn)
{
	list_add_tail(&conn->member.link, &conn->loop->conns.all);
	fair_join(conn);
	post(conn);
}

void conns_leave(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	assert_owner(loop);
	pthread_mutex_lock(&loop->conns.lock);
	list_del(&conn->member.link);
	fair_leave(conn);
	pthread_mutex_unlock(&loop->conns.lock);
}

struct rpcbuf_conn *conns_next_posted(struct loop *loop)
{
	struct rpcbuf_conn *conn = NULL;

	pthread_mutex_lock(&loop->conns.lock);
	if (!list_empty(&loop->conns.posted)) {
		conn = list_first_entry(&loop->conns.posted, struct rpcbuf_conn,
					member.post_link);
		list_del(&conn->member.post_link);
		conn->member.posted = false;
	}
	pthread_mutex_unlock(&loop->conns.lock);
	return conn;
}

bool conns_none(struct loop *loop)
{
	bool none;

	pthread_mutex_lock(&loop->conns.lock);
	none = list_empty(&loop->conns.all);
	pthread_mutex_unlock(&loop->conns.lock);
	return none;
}

/* Only the owner removes connections, and others append them: the walk needs
 * the lock at both ends only. */
void conns_each(struct loop *loop, void (*visit)(struct rpcbuf_conn *conn))
{
	struct rpcbuf_conn *conn, *tmp;

	assert_owner(loop);
	pthread_mutex_lock(&loop->conns.lock);
	list_splice_tail(&loop->conns.all, &loop->conns.in_scan);
	pthread_mutex_unlock(&loop->conns.lock);
	list_for_each_entry_safe(conn, tmp, &loop->conns.in_scan,
				 struct rpcbuf_conn, member.link) visit(conn);
	pthread_mutex_lock(&loop->conns.lock);
	list_splice_tail(&loop->conns.in_scan, &loop->conns.all);
	pthread_mutex_unlock(&loop->conns.lock);
}
