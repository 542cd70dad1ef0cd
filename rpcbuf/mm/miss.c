/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/fault.h>
#include <rpcbuf/mm/miss.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/stats.h>

static __attribute__((cold)) unsigned int
take_guarded(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
	     rpcbuf_nodemask_t mask, void **pages, unsigned int want)
{
	want = fault_limit(mm, gfp, want);
	return want ? harden_take(mm, gfp, node, mask, pages, want) : 0;
}

static __attribute__((cold)) void *
take_run_guarded(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		 rpcbuf_nodemask_t mask, unsigned int nr)
{
	return fault_limit(mm, gfp, nr) < nr
		       ? NULL
		       : harden_take_run(mm, gfp, node, mask, nr);
}

unsigned int miss_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       rpcbuf_nodemask_t mask, void **pages, unsigned int want)
{
	unsigned int got;

	stats_add(mm, STAT_refills, 1);
	if (guard_on(mm))
		got = take_guarded(mm, gfp, node, mask, pages, want);
	else
		got = pcp_refill(mm, gfp, node, mask, pages, want);
	if (rpcbuf_unlikely(got < want))
		stats_add(mm, STAT_short_requests, 1);
	return got;
}

void *miss_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		    rpcbuf_nodemask_t mask, unsigned int nr)
{
	void *first;

	if (guard_on(mm))
		first = take_run_guarded(mm, gfp, node, mask, nr);
	else
		first = node_take_run(mm, gfp, node, mask, nr);
	if (first)
		stats_add(mm, STAT_run_pages, nr);
	else
		stats_add(mm, STAT_short_requests, 1);
	return first;
}

void *miss_take_blocks(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint32_t nr)
{
	void *first;

	if (fork_is_child(mm) || (guard_on(mm) && !fault_limit(mm, gfp, 1)))
		return NULL;
	first = node_take_blocks(mm, gfp, pcp_node(mm), nr);
	if (!first)
		return NULL;
	stats_add(mm, STAT_run_pages, (uint64_t)nr << ZONE_BLOCK_ORDER);
	if (guard_on(mm))
		harden_init(mm, first, (uint64_t)nr << ZONE_BLOCK_ORDER);
	return first;
}

unsigned int miss_take_here(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			    unsigned int want)
{
	return miss_take(mm, gfp, pcp_node(mm), RPCBUF_NODES_ALL, pages, want);
}

void miss_put(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	void *batch[PCP_CHUNK];
	unsigned int last = miss_drop(mm, pages, nr, batch);

	if (last)
		mm_give(mm, batch, last);
	page_log(mm);
}
