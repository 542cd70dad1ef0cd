/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls: a message, the array for its pages, and the handler's bytes in one
 * chunk of the heap.  A call that completes on the worker that ran it, the
 * usual case, is cached there for the next call, with the pages that its reply
 * did not use.  Other calls go back to the heap.
 */
#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/respages.h"
#include "rpcbuf/mm/fork.h"

#define ALIGNMENT 16u

/* This thread's worker; NULL on a foreign thread. */
static __thread struct worker *self;

void call_thread_enter(struct worker *worker)
{
	self = worker;
}

static void call_free(struct rpcbuf_engine *engine, struct rpcbuf_call *call)
{
	respages_release(&call->respages, engine->options.replies);
	os_fetch_add(&engine->heap.nr_calls, -1);
	free(call);
}

void call_thread_exit(void)
{
	if (self->cached)
		call_free(self->engine, self->cached);
	self = NULL;
}

static size_t align(size_t size)
{
	return (size + ALIGNMENT - 1) & ~(size_t)(ALIGNMENT - 1);
}

size_t call_size_on_heap(const struct rpcbuf_engine *engine)
{
	return align(sizeof(struct call_chunk)) +
	       align(engine->nr_slots * sizeof(void *)) +
	       align(engine->options.handler_size) +
	       sizeof(struct rpcbuf_event);
}

void call_release_cached_pages(void)
{
	if (self->cached)
		respages_release(&self->cached->respages,
				 self->engine->options.replies);
}

static struct rpcbuf_call *call_create(struct rpcbuf_engine *engine,
				       bool outgoing)
{
	size_t head = align(sizeof(struct call_chunk));
	size_t slots = align(engine->nr_slots * sizeof(void *));
	struct rpcbuf_call *call;

	if (!outgoing &&
	    heap_bytes(engine) + engine->heap.call_bytes > engine->heap.limit)
		return NULL;
	call = malloc(engine->heap.call_bytes);
	if (!call)
		return NULL;
	os_fetch_add(&engine->heap.nr_calls, 1);
	call->message.pages = (void **)((char *)call + head);
	call->private_data = (char *)call + head + slots;
	call->respages = (struct rpcbuf_respages){0};
	return call;
}

static struct rpcbuf_call *take_cached_call(void)
{
	struct rpcbuf_call *call = self->cached;

	self->cached = NULL;
	return call;
}

bool call_is_cached(void)
{
	return self->cached;
}

struct rpcbuf_call *call_get(struct rpcbuf_engine *engine, bool outgoing,
			     enum parked_for *what)
{
	struct rpcbuf_mempool *replies = engine->options.replies;

	*what = FOR_HEAP;
	if (!self->cached)
		self->cached = call_create(engine, outgoing);
	if (!self->cached)
		return NULL;
	*what = FOR_PAGES;
	if (replies &&
	    respages_fill(&self->cached->respages, engine->mm, replies) &&
	    !outgoing)
		return NULL;
	return take_cached_call();
}

void call_put(struct rpcbuf_engine *engine, struct rpcbuf_call *call)
{
	if (!self || self->engine != engine || self->cached) {
		call_free(engine, call);
		return;
	}
	self->cached = call;
	/* A reserve page is not cached: the next call of any worker may need
	 * it. */
	if (call->respages.nr &&
	    (call->respages.reserved || rpcbuf_wait_pending(engine->mm)))
		call_release_cached_pages();
}

bool call_is_running(const struct rpcbuf_call *call)
{
	return self && self->running == call;
}

struct share_client **call_share_client(const struct rpcbuf_call *call)
{
	return call_is_running(call) ? &self->share_client : NULL;
}

struct share_client *call_dispatch(struct rpcbuf_engine *engine,
				   struct rpcbuf_call *call)
{
	if (probe_request_dispatched_on())
		observe_dispatched(call);
	self->running = call;
	self->share_client = call_waiter(call)->client;
	engine->handlers.call(call);
	self->running = NULL;
	return self->share_client;
}

/* Most calls complete on the thread that ran them, so these counters stay in
 * one CPU's cache. */
static void count_reply(const struct rpcbuf_call *call)
{
	struct rpcbuf_conn *conn = call->conn;
	struct rpcbuf_engine_stats *stats = &conn->loop->done_stats;
	unsigned int bucket = rpcbuf_log2_up(rpcbuf_max(call->reply_pages, 1u));

	os_fetch_add(&stats->reply_bytes, call->reply_bytes);
	os_fetch_add(&stats->reply_pages, call->reply_pages);
	os_fetch_add(
		&stats->hist_reply_pages[rpcbuf_min(bucket, RPCBUF_HIST_PAGES - 1u)],
		1);
	if (call->reply_reserved)
		os_fetch_add(&stats->reply_reserve_pages, call->reply_reserved);
	if (RPCBUF_WITH_TRACE)
		os_fetch_add(&conn->replied_bytes, call->reply_bytes);
}

void rpcbuf_call_done(struct rpcbuf_call *call)
{
	struct rpcbuf_conn *conn = call->conn;
	struct rpcbuf_engine *engine = conn->loop->engine;

	if (fork_is_child(engine->mm))
		return;
	if (probe_request_replied_on())
		observe_replied(call);
	if (RPCBUF_WITH_TRACE && call->event)
		trace_done(call);
	rpcbuf_message_release(&call->message);
	if (call->reply_bytes)
		count_reply(call);
	if (call->bytes_copied)
		os_fetch_add(&engine->stats.bytes_copied, call->bytes_copied);
	if (call->in_place)
		os_fetch_add(&engine->stats.payloads_in_place, call->in_place);
	if (call->copied)
		os_fetch_add(&engine->stats.payloads_copied, call->copied);
	if (os_load(&conn->reply_bytes) != call->reply_bytes)
		os_store(&conn->reply_bytes, call->reply_bytes);
	call_put(engine, call);
	flight_done(conn);
}
