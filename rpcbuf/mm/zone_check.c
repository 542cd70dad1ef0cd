/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The walker of zone.h: everything recomputed from the bitmaps. */
#include <rpcbuf/mm/zone.h>

#define CHECK(condition, sentence)       \
	do {                             \
		if (!(condition))        \
			return sentence; \
	} while (0)

static const char *check_block(const struct zone *zone,
			       const struct zone_lists *lists, uint32_t number)
{
	const struct zone_block *block = &lists->blocks[number];
	uint64_t first = (uint64_t)number << ZONE_BLOCK_ORDER;
	unsigned int w, bit, nr_free = 0;

	for (w = 0; w < ZONE_BLOCK_WORDS; w++) {
		nr_free += (unsigned int)__builtin_popcountll(block->free[w]);
		CHECK(block->word_order[w] == zone_word_order(block->free[w]),
		      "zone: the order of a word is not that of its bits");
		for (bit = 0; bit < 64; bit++)
			CHECK(!(block->free[w] >> bit & 1) ||
				      first + w * 64 + bit < zone->nr_pages,
			      "zone: a page beyond the budget is free");
	}
	CHECK(nr_free == block->nr_free,
	      "zone: the free count of a block is not that of its bits");
	CHECK(os_own(&block->list) == zone_block_list(block) ||
		      (os_own(&block->list) == ZONE_REPORTED &&
		       block->nr_free == ZONE_BLOCK_PAGES),
	      "zone: a block is on another list than its own");
	CHECK(!os_own(&block->singles) || block->nr_free != ZONE_BLOCK_PAGES,
	      "zone: a free block is on a list for single pages");
	return NULL;
}

static const char *check_list(const struct zone *zone,
			      const struct zone_lists *lists, unsigned int list,
			      uint64_t *listed)
{
	uint32_t link, prev = 0, fresh = os_own(&zone->fresh);

	CHECK(!lists->heads[list] == !(os_own(&zone->listed) >> list & 1),
	      "zone: the bit of a list and its head disagree");
	for (link = lists->heads[list]; link;
	     link = lists->blocks[link - 1].next) {
		CHECK(link <= fresh, "zone: a fresh block is on a list");
		CHECK(os_own(&lists->blocks[link - 1].list) == (int8_t)list,
		      "zone: a list has a block of another one");
		CHECK(lists->blocks[link - 1].prev == prev,
		      "zone: a list's links disagree");
		CHECK(++*listed <= fresh, "zone: a list has a cycle");
		prev = link;
	}
	CHECK(list != ZONE_BLOCK_ORDER || os_own(&zone->coldest) == prev,
	      "zone: the coldest block is not the last of its list");
	return NULL;
}

static const char *check_lists(const struct zone *zone,
			       const struct zone_lists *lists)
{
	uint32_t fresh = os_own(&zone->fresh);
	uint32_t nr_blocks = os_own(&zone->nr_blocks);
	uint64_t nr_free, listed = 0, with_free = 0, fresh_pages;
	const char *wrong;
	uint32_t number;
	unsigned int list;

	CHECK(fresh <= nr_blocks && nr_blocks <= zone->max_blocks,
	      "zone: a block is withheld that was handed out");
	fresh_pages = (uint64_t)fresh << ZONE_BLOCK_ORDER;
	nr_free = rpcbuf_min((uint64_t)nr_blocks << ZONE_BLOCK_ORDER,
			     zone->nr_pages);
	nr_free -= rpcbuf_min(fresh_pages, nr_free);
	for (number = 0; number < fresh; number++) {
		wrong = check_block(zone, lists, number);
		if (wrong)
			return wrong;
		nr_free += lists->blocks[number].nr_free;
		with_free += lists->blocks[number].nr_free != 0;
	}
	for (list = 0; list < ZONE_LISTS; list++) {
		wrong = check_list(zone, lists, list, &listed);
		if (wrong)
			return wrong;
	}
	CHECK(listed == with_free,
	      "zone: a block with free pages is on no list");
	CHECK(nr_free == os_own(&zone->nr_free),
	      "zone: the free count is wrong");
	return NULL;
}

const char *zone_is_valid(struct zone *zone)
{
	const char *wrong;

	wrong = check_lists(zone, os_guard(&zone->lists));
	os_unguard(&zone->lists);
	return wrong;
}
