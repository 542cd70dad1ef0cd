/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lag.h - how far a record lags behind a least rate.
 *
 * While more of a record is awaited, time adds to its lag; for every byte that
 * comes, the time that the byte takes at the least rate is taken off again, but
 * never more than there is: a peer that was fast for a while may not be silent
 * for longer after that.  So a record that comes steadily, however slowly its
 * link carries it, has next to no lag, and one that comes at less than the
 * least rate has as much as it falls short of it, in the end.
 *
 * Only the peer's time counts.  A peer that is not read from is not awaited.
 * The time between two looks counts for LAG_LOOK_NS at most: when there was no
 * look for longer, the process stood still, stopped or without a processor, and
 * so did the thread that would have taken what came.
 *
 * Nothing here knows a socket, and time is what the caller says.  One thread at
 * a time.
 */
#ifndef RPCBUF_ENGINE_LAG_H
#define RPCBUF_ENGINE_LAG_H

#include <stdbool.h>
#include <stdint.h>

/* Looks come this often at least. */
#define LAG_LOOK_MS 1000
#define LAG_LOOK_NS (LAG_LOOK_MS * UINT64_C(1000000))

struct lag {
	uint64_t ns;	   /* the lag, nanoseconds */
	uint64_t since_ns; /* counted up to then; 0: nothing is awaited */
};

/* Is more of the record awaited? */
static inline bool lag_awaits(const struct lag *lag)
{
	return lag->since_ns != 0;
}

/* Another record begins. */
static inline void lag_begin(struct lag *lag)
{
	lag->ns = 0;
}

/* From @now_ns on, which is not 0, more is awaited. */
static inline void lag_await(struct lag *lag, uint64_t now_ns)
{
	lag->since_ns = now_ns;
}

/* A look: it is awaited still.  A @now_ns before the last look's is no harm. */
void lag_look(struct lag *lag, uint64_t now_ns);

/* It is not awaited any more: it has come, or is not read for now. */
void lag_pause(struct lag *lag, uint64_t now_ns);

/* @bytes of it came, fewer than 2^33.  @rate: the least rate, bytes per second; 0: there is none,
 * and any byte ends the lag. */
void lag_receive(struct lag *lag, uint64_t bytes, uint32_t rate);

#endif /* RPCBUF_ENGINE_LAG_H */
