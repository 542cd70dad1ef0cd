/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shrink.h - asks the loops to release pages that they do not need (reclaim.h).
 *
 * Any thread.
 */
#ifndef RPCBUF_ENGINE_SHRINK_H
#define RPCBUF_ENGINE_SHRINK_H

struct rpcbuf_engine;

/* loop->shrink: what the loop is asked for. */
enum shrink {
	SHRINK_NOTHING,
	SHRINK_VECTOR,
	SHRINK_ALL
};

/* Asks all loops, and wakes them. */
void shrink_ask(struct rpcbuf_engine *engine);

/* Registers a shrinker with the allocator, 0 or -errno; unregisters it. */
int shrink_start(struct rpcbuf_engine *engine);
void shrink_stop(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_SHRINK_H */
