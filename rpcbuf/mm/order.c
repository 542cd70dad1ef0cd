/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Pages of orders above 0: aligned runs, straight from the zone and straight
 * back.  Any thread.  The first page carries the references of the whole.
 */
#include <string.h>

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

_Static_assert(RPCBUF_ORDER_MAX == ZONE_BLOCK_ORDER, "orders of the zone");

static void *take_order(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int order)
{
	void *pages[ZONE_BLOCK_PAGES];
	unsigned int nr = 1u << order;

	if (!zone_take_run(&mm->zone, pages, nr))
		return NULL;
	page_mark_out(mm, pages, nr);
	if (gfp & RPCBUF_GFP_ZERO)
		memset(pages[0], 0, nr * RPCBUF_PAGE_SIZE);
	return pages[0];
}

void *rpcbuf_alloc_pages(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			 unsigned int order)
{
	void *pages;

	if (order == 0)
		return rpcbuf_alloc_page(mm, gfp);
	if (order > RPCBUF_ORDER_MAX)
		return NULL;
	pages = take_order(mm, gfp, order);
	if (rpcbuf_unlikely(!pages) && pcp_drain_all(mm))
		pages = take_order(mm, gfp, order);
	return pages;
}

static void put_order(struct rpcbuf *mm, void *first, unsigned int nr)
{
	uint64_t index = arena_index(&mm->arena, first);
	void *pages[PCP_WINDOW];
	unsigned int i, n;

	for (; nr; nr -= n) {
		n = rpcbuf_min(nr, PCP_WINDOW);
		for (i = 0; i < n; i++, index++)
			pages[i] = arena_page(&mm->arena, index);
		mm_give(mm, pages, n);
	}
}

void rpcbuf_free_pages(struct rpcbuf *mm, void *pages, unsigned int order)
{
	uint64_t index = arena_index(&mm->arena, pages);
	unsigned int nr, i;

	if (!pages)
		return;
	if (order == 0) {
		rpcbuf_free_page(mm, pages);
		return;
	}
	nr = 1u << rpcbuf_min(order, RPCBUF_ORDER_MAX + 1);
	if (order > RPCBUF_ORDER_MAX || index % nr ||
	    index + nr > mm->arena.nr_pages) {
		page_refuse(mm, pages);
		return;
	}
	if (!page_drop(mm, pages))
		return;
	for (i = 1; i < nr; i++)
		page_mark_free(mm, index + i);
	put_order(mm, pages, nr);
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
