/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * heap.h - the bytes of the heap that connections and calls take, and their
 * bound.
 *
 * An array of slots, in which a connection's stream keeps its pages, is kept by
 * its loop for the next one.  Any thread, but slots: the owner of the loop.
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
	size_t call_bytes;  /* that one call takes */
	uint32_t nr_calls;  /* blocks that exist */
	uint32_t nr_arrays; /* of slots */
};

/* Bytes that connections, calls and arrays take. */
uint64_t heap_bytes(const struct rpcbuf_engine *engine);

/* ... those that connections alone take, and as many as they may: what they leave
 * is enough for calls, however many connections there are. */
uint64_t heap_conn_bytes(const struct rpcbuf_engine *engine);
uint64_t heap_conn_limit(const struct rpcbuf_engine *engine);

/* An array for the pages of a stream, or NULL: out of memory, or of the share of
 * it, unless @answer, see call.h. */
void **heap_get_slots(struct loop *loop, bool answer);
void heap_put_slots(struct loop *loop, void **slots);
/* The loop ends. */
void heap_close_loop(struct loop *loop);

#endif /* RPCBUF_ENGINE_HEAP_H */
