/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pages of orders above 0: aligned runs, straight from the zone and straight
 * back.  Any thread.  The first page carries the references of the whole.
 */
#include <string.h>

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/miss.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>

_Static_assert(RPCBUF_ORDER_MAX == ZONE_BLOCK_ORDER, "orders of the zone");

static void *take_order(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int order,
			unsigned int node, rpcbuf_nodemask_t mask)
{
	unsigned int nr = 1u << order;
	void *pages = miss_take_run(mm, gfp, node, mask, nr);

	if (rpcbuf_unlikely(!pages) && !(gfp & RPCBUF_GFP_NOLOCK) &&
	    node_flush(mm) + pcp_drain_all(mm))
		pages = miss_take_run(mm, gfp, node, mask, nr);
	if (!pages)
		return NULL;
	page_mark_adjacent_out(mm, pages, nr);
	if (gfp & RPCBUF_GFP_ZERO)
		memset(pages, 0, nr * RPCBUF_PAGE_SIZE);
	return pages;
}

void *rpcbuf_alloc_pages_node(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			      unsigned int order, int node,
			      rpcbuf_nodemask_t mask)
{
	if (order == 0)
		return rpcbuf_alloc_page_node(mm, gfp, node, mask);
	if (order > RPCBUF_ORDER_MAX)
		return NULL;
	if (node == RPCBUF_NODE_HERE)
		node = (int)pcp_node(mm);
	if ((unsigned int)node >= mm->nr_nodes)
		return NULL;
	return take_order(mm, gfp, order, (unsigned int)node, mask);
}

void *rpcbuf_alloc_pages(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			 unsigned int order)
{
	if (order == 0)
		return rpcbuf_alloc_page(mm, gfp);
	return rpcbuf_alloc_pages_node(mm, gfp, order, RPCBUF_NODE_HERE,
				       RPCBUF_NODES_ALL);
}

void rpcbuf_free_pages(struct rpcbuf *mm, void *pages, unsigned int order)
{
	uint64_t index = arena_index(&mm->arena, pages);
	unsigned int nr;

	if (!pages)
		return;
	if (order == 0) {
		rpcbuf_free_page(mm, pages);
		return;
	}
	nr = 1u << rpcbuf_min(order, RPCBUF_ORDER_MAX + 1);
	if (order > RPCBUF_ORDER_MAX || index % nr ||
	    index + nr > mm->arena.nr_pages) {
		page_refuse(mm, pages, PAGE_FOREIGN);
		page_log(mm);
		return;
	}
	contig_release(mm, pages, nr);
}

unsigned int rpcbuf_alloc_bulk_orders(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				      unsigned int order, unsigned int nr,
				      void **pages, uint8_t *orders)
{
	unsigned int i;

	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		pages[i] = rpcbuf_alloc_pages(mm, gfp, order);
		if (!pages[i] && order && orders) {
			order = 0;
			pages[i] = rpcbuf_alloc_pages(mm, gfp, 0);
		}
		if (!pages[i])
			break;
		if (orders)
			orders[i] = (uint8_t)order;
	}
	return i;
}

void rpcbuf_free_bulk_orders(struct rpcbuf *mm, unsigned int nr, void **pages,
			     const uint8_t *orders)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		rpcbuf_free_pages(mm, pages[i], orders[i]);
		pages[i] = NULL;
	}
}
