/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shortage.h - the order in which connections get pages, or heap, while there
 * are none.
 *
 * One connection of all loops holds the page grant: its loop waits in the queue
 * of the allocator, and may use the reserve.  Others queue for the grant
 * (grant.h).  A grant covers one receive of at least a page, so small calls
 * proceed between large ones.
 *
 * The heap has a grant of its own.  A connection holds at most one of the two,
 * so calls without heap do not stop others from receiving.  Outgoing
 * connections request neither before they find nothing: calls that hold what is
 * short may be waiting for their replies.
 *
 * Part of admission (admit.h), which alone calls it.  The owner of the loop
 * only.
 */
#ifndef RPCBUF_ENGINE_SHORTAGE_H
#define RPCBUF_ENGINE_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/grant.h"
#include "rpcbuf/engine/reception.h"

struct rpcbuf_conn;

/* Of an engine. */
struct shortage {
	struct grant_queue page_grants;
	struct grant_queue replies_page_grants; /* of the loop of replies */
	struct grant_queue heap_grants;
	uint64_t asked_ns; /* when loops were last asked for pages; atomic */
};

/* The queue of the page grant for @conn. */
struct grant_queue *shortage_page_grants(const struct rpcbuf_conn *conn);

/* True when @conn may try to get pages, or heap, now; else it waits for the
 * grant. */
bool shortage_admits(struct rpcbuf_conn *conn);
bool shortage_admits_heap(struct rpcbuf_conn *conn);

/* There is no @what for @conn now: requests the grant. */
void shortage_wait(struct rpcbuf_conn *conn, enum parked_for what);

/* True while @conn, which holds the page grant, was not notified by the queue
 * of the allocator.  Asks the other loops for pages again. */
bool shortage_lasts(struct rpcbuf_conn *conn);

/* @conn has what it needed, or needs nothing any more: gives up its grants, but
 * not the one for @but. */
void shortage_end(struct rpcbuf_conn *conn, enum parked_for but);

#endif /* RPCBUF_ENGINE_SHORTAGE_H */
