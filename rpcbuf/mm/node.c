/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <string.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/kick.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>

/*
 * `min` is a 512th of a large zone: pages for requests that free others
 * (RPCBUF_GFP_RESERVE).  Small budgets have no reserve, every page counts.  Bulk
 * requests stop at `low`, and ask for reclaim there.
 */
#define RESERVE_FROM	16384u /* pages; only zones above have a reserve */
#define RESERVE_SHARE	512u
#define RESERVE_MAX	2048u
#define LOW_SHARE	128u
#define LOW_MAX		8192u

uint64_t node_kept_back(uint64_t nr_pages)
{
	return nr_pages <= RESERVE_FROM ? 0
					: rpcbuf_min(nr_pages / RESERVE_SHARE,
						     (uint64_t)RESERVE_MAX);
}

void node_watermarks(struct zone *zone, uint64_t nr_pages, uint64_t extra)
{
	uint64_t step = rpcbuf_min(nr_pages / LOW_SHARE, (uint64_t)LOW_MAX);
	uint64_t min = node_kept_back(nr_pages);

	os_store(&zone->min, extra + min);
	os_store(&zone->low, extra + min + step);
	os_store(&zone->high, extra + min + 2 * step);
}

static struct zone *zone_of(struct rpcbuf *mm, unsigned int node)
{
	return &mm->nodes[node].zone;
}

static uint64_t kept_back(const struct zone *zone, rpcbuf_gfp_t gfp)
{
	return gfp & RPCBUF_GFP_RESERVE ? 0 : os_load(&zone->min);
}

/* The i-th node that a request with this preference turns to. */
static unsigned int fallback(const struct rpcbuf *mm, unsigned int node,
			     unsigned int i)
{
	return mm->nodes[node].order[i];
}

void node_ask_for_reclaim(struct rpcbuf *mm)
{
	if (kick_listens(mm) && !os_load(&mm->reclaim_asked) &&
	    !os_exchange_acquire(&mm->reclaim_asked, 1)) {
		stats_add(mm, STAT_reclaim_wakes, 1);
		kick(mm);
	}
}

/* Of @nr pages that were just taken, those from below the min watermark. */
static void count_reserve(struct rpcbuf *mm, const struct zone *zone,
			  unsigned int nr)
{
	uint64_t left = zone_nr_free(zone), min = os_load(&zone->min);

	if (left < min)
		stats_add(mm, STAT_reserve_pages,
			  rpcbuf_min(min - left, (uint64_t)nr));
}

unsigned int node_bulk(struct rpcbuf *mm, unsigned int node, void **pages,
		       unsigned int want, unsigned int most)
{
	struct zone *zone = zone_of(mm, node);
	unsigned int got = 0;

	if (want < RUN_PAGES || !zone_has_runs(zone))
		got = depot_take(&mm->nodes[node].loose, pages, most);
	if (got < want)
		got += zone_take_above(zone, pages + got, most - got,
				       want >= RUN_PAGES,
				       os_load(&zone->low));
	return got;
}

unsigned int node_walk(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       rpcbuf_nodemask_t mask, void **pages, unsigned int want)
{
	unsigned int i, n, nr, got = 0;

	for (i = 0; i < mm->nr_nodes && got < want; i++) {
		struct zone *zone = zone_of(mm, n = fallback(mm, node, i));
		uint64_t keep = kept_back(zone, gfp);

		if (!node_in_mask(mask, n))
			continue;
		nr = zone_take_above(zone, pages + got, want - got,
				     want >= RUN_PAGES, keep);
		if (i)
			stats_add(mm, STAT_fallback_pages, nr);
		if (keep < os_load(&zone->min))
			count_reserve(mm, zone, nr);
		got += nr;
	}
	return got;
}

static unsigned int try_walk(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			     unsigned int node, rpcbuf_nodemask_t mask,
			     void **pages, unsigned int want)
{
	unsigned int i, n, nr, got = 0;

	for (i = 0; i < mm->nr_nodes && got < want; i++) {
		struct zone *zone = zone_of(mm, n = fallback(mm, node, i));

		nr = want - got;
		if (node_in_mask(mask, n) &&
		    zone_try_take(zone, pages + got, &nr, kept_back(zone, gfp)))
			got += nr;
	}
	return got;
}

/* What no lock of a zone was to be had for, or no zone has: the last run's
 * other pages go back. */
static unsigned int try_depots(struct rpcbuf *mm, unsigned int node,
			       void **pages, unsigned int want)
{
	struct mm_node *from = &mm->nodes[node];
	unsigned int got = depot_try_take(&from->loose, pages, want), nr, i, n;
	void *runs[ZONE_BATCH / RUN_PAGES], *last[RUN_PAGES];

	nr = (want - got + RUN_PAGES - 1) / RUN_PAGES;
	nr = depot_try_take(&from->runs, runs, nr);
	for (i = 0; i < nr; i++, got += n) {
		slots_expand_run(last, runs[i]);
		n = rpcbuf_min(want - got, RUN_PAGES);
		memcpy(pages + got, last, n * sizeof(*pages));
		if (n < RUN_PAGES)
			mm_give_nolock(mm, last + n, RUN_PAGES - n);
	}
	return got;
}

