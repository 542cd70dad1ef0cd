/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * handover.h - whose a loop is while its owner runs a call.
 *
 * handover->turn says it: even, the owner is at the loop; odd, it runs a call and
 * the loop can be taken.  It counts up with every change, so owner and taker
 * settle with one compare-and-swap which of them has the loop then.
 */
#ifndef RPCBUF_ENGINE_HANDOVER_H
#define RPCBUF_ENGINE_HANDOVER_H

#include <stdbool.h>
#include <stdint.h>

struct loop;

/* Of a loop.  Atomic, but for what is the monitor's. */
struct handover {
	uint32_t sequence;	   /* LOOP_BUSY, while a call runs */
	int owner_id;		   /* the owner's os_thread_id() */
	uint32_t seen_sequence;	   /* the monitor's: turn at its last look, */
	unsigned int running_scans; /* and looks at which the owner ran */
	bool blocked; /* ... that the last one it took did; the next owner's */
};

#define LOOP_BUSY 1u

/* The owner: a call is about to run.  Wakes the monitor if need be. */
uint32_t handover_begin(struct loop *loop);

/* The call that began with @turn has returned: true when @loop is still the
 * caller's, who must not touch it again otherwise. */
bool handover_end(struct loop *loop, uint32_t sequence);

/* The monitor: @loop, whose turn was @turn, which is busy.  True when it was
 * taken: it has no owner now. */
bool handover_take(struct loop *loop, uint32_t sequence);

#endif /* RPCBUF_ENGINE_HANDOVER_H */
