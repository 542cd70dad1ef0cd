/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The engine as a whole: creation and stop.  Any thread.
 */
#include <errno.h>
#include <rpcbuf/mempool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/replies.h"
#include "rpcbuf/engine/shrink.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/limits.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/why.h"

/* Limits, as the budget divided by a number.  Heap bytes of connections and
 * calls, which are not part of the budget: */
#define HEAP_FRACTION 8
#define HEAP_LEAST    (UINT64_C(4) << 20)
/* ... memory that unsent replies pin, before their peers are not read any
 * more: */
#define UNSENT_FRACTION 4
/* ... pages of calls that are queued for a thread of their share: */
#define QUEUED_FRACTION 4

/* Pages of a vector that takes the longest record from any offset. */
static unsigned int vector_pages(const struct rpcbuf_record_limits *limits)
{
	return rpcbuf_pages_spanned(RPCBUF_PAGE_SIZE - 1, limits->max_length);
}

/*
 * The number of loops that the budget allows: a vector for each loop, one in
 * reserve, and half of what is left, at least a vector, for partial records.
 */
static unsigned int loops_for(uint64_t pages, unsigned int vector,
			      unsigned int wanted)
{
	if (!wanted)
		wanted = rpcbuf_min(os_cpus_usable(""),
				    RPCBUF_TBL_RECEIVERS_MAX);
	while (wanted && (wanted + 2) * (uint64_t)vector > pages)
		wanted--;
	return wanted;
}

/* Converts the options to the units of the checks. */
static void set_limits(struct rpcbuf_engine *engine, uint64_t pages)
{
	const struct rpcbuf_engine_options *o = &engine->options;
	uint32_t calls = o->max_calls ? o->max_calls : INT32_MAX;

	engine->machine_limits = o->limits;
	engine->machine_limits.min_length =
		rpcbuf_min(o->limits.min_length, RPCBUF_REPLY_MIN);
	engine->nr_slots = rpcbuf_stream_slots(&o->limits, o->read_ahead);
	engine->unsent_conn_limit = rpcbuf_max(
		o->max_unsent, (uint64_t)vector_pages(&o->limits)
				       << RPCBUF_PAGE_SHIFT);
	engine->unsent_limit =
		rpcbuf_max(pages * RPCBUF_PAGE_SIZE / UNSENT_FRACTION,
			   engine->unsent_conn_limit);
	engine->flight.limit = (int)calls;
	engine->flight.resume = (int)(calls - rpcbuf_max(calls / 4, 1u));
	engine->queued.most_pages =
		(int)rpcbuf_min(pages / QUEUED_FRACTION, (uint64_t)INT32_MAX);
	engine->heap.call_bytes = call_size_on_heap(engine);
	engine->heap.limit = rpcbuf_max(pages * RPCBUF_PAGE_SIZE / HEAP_FRACTION,
					HEAP_LEAST);
}

/* @pages_left: pages beside the vectors of @loops loops, and the reserve. */
static void set_quota(struct rpcbuf_engine *engine, uint64_t pages_left,
		      unsigned int vector, unsigned int loops)
{
	const struct rpcbuf_engine_options *o = &engine->options;
	uint64_t all = rpcbuf_min(pages_left / 2, (uint64_t)UINT32_MAX / 4);
	uint32_t limit, of_conn = engine->nr_slots;

	if (o->max_partial)
		all = rpcbuf_min(all, o->max_partial >> RPCBUF_PAGE_SHIFT);
	limit = (uint32_t)rpcbuf_max(all, UINT64_C(1));
	if (o->max_partial_conn)
		of_conn = rpcbuf_max(o->max_partial_conn >> RPCBUF_PAGE_SHIFT,
				     1u);
	admit_init(&engine->admit, limit, of_conn,
		   rpcbuf_min(limit / 8, vector / 2) / loops);
}

/* Opens all but the last one, the loop of replies. */
static int create_loops(struct rpcbuf_engine *engine, unsigned int wanted,
			unsigned int vector)
{
	int err = 0;

	engine->loops = aligned_alloc(64, (wanted + 1) * sizeof(struct loop));
	if (!engine->loops)
		return os_why(-ENOMEM, "no memory for %u receivers", wanted);
	for (unsigned int i = 0; i <= wanted; i++)
		engine->loops[i] = LOOP_CLOSED;
	engine->nr_loops = wanted;
	for (unsigned int i = 0; i < wanted && !err; i++)
		err = loop_open(&engine->loops[i], engine, vector);
	return err;
}

static int start_threads(struct rpcbuf_engine *engine)
{
	int err = 0;

	for (unsigned int i = 0; i < engine->nr_loops && !err; i++)
		err = worker_start(engine, false, loop_work, &engine->loops[i]);
	return err ? err : monitor_start(engine);
}

