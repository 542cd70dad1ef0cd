/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reception.h - the state of a connection's receiving side, from adoption to
 * close.
 *
 * reception.c has the states, the legal moves between them, and a picture of
 * both.  What a connection is parked for is an argument of one state, not a
 * state of its own.
 *
 * The owner of the loop only; other threads may read two words of struct
 * reception.
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
	RECEPTION_PARKED,
	RECEPTION_ENDING,
	RECEPTION_CLOSED,
	NR_RECEPTION_STATES
};

/* Why a connection in RECEPTION_PARKED is not read. */
enum parked_for {
	FOR_NOTHING, /* in every other state */
	FOR_QUOTA,   /* its client's quota, or the over-quota grant: quota.c */
	FOR_PAGES,   /* pages, or the page grant: shortage.c */
	FOR_HEAP,    /* heap for a call or an array, or its grant: likewise */
	FOR_GATE,    /* admission of a long record: gate.c */
	FOR_CALLS,   /* too many of its calls are in flight */
	FOR_UNSENT,  /* its peer does not read its replies */
	NR_PARKED_FOR
};

/* Of a connection.  reception_move() alone changes it. */
struct reception {
	struct list_head link; /* of the ready ones of its client: fair.c */
	uint8_t state;	       /* enum reception_state; others read it */
	uint8_t parked_for;     /* enum parked_for; others read it */
};

/* For memory: a release makes it ready, or the loop tries again. */
static inline bool parked_for_memory(enum parked_for what)
{
	return what >= FOR_QUOTA && what <= FOR_HEAP;
}

/* Their names in messages. */
const char *reception_name(enum reception_state state);
const char *parked_for_name(enum parked_for what);

/* True when the chart has this move. */
bool reception_may_move(enum reception_state from, enum reception_state to);

void reception_init(struct reception *reception);

/*
 * reception_move - moves @conn to @to, behind the others that are there.
 *
 * @what: the reason with RECEPTION_PARKED, FOR_NOTHING with all others.
 * Releases the resources that the new state does not need, and acquires those
 * that it needs.  A move that is not in the chart is a fault of the engine:
 * builds with debug assertions abort.
 *
 * Returns 0; with RECEPTION_WATCHED -errno when the back end cannot watch it:
 * then the caller must end it.
 */
int reception_move(struct rpcbuf_conn *conn, enum reception_state to,
		   enum parked_for what);

/*
 * reception_check.c, for debug builds: NULL, or the rule that is broken.  The
 * first is O(1); loop_is_valid() checks all connections of @loop, and takes its
 * conns.lock.
 */
const char *reception_is_valid(const struct rpcbuf_conn *conn);
const char *loop_is_valid(struct loop *loop);

#endif /* RPCBUF_ENGINE_RECEPTION_H */
