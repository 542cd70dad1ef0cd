/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shortage.h - who is given pages, or heap, while there are none.
 *
 * One connection of all loops has the turn: its loop waits in the queue of the
 * allocator, and has the reserve.  Whoever needs pages while somebody waits
 * comes behind, in the order of turns: clients in turn, of a client the one
 * that waited longest.  A turn is a receive, with one page at least, so small
 * calls go on between large ones.
 *
 * Heap has turns of its own.  A connection has one of the two turns at most, so
 * calls that lack heap keep nobody from receiving.  Replies to calls of this
 * process take neither turn before they find nothing: calls that hold what is short
 * may be waiting for them.
 *
 * Part of admission (admit.h), which alone calls it.  The owner of the loop
 * only.
 */
#ifndef RPCBUF_ENGINE_SHORTAGE_H
#define RPCBUF_ENGINE_SHORTAGE_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/reception.h"
#include "rpcbuf/engine/turn.h"

struct rpcbuf_conn;

/* Of an engine. */
struct shortage {
	struct turns turns; /* to be given pages while there are none */
	struct turns replies; /* ... in the loop of replies, see replies.h */
	struct turns heap;  /* ... heap: whoever needs none goes on meanwhile */
	uint64_t spared_ns; /* when loops were last asked to spare some; atomic */
};

/* Those that @conn takes for pages. */
struct turns *shortage_turns(const struct rpcbuf_conn *conn);

/* May @conn look for pages, or for heap, now?  Else it waits for its turn. */
bool shortage_passes(struct rpcbuf_conn *conn);
bool shortage_passes_heap(struct rpcbuf_conn *conn);

/* There is nothing of @what for @conn now: it waits for its turn. */
void shortage_wait(struct rpcbuf_conn *conn, enum waits_for what);

/* Would @conn, which has the turn, look for pages in vain?  Then others are asked
 * again for what they can spare. */
bool shortage_lasts(struct rpcbuf_conn *conn);

/* @conn has what it needed, or needs nothing any more, @but what it waits for. */
void shortage_end(struct rpcbuf_conn *conn, enum waits_for but);

#endif /* RPCBUF_ENGINE_SHORTAGE_H */
