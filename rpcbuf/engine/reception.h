/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reception.h - what a connection's reception is at, from adoption to close.
 *
 * The states, the legal moves between them and a picture of both are in
 * reception.c.  What a connection waits for is an argument of one state, not a
 * state of its own.
 *
 * The owner of the loop only; other threads may read the two words of a struct
 * reception that say so.
 */
#ifndef RPCBUF_ENGINE_RECEPTION_H
#define RPCBUF_ENGINE_RECEPTION_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/os/list.h"

struct loop;
struct rpcbuf_conn;

enum reception_state {
	RECEPTION_ADOPTED,
	RECEPTION_WATCHED,
	RECEPTION_READY,
	RECEPTION_WAITING,
	RECEPTION_ENDING,
	RECEPTION_CLOSED,
	NR_RECEPTION_STATES
};

/* What a connection in RECEPTION_WAITING waits for. */
enum waits_for {
	FOR_NOTHING, /* in every other state */
	FOR_QUOTA,   /* to hold more than its share: quota.c */
	FOR_PAGES,   /* or its turn to take some: shortage.c */
	FOR_HEAP,    /* for a call or an array: likewise */
	FOR_LONG,    /* its turn to begin a long record: gate.c */
	FOR_CALLS,   /* fewer calls of its own in flight */
	FOR_READER,  /* its peer to read its replies */
	NR_WAITS_FOR
};

/* Of a connection.  reception_move() alone changes it. */
struct reception {
	struct list_head link; /* of the ready ones of its client: fair.c */
	uint8_t state;	       /* enum reception_state; others read it */
	uint8_t waits_for;     /* enum waits_for; others read it */
};

/* For memory: those who have some let it go on, or the loop tries again. */
static inline bool waits_for_memory(enum waits_for what)
{
	return what >= FOR_QUOTA && what <= FOR_HEAP;
}

/* The words for these, for people. */
const char *reception_name(enum reception_state state);
const char *waits_for_name(enum waits_for what);

/* Is there such a move in the chart? */
bool reception_may_move(enum reception_state from, enum reception_state to);

void reception_init(struct reception *reception);

/*
 * reception_move - moves @conn to @to, behind the others that are there.
 *
 * @what: with RECEPTION_WAITING what it waits for, with all others
 * FOR_NOTHING.  Gives up what @conn held in the state that it leaves and does
 * not keep in the new one, and takes what that needs.  A move that is not in
 * the chart is a fault of the engine: builds with debug assertions abort.
 *
 * Returns 0, or with RECEPTION_WATCHED -errno when the back end cannot watch
 * it: then it has to end.
 */
int reception_move(struct rpcbuf_conn *conn, enum reception_state to,
		   enum waits_for what);

/*
 * reception_check.c, for debug builds: NULL when all is as the chart says, or
 * the rule that is broken.  The first is O(1); loop_is_valid() looks at all
 * connections of @loop, and takes conns.lock of it.
 */
const char *reception_is_valid(const struct rpcbuf_conn *conn);
const char *loop_is_valid(struct loop *loop);

#endif /* RPCBUF_ENGINE_RECEPTION_H */
