/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Blocks that leave a zone as a whole for a while: to have their memory given
 * back to the operating system, or because the budget withholds them; and the
 * free pages of blocks that have others, which lose their memory when it is
 * short.
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

/* A guess, without the lock: some of its pages are free, some are not, and it may
 * have something to give. */
static bool is_mixed(const struct zone *zone, uint32_t number)
{
	const struct zone_block *block =
		&os_unlocked(&zone->lists)->blocks[number];
	int8_t list = os_load(&block->list);

	return list != ZONE_NO_ORDER && list != (int8_t)ZONE_BLOCK_ORDER &&
	       list != ZONE_REPORTED && !os_load(&block->hollow);
}

static unsigned int isolate_mixed_locked(struct zone *zone, uint32_t number,
					 uint64_t *pages, uint64_t keep)
{
	struct zone_block *block = zone_block(zone, number);
	unsigned int nr = block->nr_free;

	if (!is_mixed(zone, number) || os_own(&zone->nr_free) < keep + nr)
		return 0;
	memcpy(pages, block->free, sizeof(block->free));
	zone_list_del(zone, number);
	set_whole(block, false);
	os_store(&block->list, ZONE_NO_ORDER);
	os_store(&block->hollow, true);
	os_store(&zone->nr_free, os_own(&zone->nr_free) - nr);
	return nr;
}

unsigned int zone_isolate_mixed(struct zone *zone, uint32_t *number,
				uint64_t pages[ZONE_BLOCK_WORDS], uint64_t keep)
{
	uint32_t end = os_load(&zone->fresh), at = *number;
	unsigned int nr = 0;

	for (; at < end && !nr; at++) {
		if (!is_mixed(zone, at))
			continue;
		*number = at;
		zone_lock(zone);
		nr = isolate_mixed_locked(zone, at, pages, keep);
		zone_unlock(zone);
	}
	return nr;
}

void zone_put_mixed(struct zone *zone, uint32_t number,
		    const uint64_t pages[ZONE_BLOCK_WORDS])
{
	struct zone_block *block;
	unsigned int put = 0, w;
	bool hollow;

	zone_lock(zone);
	block = zone_block(zone, number);
	hollow = os_own(&block->hollow);
	for (w = 0; w < ZONE_BLOCK_WORDS; w++)
		if (pages[w])
			put += zone_put_word(
				zone, (uint64_t)number * ZONE_BLOCK_WORDS + w,
				pages[w]);
	os_store(&block->hollow, hollow);
	os_store(&zone->nr_free, os_own(&zone->nr_free) + put);
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
