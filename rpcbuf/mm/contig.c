/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs of any length: whole blocks, of which the last may be cut.  Any thread.
 */
#include <string.h>

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

static uint32_t blocks_of(uint64_t nr)
{
	return (uint32_t)((nr + ZONE_BLOCK_PAGES - 1) >> ZONE_BLOCK_ORDER);
}

void *bulk_take_adjacent(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint64_t nr)
{
	uint64_t got = (uint64_t)blocks_of(nr) << ZONE_BLOCK_ORDER;
	char *first;

	if (nr <= ZONE_BLOCK_PAGES)
		return node_take_run(mm, gfp, node_here(mm), RPCBUF_NODES_ALL,
				     (unsigned int)nr);
	if (gfp & RPCBUF_GFP_NOLOCK)
		return NULL;
	first = node_take_blocks(mm, gfp, blocks_of(nr));
	if (first && got > nr)
		mm_give_run(mm, first + nr * RPCBUF_PAGE_SIZE,
			    (unsigned int)(got - nr));
	return first;
}

void *rpcbuf_alloc_contig(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint64_t nr)
{
	char *first;

	if (!nr || nr > mm->arena.nr_pages)
		return NULL;
	first = bulk_take_adjacent(mm, gfp, nr);
	if (!first && !(gfp & RPCBUF_GFP_NOLOCK) &&
	    node_flush(mm) + pcp_drain_all(mm))
		first = bulk_take_adjacent(mm, gfp, nr);
	if (!first)
		return NULL;
	page_mark_adjacent_out(mm, first, nr);
	if (gfp & RPCBUF_GFP_ZERO)
		memset(first, 0, nr * RPCBUF_PAGE_SIZE);
	return first;
}

void rpcbuf_free_contig(struct rpcbuf *mm, void *pages, uint64_t nr)
{
	uint64_t index = arena_index(&mm->arena, pages);

	if (!pages || !nr)
		return;
	if (index >= mm->arena.nr_pages || nr > mm->arena.nr_pages - index) {
		page_refuse(mm, pages, PAGE_FOREIGN);
		page_tell(mm);
		return;
	}
	page_release_adjacent(mm, pages, nr);
}
