/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * conns.h - the connections of a loop, and those that are posted to its owner.
 *
 * A connection is its loop's from adoption until it is closed.  Another thread
 * that changes it posts it to the loop: it is posted once, however often it
 * changes, and the owner wakes and checks what changed.
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
	struct list_head in_scan; /* ... while conns_each() runs */
	struct list_head posted;  /* adopted, or changed by another thread */
	unsigned int nr;	  /* others read it, as the next one */
	unsigned int nr_clients;  /* of these connections */
};

/* Of a connection. */
struct member {
	struct list_head link;	    /* conns->all; under conns.lock */
	struct list_head post_link; /* conns->posted; likewise */
	bool posted;		    /* likewise */
	int refs; /* the engine, the adapter, each call, each arm; atomic */
};

/* Takes another reference, for rpcbuf_conn_put().  Any thread that has one, or
 * finds the connection under a lock. */
void conn_get(struct rpcbuf_conn *conn);

/* Any thread: wakes the owner of @loop. */
void loop_kick(struct loop *loop);

/* Any thread: posts @conn to the owner of its loop, and wakes that one. */
void conn_post(struct rpcbuf_conn *conn);

void conns_init(struct loop *loop);
/* Drops what was posted after the loop had ended. */
void conns_exit(struct loop *loop);

/* Under conns.lock: adds @conn to its loop, and posts it. */
void conns_join(struct rpcbuf_conn *conn);
/* The owner: removes @conn. */
void conns_leave(struct rpcbuf_conn *conn);

/* The owner: the next posted connection, with a reference, or NULL. */
struct rpcbuf_conn *conns_next_posted(struct loop *loop);

/* The owner: true when the loop has no connection. */
bool conns_none(struct loop *loop);

/* The owner: calls @visit for every connection, which it may close. */
void conns_each(struct loop *loop, void (*visit)(struct rpcbuf_conn *conn));

#endif /* RPCBUF_ENGINE_CONNS_H */
