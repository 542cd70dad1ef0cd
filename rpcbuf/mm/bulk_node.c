/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bulk calls that name a node.  The cache of this CPU serves when it is of
 * that node, the zones when not.
 */
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>

static unsigned int take_cached(struct rpcbuf *mm, unsigned int node,
				void **pages, unsigned int want)
{
	struct pcp *pcp = pcp_trylock(mm);
	unsigned int got = 0;

	if (!pcp)
		return 0;
	if (pcp->node == node)
		got = want < RUN_PAGES ? pcp_pop_singles(pcp, pages, want)
				       : pcp_pop(pcp, pages, want);
	os_cpulock_release(&pcp->lock);
	return got;
}

static unsigned int take_on(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			    unsigned int node, rpcbuf_nodemask_t mask,
			    void **pages, unsigned int want)
{
	unsigned int got = 0, cached;

	if (node_in_mask(mask, node))
		got = take_cached(mm, node, pages, want);
	cached = got;
	if (got < want)
		got += miss_take(mm, gfp, node, mask, pages + got, want - got);
	page_mark_out(mm, pages, cached, got);
	page_prepare(gfp, pages, got);
	return got;
}

static unsigned int alloc_on_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				  int preferred, rpcbuf_nodemask_t mask,
				  unsigned int nr, void **pages)
{
	unsigned int node = preferred == RPCBUF_NODE_HERE
				    ? pcp_node(mm)
				    : (unsigned int)preferred;
	unsigned int done, n, full, holes, got;
	void *fresh[PCP_CHUNK];

	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	if (node >= mm->nr_nodes)
		mask = 0;
	for (done = 0; done < nr; done += n) {
		n = rpcbuf_min(nr - done, PCP_CHUNK);
		holes = bulk_holes(pages + done, n);
		got = holes && mask ? take_on(mm, gfp, node, mask, fresh, holes)
				    : 0;
		full = bulk_merge(pages + done, n, fresh, got);
		if (full < n)
			return done + full;
	}
	return nr;
}

unsigned int rpcbuf_alloc_bulk_array_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					  int preferred, rpcbuf_nodemask_t mask,
					  unsigned int nr, void **pages)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled =
		alloc_on_node(mm, gfp, preferred, mask, nr, pages);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}

void *rpcbuf_alloc_page_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp, int node,
			     rpcbuf_nodemask_t mask)
{
	void *page = NULL;

	rpcbuf_alloc_bulk_array_node(mm, gfp, node, mask, 1, &page);
	return page;
}