unsigned int node_try_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			   unsigned int node, rpcbuf_nodemask_t mask,
			   void **pages, unsigned int want)
{
	unsigned int got = try_walk(mm, gfp, node, mask, pages, want);

	if (got < want && node_in_mask(mask, node))
		got += try_depots(mm, node, pages + got, want - got);
	stats_add(mm, STAT_nolock_pages, got);
	return got;
}

static void *walk_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		      rpcbuf_nodemask_t mask, unsigned int nr)
{
	void *first = NULL;
	unsigned int i, n;

	for (i = 0; i < mm->nr_nodes && !first; i++) {
		struct zone *zone = zone_of(mm, n = fallback(mm, node, i));
		uint64_t keep = kept_back(zone, gfp);

		if (!node_in_mask(mask, n))
			continue;
		if (RPCBUF_WITH_NOLOCK && gfp & RPCBUF_GFP_NOLOCK)
			first = zone_try_take_run(zone, nr, keep);
		else
			first = zone_take_run_above(zone, nr, keep);
	}
	return first;
}

void *node_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		    rpcbuf_nodemask_t mask, unsigned int nr)
{
	void *first;

	if (fork_is_child(mm))
		return NULL;
	first = walk_run(mm, gfp, node, mask, nr);
	if (RPCBUF_WITH_NOLOCK && gfp & RPCBUF_GFP_NOLOCK)
		return first;
	if (zone_nr_free(zone_of(mm, node)) <= os_load(&zone_of(mm, node)->low))
		node_ask_for_reclaim(mm);
	return first;
}

void *node_take_blocks(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       uint32_t nr)
{
	void *first = NULL;
	unsigned int i;

	for (i = 0; i < mm->nr_nodes && !first; i++) {
		struct zone *zone = zone_of(mm, fallback(mm, node, i));

		first = zone_take_blocks(zone, nr, kept_back(zone, gfp));
	}
	return first;
}

uint64_t node_flush(struct rpcbuf *mm)
{
	uint64_t flushed = 0;
	unsigned int node;

	if (os_load(&mm->forked))
		return 0;
	for (node = 0; node < mm->nr_nodes; node++)
		flushed += zone_flush(zone_of(mm, node));
	return flushed;
}

void mm_give_run(struct rpcbuf *mm, void *first, unsigned int nr)
{
	uint64_t index = arena_index(&mm->arena, first);

	if (fork_is_child(mm))
		return;
	zone_put_run(zone_of(mm, node_of(mm, index)), first, nr);
	if (rpcbuf_unlikely(wait_pending(mm)))
		wait_wake(mm);
}

uint64_t node_nr_free(const struct rpcbuf *mm)
{
	uint64_t nr_free = 0;
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++)
		nr_free += zone_nr_free(&mm->nodes[node].zone);
	return nr_free;
}

/* How many pages at the front of an array are of the first one's node. */
static unsigned int same_node(const struct rpcbuf *mm, void *const *pages,
			      unsigned int nr, unsigned int *node)
{
	unsigned int i;

	*node = node_of(mm, arena_index(&mm->arena, pages[0]));
	if (mm->nr_nodes == 1)
		return nr;
	for (i = 1; i < nr; i++)
		if (node_of(mm, arena_index(&mm->arena, pages[i])) != *node)
			break;
	return i;
}

void mm_give(struct rpcbuf *mm, void *const *pages, unsigned int nr)
{
	unsigned int n, node;

	if (fork_is_child(mm))
		return;
	stats_add(mm, STAT_zone_puts, 1);
	stats_add(mm, STAT_zone_put_pages, nr);
	for (; nr; nr -= n, pages += n) {
		n = same_node(mm, pages, nr, &node);
		zone_put(zone_of(mm, node), pages, n);
	}
	if (rpcbuf_unlikely(wait_pending(mm)))
		wait_wake(mm);
}

void mm_give_nolock(struct rpcbuf *mm, void *const *pages, unsigned int nr)
{
	unsigned int n, node, i;

	if (fork_is_child(mm))
		return;
	stats_add(mm, STAT_zone_puts, 1);
	stats_add(mm, STAT_zone_put_pages, nr);
	for (; nr; nr -= n, pages += n) {
		struct zone *zone;

		n = same_node(mm, pages, nr, &node);
		zone = zone_of(mm, node);
		if (zone_try_put(zone, pages, n))
			continue;
		for (i = 0; i < n; i++)
			zone_defer(zone, pages[i]);
	}
	/* Partner: the waiter's flush before it sleeps, waiter.c. */
	os_fence();
	if (wait_pending(mm))
		wait_wake_nolock(mm);
}

unsigned int rpcbuf_nr_nodes(const struct rpcbuf *mm)
{
	return mm->nr_nodes;
}

int rpcbuf_page_node(const struct rpcbuf *mm, const void *page)
{
	uint64_t index = arena_index(&mm->arena, page);

	return index < mm->arena.nr_pages ? (int)node_of(mm, index) : -EINVAL;
}
