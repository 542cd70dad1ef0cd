/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call.h - calls: a message, the array for its pages, and the handler's bytes
 * in one chunk of the heap.
 *
 * On a worker, except for call_put(): any thread.
 */
#ifndef RPCBUF_ENGINE_CALL_H
#define RPCBUF_ENGINE_CALL_H

#include <rpcbuf/engine.h>
#include <stdbool.h>
#include <stddef.h>

#include "rpcbuf/engine/reception.h"
#include "rpcbuf/engine/share.h"
#include "rpcbuf/os/bits.h"

struct rpcbuf_engine;
struct worker;

struct call_chunk {
	struct rpcbuf_call call; /* first */
	struct share_waiter waiter; /* in its share, while no thread runs it */
};

static inline struct share_waiter *call_waiter(struct rpcbuf_call *call)
{
	return &((struct call_chunk *)call)->waiter;
}

static inline struct rpcbuf_call *call_of_waiter(struct share_waiter *waiter)
{
	return &rpcbuf_container_of(waiter, struct call_chunk, waiter)->call;
}

size_t call_size_on_heap(const struct rpcbuf_engine *engine);

/* True when this worker has a cached call: call_get() needs no heap then. */
bool call_is_cached(void);

/* Returns NULL with *@what FOR_HEAP: there is no memory, or calls would exceed
 * their part of the heap; or with FOR_PAGES: there is no page for a reply.
 * @outgoing: the record answers a call of this process, for which running calls
 * may wait; it may exceed that part, and needs no such page. */
struct rpcbuf_call *call_get(struct rpcbuf_engine *engine, bool outgoing,
			     enum parked_for *what);
void call_put(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* Dispatches @call; the adapter may complete it before this returns.  Returns
 * the share's client that counted it, or NULL. */
struct share_client *call_dispatch(struct rpcbuf_engine *engine,
				   struct rpcbuf_call *call);

/* True when this thread is in the handler with @call. */
bool call_is_running(const struct rpcbuf_call *call);

/* The share's client that counts @call, if this thread runs @call; else NULL. */
struct share_client **call_share_client(const struct rpcbuf_call *call);

/* From the first to the second, the thread is @worker. */
void call_thread_enter(struct worker *worker);
void call_thread_exit(void);
/* Releases the pages of the cached call of this thread. */
void call_release_cached_pages(void);

#endif /* RPCBUF_ENGINE_CALL_H */
