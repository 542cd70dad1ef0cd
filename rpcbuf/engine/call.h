/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call.h - calls: a message, the array for its pages, and the handler's bytes in
 * one block.
 *
 * On a worker, but for call_put(): any thread.
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
	struct share_waiter waiter; /* for a thread of its share */
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

/* Has this worker one already?  Then call_get() takes no heap. */
bool call_is_cached(void);

/* NULL, and *@what is FOR_HEAP: out of memory, or of the share of it that calls
 * may take; or FOR_PAGES: there is no page for a reply.  @answer: a reply to a call
 * of ours, for which calls may be waiting: it may go beyond that share, and goes on
 * without such a page. */
struct rpcbuf_call *call_get(struct rpcbuf_engine *engine, bool outgoing,
			     enum parked_for *what);
void call_put(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* Hands @call to the adapter, who may be done with it at once.  Returns what it
 * was counted in while it ran, or NULL. */
struct share_client *call_dispatch(struct rpcbuf_engine *engine,
				   struct rpcbuf_call *call);

/* Is @call the one that the handler has by this thread? */
bool call_is_running(const struct rpcbuf_call *call);

/* What it is counted in; NULL: it is not that one. */
struct share_client **call_share_client(const struct rpcbuf_call *call);

/* The thread is @worker from now on; and ends. */
void call_thread_enter(struct worker *worker);
void call_thread_exit(void);
/* It has nothing to do: it keeps no page. */
void call_thread_idle(void);

#endif /* RPCBUF_ENGINE_CALL_H */
