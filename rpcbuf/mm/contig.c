/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs of any length: whole blocks, of which the last may be cut.  Any thread.
 */
#include <string.h>

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/miss.h>
#include <rpcbuf/mm/node.h>
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
		return miss_take_run(mm, gfp, pcp_node(mm), RPCBUF_NODES_ALL,
				     (unsigned int)nr);
	if (gfp & RPCBUF_GFP_NOLOCK)
		return NULL;
	first = miss_take_blocks(mm, gfp, blocks_of(nr));
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

/* Pages from @first up to @end, block by block, so that no hold of the zone's
 * lock is longer than that. */
static void free_by_block(struct rpcbuf *mm, char *first, const char *end)
{
	size_t n;

	for (; first < end; first += n) {
		n = ZONE_BLOCK_PAGES * RPCBUF_PAGE_SIZE;
		n -= (uintptr_t)first % n;
		n = rpcbuf_min(n, (size_t)(end - first));
		mm_give_run(mm, first, (unsigned int)(n >> RPCBUF_PAGE_SHIFT));
	}
}

/* Drops those of @nr adjacent pages at the front that have no other holder;
 * returns how many.  They were taken together: of two threads that release all,
 * only one gets past the first page. */
static uint64_t drop_unshared(struct rpcbuf *mm, void *first, uint64_t nr)
{
	struct os_u16 *refs = &mm->refs[arena_index(&mm->arena, first)];
	uint64_t n = 0;

	if (RPCBUF_DEBUG || guard_on(mm))
		return 0;
	for (; n < nr && os_load_acquire(&refs[n]) == 1; n++)
		os_store(&refs[n], 0);
	return n;
}

void contig_release(struct rpcbuf *mm, void *first, uint64_t nr)
{
	char *begin = first, *page = first;
	char *end = begin + nr * RPCBUF_PAGE_SIZE;

	if (fork_is_child(mm))
		return;
	if (page_drop(mm, first)) {
		while ((page += RPCBUF_PAGE_SIZE) < end) {
			page += drop_unshared(mm, page,
					      (uint64_t)(end - page) >>
						      RPCBUF_PAGE_SHIFT) *
				RPCBUF_PAGE_SIZE;
			if (page == end || page_drop(mm, page))
				continue;
			free_by_block(mm, begin, page);
			begin = page + RPCBUF_PAGE_SIZE;
		}
		free_by_block(mm, begin, end);
	}
	page_log(mm);
}

void rpcbuf_free_contig(struct rpcbuf *mm, void *pages, uint64_t nr)
{
	uint64_t index = arena_index(&mm->arena, pages);

	if (!pages || !nr)
		return;
	if (index >= mm->arena.nr_pages || nr > mm->arena.nr_pages - index) {
		page_refuse(mm, pages, PAGE_FOREIGN);
		page_log(mm);
		return;
	}
	contig_release(mm, pages, nr);
}
