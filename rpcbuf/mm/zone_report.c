/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Blocks that leave a zone as a whole for a while: to have their memory given
 * back to the operating system, or because the budget withholds them.
 *
 * A block that is isolated looks like one whose pages are all out.  The lock is
 * held for one block at a time.
 */
#include <string.h>

#include <rpcbuf/mm/zone_private.h>

static void set_whole(struct zone_block *block, bool free)
{
	memset(block->free, free ? 0xff : 0, sizeof(block->free));
	memset(block->word_order, free ? (int)ZONE_WORD_ORDER : ZONE_NO_ORDER,
	       sizeof(block->word_order));
	block->nr_free = free ? ZONE_BLOCK_PAGES : 0;
}

static void *isolate_locked(struct zone *zone, uint64_t before, uint64_t keep)
{
	uint32_t coldest = os_own(&zone->coldest), number = coldest - 1;

	if (!coldest || os_own(&zone->nr_free) < keep + ZONE_BLOCK_PAGES ||
	    (int64_t)(before - zone_block(zone, number)->freed) < 0)
		return NULL;
	zone_list_del(zone, number);
	set_whole(zone_block(zone, number), false);
	os_store(&zone_block(zone, number)->list, ZONE_NO_ORDER);
	os_store(&zone->nr_free, os_own(&zone->nr_free) - ZONE_BLOCK_PAGES);
	return arena_page(zone->arena, (uint64_t)number << ZONE_BLOCK_ORDER);
}

void *zone_isolate(struct zone *zone, uint64_t before, uint64_t keep)
{
	void *first;

	zone_lock(zone);
	first = isolate_locked(zone, before, keep);
	zone_unlock(zone);
	return first;
}

void zone_put_isolated(struct zone *zone, void *first, bool reported)
{
	uint64_t index = arena_index(zone->arena, first);
	uint32_t number = (uint32_t)(index >> ZONE_BLOCK_ORDER);

	zone_lock(zone);
	set_whole(zone_block(zone, number), true);
	zone_list_add(zone, number,
		      reported ? ZONE_REPORTED : (int8_t)ZONE_BLOCK_ORDER);
	os_store(&zone->nr_free, os_own(&zone->nr_free) + ZONE_BLOCK_PAGES);
	zone_unlock(zone);
}

/* Pages of the blocks from @from on, below @to. */
static uint64_t pages_between(const struct zone *zone, uint32_t from,
			      uint32_t to)
{
	return rpcbuf_min((uint64_t)to << ZONE_BLOCK_ORDER, zone->nr_pages) -
	       rpcbuf_min((uint64_t)from << ZONE_BLOCK_ORDER, zone->nr_pages);
}

uint64_t zone_withhold(struct zone *zone, uint64_t nr)
{
	uint32_t to, fresh, nr_blocks;
	uint64_t blocks, pages;

	zone_lock(zone);
	fresh = os_own(&zone->fresh);
	nr_blocks = os_own(&zone->nr_blocks);
	blocks = rpcbuf_min((uint64_t)(nr_blocks - fresh),
			    nr >> ZONE_BLOCK_ORDER);
	to = nr_blocks - (uint32_t)blocks;
	/* The last block of all may be a short one. */
	if (to > fresh && to == nr_blocks &&
	    pages_between(zone, to - 1, to) <= nr)
		to--;
	pages = pages_between(zone, to, nr_blocks);
	os_store(&zone->nr_blocks, to);
	os_store(&zone->nr_free, os_own(&zone->nr_free) - pages);
	zone_unlock(zone);
	return pages;
}

uint64_t zone_unwithhold(struct zone *zone, uint64_t nr)
{
	uint32_t to, nr_blocks;
	uint64_t blocks, pages;

	zone_lock(zone);
	nr_blocks = os_own(&zone->nr_blocks);
	blocks = rpcbuf_min((uint64_t)(zone->max_blocks - nr_blocks),
			    nr >> ZONE_BLOCK_ORDER);
	to = nr_blocks + (uint32_t)blocks;
	if (to < zone->max_blocks &&
	    pages_between(zone, nr_blocks, to + 1) <= nr)
		to++;
	pages = pages_between(zone, nr_blocks, to);
	os_store(&zone->nr_blocks, to);
	os_store(&zone->nr_free, os_own(&zone->nr_free) + pages);
	zone_unlock(zone);
	return pages;
}