int rpcbuf_engine_create(struct rpcbuf_engine **out, struct rpcbuf *mm,
			 const struct rpcbuf_handlers *given_handlers,
			 const struct rpcbuf_engine_options *given)
{
	struct rpcbuf_handlers known_handlers = {.size = sizeof(known_handlers)};
	struct rpcbuf_engine_options known = RPCBUF_ENGINE_OPTIONS_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	const struct rpcbuf_handlers *handlers = &known_handlers;
	const struct rpcbuf_engine_options *options = &known;
	struct rpcbuf_engine *engine;
	unsigned int vector, wanted;
	int err;

	err = engine_options_read(&known_handlers, given_handlers, &known, given);
	if (err)
		return err;
	if (!engine_options_valid(handlers, options))
		return -EINVAL;
	if (fork_is_child(mm))
		return -EPERM;
	vector = vector_pages(&options->limits);
	rpcbuf_mm_counts(mm, &counts);
	wanted = loops_for(counts.pages_total, vector, options->receivers);
	if (!wanted)
		return engine_budget_refused(handlers, counts.pages_total,
					     3 * vector);
	engine = calloc(1, sizeof(*engine));
	if (!engine)
		return engine_refused(handlers,
				      os_why(-ENOMEM, "no memory for %zu bytes",
					     sizeof(*engine)));
	engine->mm = mm;
	engine->handlers = *handlers;
	engine->log.limit = (struct ratelimit)RATELIMIT_INIT;
	engine->options = *options;
	delegate_init(engine);
	set_limits(engine, counts.pages_total);
	set_quota(engine, counts.pages_total - (wanted + 1) * vector, vector,
		  wanted);
	clients_init(&engine->clients);
	shares_init(&engine->shares, options->max_threads);
	workers_init(&engine->workers,
		     rpcbuf_max(options->max_threads, wanted + 1));
	monitor_init(&engine->monitor);
	err = backend_choose(engine);
	if (!err)
		err = rpcbuf_mempool_create(&engine->reserve, mm, vector);
	if (!err)
		err = create_loops(engine, wanted, vector);
	if (!err)
		err = start_threads(engine);
	if (!err) {
		err = shrink_start(engine);
		if (err)
			os_why(err, "cannot register a shrinker");
	}
	if (err) {
		engine_refused(handlers, err);
		/* There are no calls yet, only threads, which end. */
		while (rpcbuf_engine_stop(engine, 1000))
			;
		rpcbuf_engine_destroy(engine);
		return err;
	}
	*out = engine;
	return 0;
}

/* No loop runs any more. */
static void release_reserve(struct rpcbuf_engine *engine)
{
	for (unsigned int i = 0; engine->loops && i <= engine->nr_loops; i++)
		if (engine->loops[i].rqst)
			rpcbuf_rqst_reserve(engine->loops[i].rqst, NULL);
	rpcbuf_mempool_destroy(engine->reserve);
	rpcbuf_mempool_destroy(engine->replies_reserve);
	engine->reserve = engine->replies_reserve = NULL;
}

int rpcbuf_engine_stop(struct rpcbuf_engine *engine, unsigned int timeout_ms)
{
	uint64_t now = os_now();
	uint64_t end = now + timeout_ms * UINT64_C(1000000);

	if (fork_is_child(engine->mm))
		return -EPERM;
	shrink_stop(engine);
	/* Two fifths of the time are for unsent replies, the rest for calls
	 * that still run: on a busy machine these take long. */
	if (!engine_stopping(engine)) {
		engine->stop_ns = now + (end - now) / 5 * 2;
		__atomic_store_n(&engine->stopping, true, __ATOMIC_SEQ_CST);
	}
	for (unsigned int i = 0; i < engine->nr_loops; i++)
		loop_kick(&engine->loops[i]);
	if (!replies_stop(engine, end) || !workers_stop(engine, end))
		return -ETIMEDOUT;
	monitor_stop(engine);
	/* Calls that the handler completes on threads of its own. */
	while (os_load_acquire(&engine->flight.nr)) {
		if (os_now() >= end)
			return -ETIMEDOUT;
		usleep(1000);
	}
	release_reserve(engine);
	return 0;
}

void rpcbuf_engine_destroy(struct rpcbuf_engine *engine)
{
	if (fork_is_child(engine->mm))
		return;
	trace_unpublish(engine);
	for (unsigned int i = 0; engine->loops && i <= engine->nr_loops; i++)
		loop_close(&engine->loops[i]);
	free(engine->loops);
	pthread_mutex_destroy(&engine->log.limit.lock);
	clients_exit(&engine->clients);
	admit_exit(&engine->admit);
	shares_exit(&engine->shares);
	monitor_exit(&engine->monitor);
	workers_exit(&engine->workers);
	free(engine);
}
