/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fair.h - the order in which the ready connections of a loop are served.
 *
 * The owner of the loop only, except where other threads are named.
 */
#ifndef RPCBUF_ENGINE_FAIR_H
#define RPCBUF_ENGINE_FAIR_H

#include <stdint.h>

#include "rpcbuf/os/list.h"

struct client_part;
struct loop;
struct rpcbuf_conn;

/* Of a loop. */
struct fair {
	struct list_head ready;	    /* parts of clients */
	struct client_part *served; /* the last one, if its time is charged */
	uint64_t served_ns;	    /* ... up to this time it was */
};

/* Of a client in a loop. */
struct fair_part {
	struct list_head link;	/* fair->ready, while it has a ready one */
	struct list_head ready; /* its connections */
	int64_t credit_ns;	/* loop time that is left of its quantum */
	uint64_t used_ns;	/* loop time that it used; other loops read it */
	uint64_t elsewhere_ns;	/* other loops' time that was charged here */
};

/* Adds @conn to the ready connections of its client, behind the others; removes
 * it.  For reception_move(). */
void fair_add(struct rpcbuf_conn *conn);
void fair_del(struct rpcbuf_conn *conn);

/* The connection to serve; there must be a ready one. */
struct rpcbuf_conn *fair_next(struct loop *loop, uint64_t (*clock)(void));
/* After a step: charges its client the time since the last step. */
void fair_charge(struct loop *loop, uint64_t (*clock)(void));

/* Under conns.lock: counts @conn as one of its loop's connections, any thread;
 * counts it off, the owner. */
void fair_join(struct rpcbuf_conn *conn);
void fair_leave(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_FAIR_H */
