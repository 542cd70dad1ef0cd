/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Statistics of an engine: counters per loop, summed by the reader.  Any
 * thread.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/sized.h"

const char *rpcbuf_engine_backend(const struct rpcbuf_engine *engine)
{
	return engine->backend->name;
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

static void add_replies(struct rpcbuf_engine_stats *sum,
			const struct loop_replies *replies)
{
	sum->reply_bytes += os_load(&replies->bytes);
	sum->reply_pages += os_load(&replies->pages);
	sum->reply_reserve_pages += os_load(&replies->reserved);
	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++)
		sum->hist_reply_pages[i] += os_load(&replies->hist_pages[i]);
}

static void add_loop(struct rpcbuf_engine_stats *sum, const struct loop *loop)
{
	const struct loop_stats *s = &loop->stats;

	add_vector(sum, loop->rqst);
	sum->requests += os_load(&s->requests);
	sum->pages += os_load(&s->pages);
	sum->runs += os_load(&s->runs);
	sum->bytes_received += os_load(&s->bytes_received);
	sum->receives += os_load(&s->receives);
	sum->refused_length += os_load(&s->refused_length);
	sum->refused_fragments += os_load(&s->refused_fragments);
	sum->refused_short += os_load(&s->refused_short);
	sum->refused_timeout += os_load(&s->refused_timeout);
	sum->closed_idle += os_load(&s->closed_idle);
	sum->closed_unread += os_load(&s->closed_unread);
	sum->held_pages += os_load(&loop->admit.quota.partial);
	sum->parked_pages += os_load(&s->parked_pages);
	sum->parked_partial += os_load(&s->parked_partial);
	sum->parked_unsent += os_load(&s->parked_unsent);
	sum->parked_long += os_load(&s->parked_long);
	sum->batches += os_load(&s->batches);
	sum->parked_calls += os_load(&s->parked_calls);
	sum->fills_timed += os_load(&s->fills_timed);
	sum->fill_ns_sum += os_load(&s->fill_ns_sum);
	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++)
		sum->hist_pages[i] += os_load(&s->hist_pages[i]);
	add_replies(sum, &loop->replies);
	for (unsigned int i = 0; i < RPCBUF_HIST_NS; i++)
		sum->hist_fill_ns[i] += os_load(&s->hist_fill_ns[i]);
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
	for (unsigned int i = 0; i < engine_all_loops(engine); i++)
		add_loop(stats, &engine->loops[i]);
	stats->records_refused = stats->refused_length +
				 stats->refused_fragments +
				 stats->refused_short + stats->refused_timeout;
	stats->bytes_copied = os_load(&engine->bytes_copied);
	stats->payloads_in_place = os_load(&engine->payloads_in_place);
	stats->payloads_copied = os_load(&engine->payloads_copied);
	stats->connections = os_load(&engine->connections);
	stats->connections_total = os_load(&engine->connections_total);
	stats->in_flight = os_load(&engine->flight.nr);
	stats->reply_reserve_empty = times_empty(engine->options.replies);
	stats->unsent_bytes = os_load(&engine->unsent_bytes);
	stats->unsent_kept_bytes = os_load(&engine->unsent_pinned);
	stats->refused_connections = os_load(&engine->refused_connections);
	stats->heap_bytes = heap_bytes(engine);
	stats->handovers = os_load(&engine->monitor.handovers);
	stats->short_replies = os_load(&engine->short_replies);
	stats->delayed = os_load(&engine->delayed);
	stats->repeated = os_load(&engine->repeated);
	stats->queued = share_waiting(&engine->shares);
	stats->delegated = os_load(&engine->delegate.calls);
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
