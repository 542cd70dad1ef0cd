/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * conns.h - the connections of a loop, and the post for their owner.
 *
 * A connection is its loop's from adoption until it is closed.  What changes
 * about it elsewhere the owner of the loop is told by post: the connection is
 * posted, once however often, and the owner, who is woken, looks what it is.
 */
#ifndef RPCBUF_ENGINE_CONNS_H
#define RPCBUF_ENGINE_CONNS_H

#include <pthread.h>
#include <stdbool.h>

#include "rpcbuf/os/list.h"

struct loop;
struct rpcbuf_conn;

/* Of a loop: all of it under the lock. */
struct conns {
	pthread_mutex_t lock;
	struct list_head all;
	struct list_head looked_at; /* ... by the owner, now */
	struct list_head posted;    /* adopted, or changed elsewhere */
	unsigned int nr;	    /* others read it, as the next one */
	unsigned int nr_clients;    /* that these are of */
};

/* Of a connection. */
struct member {
	struct list_head link;	    /* conns->all; under conns.lock */
	struct list_head post_link; /* conns->posted; likewise */
	bool posted;		    /* likewise */
	int refs; /* the engine, the adapter, each call, each arm; atomic */
};

/* Any thread that has a reference, or sees one under a lock: one more.
 * rpcbuf_conn_put() gives it back. */
void conn_get(struct rpcbuf_conn *conn);

/* Any thread: wakes the owner of @loop. */
void loop_kick(struct loop *loop);

/* Any thread: tells the owner that something about @conn changed elsewhere. */
void conn_post(struct rpcbuf_conn *conn);

void conns_init(struct loop *loop);
/* Those that were posted after the loop had ended are forgotten. */
void conns_exit(struct loop *loop);

/* Under conns.lock: @conn is the loop's now, and posted. */
void conns_join(struct rpcbuf_conn *conn);
/* The owner: it is not any more. */
void conns_leave(struct rpcbuf_conn *conn);

/* The owner: the next one that was posted, with a reference, or NULL. */
struct rpcbuf_conn *conns_next_posted(struct loop *loop);

/* The owner: has the loop none? */
bool conns_none(struct loop *loop);

/* The owner: calls @look for every connection, which it may close. */
void conns_each(struct loop *loop, void (*look)(struct rpcbuf_conn *conn));

#endif /* RPCBUF_ENGINE_CONNS_H */
