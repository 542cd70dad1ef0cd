/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * lag.h - how far a record is behind the least rate.
 *
 * Time in which the engine waits for more of a record adds to its lag.  Each
 * byte that comes takes off the time that it needs at the least rate, but the
 * lag never falls below 0: a fast start earns no pause later.  So a record that
 * comes steadily at the least rate has almost no lag, and a slower one has the
 * time that it is late by.
 *
 * Only the peer's time counts: while a connection is not read, the engine does
 * not wait for its peer.  The time between two updates counts for LAG_SCAN_NS
 * at most: when there was no update for longer, this process was stopped or had
 * no CPU, and could not have received what came.
 *
 * Nothing here knows a socket; the time is an argument.  One thread at a time.
 */
#ifndef RPCBUF_ENGINE_LAG_H
#define RPCBUF_ENGINE_LAG_H

#include <stdbool.h>
#include <stdint.h>

/* Updates come this often at least. */
#define LAG_SCAN_MS 1000
#define LAG_SCAN_NS (LAG_SCAN_MS * UINT64_C(1000000))

struct lag {
	uint64_t ns;	   /* the lag, nanoseconds */
	uint64_t since_ns; /* counted up to then; 0: not waiting */
};

/* True while the engine waits for more of the record. */
static inline bool lag_awaits(const struct lag *lag)
{
	return lag->since_ns != 0;
}

/* Another record begins. */
static inline void lag_begin(struct lag *lag)
{
	lag->ns = 0;
}

/* The engine waits for more from @now_ns on, which is not 0. */
static inline void lag_await(struct lag *lag, uint64_t now_ns)
{
	lag->since_ns = now_ns;
}

/* The engine still waits.  A @now_ns before the last update's changes
 * nothing. */
void lag_update(struct lag *lag, uint64_t now_ns);

/* The engine does not wait any more: bytes came, or the socket is not read. */
void lag_pause(struct lag *lag, uint64_t now_ns);

/* @bytes of it came, fewer than 2^33.  @rate: the least rate, bytes per second;
 * 0: there is none, and any byte ends the lag. */
void lag_receive(struct lag *lag, uint64_t bytes, uint32_t rate);

#endif /* RPCBUF_ENGINE_LAG_H */
