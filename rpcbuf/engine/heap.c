/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/heap.h"

#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"

uint64_t heap_conn_bytes(const struct rpcbuf_engine *engine)
{
	return os_load(&engine->connections) * sizeof(struct rpcbuf_conn);
}

uint64_t heap_conn_limit(const struct rpcbuf_engine *engine)
{
	return engine->heap.limit / 2;
}

uint64_t heap_bytes(const struct rpcbuf_engine *engine)
{
	const struct heap *heap = &engine->heap;

	return heap_conn_bytes(engine) +
	       os_load(&heap->nr_calls) * heap->call_bytes +
	       os_load(&heap->nr_arrays) * engine->nr_slots *
		       (uint64_t)sizeof(void *);
}

void **heap_get_slots(struct loop *loop, bool outgoing)
{
	struct rpcbuf_engine *engine = loop->engine;
	void **slots = loop->cached_slots;

	loop->cached_slots = NULL;
	if (slots)
		return slots;
	if (!outgoing && heap_bytes(engine) > engine->heap.limit)
		return NULL;
	slots = malloc(engine->nr_slots * sizeof(void *));
	if (slots)
		os_fetch_add(&engine->heap.nr_arrays, 1);
	return slots;
}

static void free_slots(struct loop *loop, void **slots)
{
	if (slots)
		os_fetch_add(&loop->engine->heap.nr_arrays, -1);
	free(slots);
}

void heap_put_slots(struct loop *loop, void **slots)
{
	if (loop->cached_slots)
		free_slots(loop, slots);
	else
		loop->cached_slots = slots;
}

void heap_close_loop(struct loop *loop)
{
	free_slots(loop, loop->cached_slots);
	loop->cached_slots = NULL;
}
