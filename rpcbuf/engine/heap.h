/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * heap.h - the heap bytes of connections, calls and arrays, and their limit.
 *
 * An array has the slots for the pages of a connection's stream; a loop caches
 * an unused one.  Any thread, but arrays: the owner of the loop.
 */
#ifndef RPCBUF_ENGINE_HEAP_H
#define RPCBUF_ENGINE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct rpcbuf_engine;

/* Of an engine.  Counts are atomic. */
struct heap {
	uint64_t limit;	    /* bytes */
	size_t call_bytes;  /* of one call */
	uint32_t nr_calls;  /* that are allocated, cached ones included */
	uint32_t nr_arrays; /* of slots */
};

/* Bytes of connections, calls and arrays. */
uint64_t heap_bytes(const struct rpcbuf_engine *engine);

/* Bytes of connections alone, and their limit: half of the heap stays for
 * calls, however many connections there are. */
uint64_t heap_conn_bytes(const struct rpcbuf_engine *engine);
uint64_t heap_conn_limit(const struct rpcbuf_engine *engine);

/* An array for the pages of a stream; NULL: out of memory, or at the limit,
 * which does not hold for @outgoing connections (call.h). */
void **heap_get_slots(struct loop *loop, bool outgoing);
void heap_put_slots(struct loop *loop, void **slots);
/* Frees the cached array of a loop that ends. */
void heap_close_loop(struct loop *loop);

#endif /* RPCBUF_ENGINE_HEAP_H */
