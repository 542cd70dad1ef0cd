/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Nodes: each owns an aligned slice of the one arena, with a zone of its own.
 *
 * A page's node follows from its address; a CPU has the node that it is on, and
 * its cache keeps pages of that node only.  What a cache cannot serve it pulls
 * from here (pcp_refill.c), in two ways:
 *
 * - bulk: from the preferred node alone, its depot first, then its zone as long
 *   as that stays above `low`;
 * - page by page, for what is left: falls back through the nodes, the near ones
 *   first, down to `min` (to nothing for RPCBUF_GFP_RESERVE).
 *
 * Any thread, no locks held.  Requests with RPCBUF_GFP_NOLOCK only ever try for
 * a zone's lock; their releases leave pages to its holder.
 */
#ifndef RPCBUF_MM_NODE_H
#define RPCBUF_MM_NODE_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/depot.h>
#include <rpcbuf/mm/instance.h>

#ifndef RPCBUF_WITH_NOLOCK
#define RPCBUF_WITH_NOLOCK 1 /* 0: to measure what the feature costs */
#endif

struct mm_node {
	struct arena slice;
	uint64_t first; /* number of the slice's first page in the arena */
	/* Nodes in the order in which this one's requests turn to them. */
	uint8_t order[RPCBUF_NODES_MAX];
	struct zone zone __attribute__((aligned(MM_CACHE_LINE)));
	struct depot runs __attribute__((aligned(2 * MM_CACHE_LINE)));
	struct depot loose __attribute__((aligned(2 * MM_CACHE_LINE)));
};

/* What a zone with a budget of @nr_pages gives up only to the holders of the
 * reserve. */
uint64_t node_kept_back(uint64_t nr_pages);

/*
 * Sets what a zone with a budget of @nr_pages gives up only to the holders of
 * the reserve, and the rest; each @extra pages higher.  By one thread at a
 * time, while others take from the zone.
 */
void node_watermarks(struct zone *zone, uint64_t nr_pages, uint64_t extra);

/* Fills in @order of a node of @nr: itself, then the others, the near ones
 * first; @distances by number. */
void node_order(uint8_t *order, unsigned int nr, unsigned int node,
		const unsigned int *distances);

/* Up to @most pages of @node alone, for a request of @want, while its zone stays
 * above `low`.  @want and @most: at most ZONE_BATCH.  Returns how many. */
unsigned int node_bulk(struct rpcbuf *mm, unsigned int node, void **pages,
		       unsigned int want, unsigned int most);

/* Up to @want pages from the zones of @mask, that of @node first; returns how
 * many. */
unsigned int node_walk(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       rpcbuf_nodemask_t mask, void **pages, unsigned int want);

/* The same for RPCBUF_GFP_NOLOCK: takes only pages whose locks are free now. */
unsigned int node_try_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			   unsigned int node, rpcbuf_nodemask_t mask,
			   void **pages, unsigned int want);

/* Kicks the maintenance, once until it clears `reclaim_asked`. */
void node_ask_for_reclaim(struct rpcbuf *mm);

/* The first of @nr (at most ZONE_BLOCK_PAGES) adjacent pages, or NULL. */
void *node_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		    rpcbuf_nodemask_t mask, unsigned int nr);

/* The first of @nr neighbouring blocks, of @node or of those that it falls
 * back to, or NULL. */
void *node_take_blocks(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       uint32_t nr);

/* Puts back what was deferred, on all nodes; returns how many pages. */
uint64_t node_flush(struct rpcbuf *mm);

/* Sum over the nodes. */
uint64_t node_nr_free(const struct rpcbuf *mm);

static inline bool node_in_mask(rpcbuf_nodemask_t mask, unsigned int node)
{
	return mask >> node & 1;
}

/* The number of a page's node.  @index as arena_index() gives it.  The last
 * slice is larger by what the division leaves. */
static inline unsigned int node_of(const struct rpcbuf *mm, uint64_t index)
{
	return mm->nr_nodes == 1
		       ? 0
		       : rpcbuf_min((unsigned int)(index / mm->slice_pages),
				    mm->nr_nodes - 1);
}

/* See zone_is_single(); no page counts as one. */
static inline bool node_is_single(const struct rpcbuf *mm, const void *page)
{
	uint64_t index = arena_index(&mm->arena, page);
	const struct mm_node *node;

	if (index >= mm->arena.nr_pages)
		return true;
	node = &mm->nodes[node_of(mm, index)];
	return zone_is_single(&node->zone, index - node->first);
}

#endif /* RPCBUF_MM_NODE_H */
