/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Statistics of an engine: counters per loop, summed by the reader.  Any
 * thread.
 */
#include <rpcbuf/mempool.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/sized.h"

const char *rpcbuf_engine_backend(const struct rpcbuf_engine *engine)
{
	return engine->backend->name;
}

/* Adds what @of has counted: each member in its place, those that it does not
 * count are 0. */
static void add_counted(struct rpcbuf_engine_stats *sum,
			const struct rpcbuf_engine_stats *of)
{
#define X(name, ...) sum->name += os_load(&of->name);
	RPCBUF_ENGINE_STATS(X)
#undef X
#define X(member, name, buckets, ...)                \
	for (unsigned int i = 0; i < (buckets); i++) \
		sum->hist_##member[i] += os_load(&of->hist_##member[i]);
	RPCBUF_ENGINE_HISTOGRAMS(X)
#undef X
}

static void add_vector(struct rpcbuf_engine_stats *sum,
		       const struct rpcbuf_rqst *rqst)
{
	struct rpcbuf_rqst_stats stats = RPCBUF_RQST_STATS_INIT;

	rpcbuf_rqst_stats(rqst, &stats);
	sum->pages_filled += stats.pages_filled;
	sum->bulk_calls += stats.bulk_calls;
	sum->runs_filled += stats.runs;
	sum->runs_missed += stats.no_runs;
	sum->sleeps += stats.sleeps;
	sum->sleep_ns += stats.sleep_ns;
}

static void add_loop(struct rpcbuf_engine_stats *sum, const struct loop *loop)
{
	add_counted(sum, &loop->stats);
	add_counted(sum, &loop->done_stats);
	add_vector(sum, loop->rqst);
	sum->held_pages += os_load(&loop->admit.quota.partial);
}

static uint64_t times_empty(struct rpcbuf_mempool *reserve)
{
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;

	if (reserve)
		rpcbuf_mempool_stats(reserve, &stats);
	return stats.partial;
}

static void sum_up(struct rpcbuf_engine *engine,
		   struct rpcbuf_engine_stats *stats)
{
	add_counted(stats, &engine->stats);
	for (unsigned int i = 0; i < engine_all_loops(engine); i++)
		add_loop(stats, &engine->loops[i]);
	stats->records_refused = stats->refused_length +
				 stats->refused_fragments +
				 stats->refused_short + stats->refused_timeout;
	stats->connections = os_load(&engine->connections);
	stats->in_flight = os_load(&engine->flight.nr);
	stats->queued = share_waiting(&engine->shares);
	stats->reply_reserve_empty = times_empty(engine->options.replies);
	stats->unsent_bytes = os_load(&engine->unsent_bytes);
	stats->unsent_kept_bytes = os_load(&engine->unsent_pinned);
	stats->heap_bytes = heap_bytes(engine);
	if (fork_is_child(engine->mm))
		return;
	pthread_mutex_lock(&engine->workers.lock);
	stats->threads = engine->workers.nr;
	pthread_mutex_unlock(&engine->workers.lock);
}

int rpcbuf_engine_stats(struct rpcbuf_engine *engine,
			struct rpcbuf_engine_stats *stats)
{
	struct rpcbuf_engine_stats known = {0};

	sum_up(engine, &known);
	return sized_write(stats, &known, sizeof(known));
}
