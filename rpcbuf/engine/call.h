/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * call.h - calls: a message, the array for its pages, and the handler's bytes in
 * one block.
 *
 * On a worker, but for call_put(): any thread.
 */
#ifndef RPCBUF_ENGINE_CALL_H
#define RPCBUF_ENGINE_CALL_H

#include <stdbool.h>
#include <stddef.h>

struct rpcbuf_call;
struct rpcbuf_engine;
struct worker;

size_t call_size_on_heap(const struct rpcbuf_engine *engine);

/* NULL: out of memory, or of the share of it that calls may take; or there is no
 * page for a reply. */
struct rpcbuf_call *call_get(struct rpcbuf_engine *engine);
void call_put(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* Hands @call to the adapter, who may be done with it at once. */
void call_dispatch(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* Is @call the one that the handler has by this thread? */
bool call_is_running(const struct rpcbuf_call *call);

/* The thread is @worker from now on; and ends. */
void call_thread_enter(struct worker *worker);
void call_thread_exit(void);
/* It has nothing to do: it keeps no page. */
void call_thread_rest(void);

#endif /* RPCBUF_ENGINE_CALL_H */
