/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * handover.h - the owner of a loop while a call runs.
 *
 * handover->sequence is even while the owner is in the loop, and odd while it
 * runs a call: then the loop can be taken.  Each change counts it up, so the
 * owner and the monitor decide by one compare-and-swap which of them has the
 * loop.
 */
#ifndef RPCBUF_ENGINE_HANDOVER_H
#define RPCBUF_ENGINE_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Of a loop.  Atomic, except for the monitor's members. */
struct handover {
	uint32_t sequence;	   /* odd (LOOP_BUSY) while a call runs */
	int owner_id;		   /* the owner's os_thread_id() */
	uint32_t seen_sequence;	   /* the monitor's: the sequence at its last
				    * scan, */
	unsigned int running_scans; /* and scans at which the owner computed */
	bool blocked; /* ... the call that lost the loop was blocked; the next
		       * owner reads it */
};

#define LOOP_BUSY 1u

/* The owner: a call is about to run.  Wakes the monitor if it sleeps. */
uint32_t handover_begin(struct loop *loop);

/* The call of @sequence has returned.  Returns true when @loop is still the
 * caller's; else the caller must not touch it any more. */
bool handover_end(struct loop *loop, uint32_t sequence);

/* The monitor: takes @loop, whose sequence was @sequence, which is odd.
 * Returns true when it was taken: it has no owner then. */
bool handover_take(struct loop *loop, uint32_t sequence);

#endif /* RPCBUF_ENGINE_HANDOVER_H */
