/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a cache does not have: it pulls a batch from the nodes (node.h), for the
 * request and for itself.
 */
#include <string.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>

/* The zones are empty: CPUs' caches and lists of the deferred may not be. */
static void drain_caches(struct rpcbuf *mm)
{
	node_flush(mm);
	/* A drain or a report that is under way ends with its pages in the
	 * zone. */
	if (pcp_nr_cached(mm)) {
		pcp_drain_all(mm);
	} else {
		os_lock(&mm->freezing);
		os_unlock(&mm->freezing);
	}
	report_settle(mm);
}

static unsigned int take_singly(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				unsigned int node, rpcbuf_nodemask_t mask,
				void **pages, unsigned int want)
{
	unsigned int got = node_walk(mm, gfp, node, mask, pages, want);

	node_ask_for_reclaim(mm);
	if (got < want) {
		drain_caches(mm);
		got += node_walk(mm, gfp, node, mask, pages + got, want - got);
	}
	stats_add(mm, STAT_single_pages, got);
	return got;
}

/* Runs for the request, and some more for this CPU's cache: the request gets
 * those on top, as it would from the cache. */
static unsigned int take_runs(struct rpcbuf *mm, unsigned int node,
			      void **pages, unsigned int want)
{
	unsigned int need = want / RUN_PAGES, extra, got, i;
	void *runs[DEPOT_BATCH];

	extra = rpcbuf_min(os_load(&mm->pcp_runs) / 2, DEPOT_BATCH / 2);
	got = depot_take(&mm->nodes[node].runs, runs,
			 need + (wait_pending(mm) ? 0 : extra));
	need = rpcbuf_min(need, got);
	if (got) {
		stats_add(mm, STAT_bulk_pages, (uint64_t)got * RUN_PAGES);
		stats_add(mm, STAT_stocked_pages,
			  (uint64_t)(got - need) * RUN_PAGES);
	}
	for (i = 0; i < need; i++)
		slots_expand_run(pages + i * RUN_PAGES, runs[got - need + i]);
	if (got > need)
		pcp_put_surplus_runs(mm, node, runs, got - need);
	return need * RUN_PAGES;
}

/* No run for a vector: then single pages, from wherever they are cached. */
static unsigned int take_scattered(struct rpcbuf *mm, unsigned int node,
				   void **pages, unsigned int want)
{
	bool scattered = !zone_has_runs(&mm->nodes[node].zone);

	pcp_note_scattered(mm, scattered);
	return scattered ? pcp_take_singles(mm, node, pages, want) : 0;
}

static unsigned int take_batch(struct rpcbuf *mm, unsigned int node,
			       void **pages, unsigned int want)
{
	unsigned int ask = want, batch_size = os_load(&mm->batch), got, given;
	void *batch[PCP_CHUNK];

	if (!wait_pending(mm) && batch_size > want)
		ask = batch_size;
	got = node_bulk(mm, node, batch, want, ask);
	given = rpcbuf_min(got, want);
	memcpy(pages, batch, given * sizeof(*pages));
	stats_add(mm, STAT_bulk_pages, got);
	stats_add(mm, STAT_stocked_pages, got - given);
	if (got > given)
		pcp_put_surplus(mm, node, batch + given, got - given,
				want >= RUN_PAGES);
	return given;
}

/* What is more than whole runs is single pages, as it is from the cache. */
static unsigned int take_bulk(struct rpcbuf *mm, unsigned int node,
			      void **pages, unsigned int want)
{
	unsigned int runs = want - want % RUN_PAGES, got = 0;

	if (runs)
		got = take_batch(mm, node, pages, runs);
	if (got == runs && got < want)
		got += take_batch(mm, node, pages + got, want - got);
	return got;
}

unsigned int pcp_refill(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
			rpcbuf_nodemask_t mask, void **pages, unsigned int want)
{
	unsigned int got = 0;

	if (fork_is_child(mm))
		return 0;
	if (RPCBUF_WITH_NOLOCK && gfp & RPCBUF_GFP_NOLOCK)
		return node_try_take(mm, gfp, node, mask, pages, want);
	if (node_in_mask(mask, node)) {
		if (want >= RUN_PAGES)
			got = take_runs(mm, node, pages, want);
		if (want - got >= RUN_PAGES)
			got += take_scattered(mm, node, pages + got,
					      want - got);
		got += take_bulk(mm, node, pages + got, want - got);
	}
	if (got < want)
		got += take_singly(mm, gfp, node, mask, pages + got,
				   want - got);
	return got;
}
