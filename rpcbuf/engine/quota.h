/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * quota.h - what unfinished records hold, and who may take more.
 *
 * Part of admission (admit.h), which alone calls it.  The owner of the loop
 * only, but for what is said to be for others.
 */
#ifndef RPCBUF_ENGINE_QUOTA_H
#define RPCBUF_ENGINE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpcbuf/engine/turn.h"

struct rpcbuf_conn;

/* Of an engine.  In pages. */
struct quota {
	uint32_t limit;	     /* that unfinished records may hold */
	uint32_t conn_limit; /* ... that one connection's may */
	uint32_t slack;	     /* ... so many of a loop's need not be told */
	uint32_t held;	     /* in clients' streams, as the loops told; atomic */
	struct turns beyond; /* to hold more than a share */
};

/* Of a loop. */
struct quota_loop {
	uint32_t held; /* pages, of all its connections; os_store() */
	uint32_t told; /* ... that quota->held knows of, or are not clients' */
};

/* Of a connection. */
struct quota_conn {
	uint32_t held;	    /* stream pages that are counted; os_store() */
	struct turn beyond; /* to hold more than its share */
	uint64_t beyond_ns; /* since when it has that, and pages */
};

/* Pages came to the stream of @conn, or left it. */
void quota_count(struct rpcbuf_conn *conn);

/* Pages that the client of @conn may still take. */
uint32_t quota_room(const struct rpcbuf_conn *conn);

/* Bytes that one receive of @conn may take now; 0: it waits for its turn. */
size_t quota_ask(struct rpcbuf_conn *conn);

/* Has @conn the turn to hold more than its share? */
bool quota_beyond(const struct rpcbuf_conn *conn);

/* Does another client wait, while a record of the longest has no room? */
bool quota_wanted(struct rpcbuf_conn *conn);

/* @conn needs no turn to go on, or does not go on: others may. */
void quota_end_turn(struct rpcbuf_conn *conn);

/* The peer of @conn is waited for, and others can see that: the turn goes to
 * other clients, as long as what stays behind leaves room for records of
 * theirs.  So peers that stop do not each have the turn until its time is
 * over. */
void quota_rest(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_QUOTA_H */
