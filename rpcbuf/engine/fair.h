/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fair.h - whose turn it is among the ready connections of a loop.
 *
 * The owner of the loop only, but for what is said to be others'.
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
	struct client_part *served; /* the last, if it pays */
	uint64_t served_ns;	    /* ... until then it has */
};

/* Of a client in a loop. */
struct fair_part {
	struct list_head link;	/* fair->ready, while any of it is ready */
	struct list_head ready; /* its connections */
	int64_t credit_ns;	/* time of the loop that it may still have */
	uint64_t used_ns;	/* ... that it had; other loops read it */
	uint64_t elsewhere_ns;	/* that it had in other loops, at a look */
};

/* @conn joins the ready connections of its client, behind the others, or leaves
 * them.  For reception_move(). */
void fair_add(struct rpcbuf_conn *conn);
void fair_del(struct rpcbuf_conn *conn);

/* The connection whose turn it is; there is one. */
struct rpcbuf_conn *fair_next(struct loop *loop, uint64_t (*clock)(void));
/* A step is done: its client pays for the time since the last one. */
void fair_charge(struct loop *loop, uint64_t (*clock)(void));

/* Under conns.lock: @conn is one of the loop's connections now, any thread; not
 * any more, the owner. */
void fair_join(struct rpcbuf_conn *conn);
void fair_leave(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_FAIR_H */
