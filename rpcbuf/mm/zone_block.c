/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The blocks of a zone: their words, the orders of these, and the lists that the
 * blocks are on.
 */
#include <string.h>

#include <rpcbuf/mm/zone_private.h>

/* Bits that start a naturally aligned run of 2^n bits. */
static const uint64_t starts[ZONE_WORD_ORDER + 1] = {
	0xffffffffffffffff, 0x5555555555555555, 0x1111111111111111,
	0x0101010101010101, 0x0001000100010001, 0x0000000100000001,
	0x0000000000000001,
};

size_t zone_footprint(uint64_t nr_pages)
{
	return (size_t)((nr_pages + ZONE_BLOCK_PAGES - 1) >> ZONE_BLOCK_ORDER) *
	       sizeof(struct zone_block);
}

void zone_init(struct zone *zone, const struct arena *arena, void *blocks,
	       struct os_u32 *links)
{
	uint64_t nr_blocks =
		zone_footprint(arena->nr_pages) / sizeof(struct zone_block);

	memset(zone, 0, sizeof(*zone));
	zone->arena = arena;
	os_unshared(&zone->lists)->blocks = blocks;
	zone->links = links;
	zone->nr_pages = arena->nr_pages;
	os_store(&zone->nr_free, arena->nr_pages);
	os_store(&zone->nr_blocks, (uint32_t)nr_blocks);
	zone->max_blocks = (uint32_t)nr_blocks;
}

/* In the result a bit is set where a free, aligned run of @order starts. */
uint64_t zone_runs_of(uint64_t word, unsigned int order)
{
	unsigned int n;

	for (n = 0; n < order; n++)
		word &= word >> (1u << n) & starts[n + 1];
	return word;
}

int8_t zone_word_order(uint64_t word)
{
	int8_t order = ZONE_NO_ORDER;
	unsigned int n = 0;

	while (word) {
		order = (int8_t)n;
		if (n == ZONE_WORD_ORDER)
			break;
		word &= word >> (1u << n) & starts[n + 1];
		n++;
	}
	return order;
}

int8_t zone_block_order(const struct zone_block *block)
{
	int8_t order = ZONE_NO_ORDER;
	unsigned int i, full = 0;

	for (i = 0; i < ZONE_BLOCK_WORDS; i++) {
		if (block->word_order[i] > order)
			order = block->word_order[i];
		if (block->word_order[i] == (int8_t)ZONE_WORD_ORDER)
			full |= 1u << i;
	}
	if (full == 0xff)
		return 9;
	if ((full & 0x0f) == 0x0f || (full & 0xf0) == 0xf0)
		return 8;
	if (full & full >> 1 & 0x55)
		return 7;
	return order;
}

void zone_list_add(struct zone *zone, uint32_t number, int8_t list)
{
	struct zone_lists *lists = os_guarded(&zone->lists);
	struct zone_block *block = &lists->blocks[number];

	os_store(&block->list, list);
	if (list == ZONE_NO_ORDER)
		return;
	block->prev = 0;
	block->next = lists->heads[list];
	if (block->next)
		lists->blocks[block->next - 1].prev = number + 1;
	else if (list == (int8_t)ZONE_BLOCK_ORDER)
		os_store(&zone->coldest, number + 1);
	lists->heads[list] = number + 1;
	os_store(&zone->listed, os_own(&zone->listed) | 1u << list);
	if (list == (int8_t)ZONE_BLOCK_ORDER)
		block->freed = lists->since;
}

void zone_list_del(struct zone *zone, uint32_t number)
{
	struct zone_lists *lists = os_guarded(&zone->lists);
	struct zone_block *block = &lists->blocks[number];
	int8_t list = os_own(&block->list);

	if (list == ZONE_NO_ORDER)
		return;
	if (block->next)
		lists->blocks[block->next - 1].prev = block->prev;
	else if (list == (int8_t)ZONE_BLOCK_ORDER)
		os_store(&zone->coldest, block->prev);
	if (block->prev)
		lists->blocks[block->prev - 1].next = block->next;
	else
		lists->heads[list] = block->next;
	if (!lists->heads[list])
		os_store(&zone->listed, os_own(&zone->listed) & ~(1u << list));
}

int8_t zone_block_list(const struct zone_block *block)
{
	int8_t order = zone_block_order(block);

	return os_own(&block->singles) && order != ZONE_NO_ORDER
		       ? (int8_t)(ZONE_SINGLES + order)
		       : order;
}

/* After the orders of words changed: the block may belong on another list. */
void zone_relink(struct zone *zone, uint32_t number)
{
	struct zone_block *block = zone_block(zone, number);
	int8_t list;

	if (os_own(&block->singles) &&
	    block->nr_free == zone_block_pages(zone, number))
		os_store(&block->singles, false);
	list = zone_block_list(block);
	if (list == os_own(&block->list))
		return;
	zone_list_del(zone, number);
	zone_list_add(zone, number, list);
}

void zone_update(struct zone *zone, uint32_t number, unsigned int w)
{
	struct zone_block *block = zone_block(zone, number);

	block->word_order[w] = zone_word_order(block->free[w]);
	zone_relink(zone, number);
}

/* What is missing of a short block is not free. */
bool zone_open_fresh(struct zone *zone)
{
	uint32_t number = os_own(&zone->fresh);
	struct zone_block *block = zone_block(zone, number);
	unsigned int w;

	if (number == os_own(&zone->nr_blocks))
		return false;
	os_store(&zone->fresh, number + 1);
	block->nr_free = (uint16_t)zone_block_pages(zone, number);
	for (w = 0; w < ZONE_BLOCK_WORDS; w++) {
		int bits = (int)block->nr_free - (int)w * 64;

		if (bits >= 64)
			block->free[w] = ~0ull;
		else
			block->free[w] = bits > 0 ? (1ull << bits) - 1 : 0;
		block->word_order[w] = zone_word_order(block->free[w]);
	}
	zone_list_add(zone, number, zone_block_order(block));
	return true;
}

/* The word of the block with the smallest runs of at least @least. */
unsigned int zone_best_word(const struct zone_block *block, int least)
{
	unsigned int w, best = ZONE_BLOCK_WORDS;

	for (w = 0; w < ZONE_BLOCK_WORDS; w++) {
		if (block->word_order[w] < least)
			continue;
		if (best == ZONE_BLOCK_WORDS ||
		    block->word_order[w] < block->word_order[best])
			best = w;
	}
	return best;
}

unsigned int zone_put_word(struct zone *zone, uint64_t word, uint64_t mask)
{
	uint32_t number = (uint32_t)(word / ZONE_BLOCK_WORDS);
	unsigned int w = (unsigned int)(word % ZONE_BLOCK_WORDS);
	struct zone_block *block = zone_block(zone, number);
	bool fresh = number >= os_own(&zone->fresh);
	unsigned int put;

	if (rpcbuf_unlikely(fresh || block->free[w] & mask)) {
		uint64_t bad = fresh ? mask : block->free[w] & mask;

		os_fetch_add(&zone->refused,
			     (unsigned int)__builtin_popcountll(bad));
		mask &= ~bad;
		if (!mask)
			return 0;
	}
	put = (unsigned int)__builtin_popcountll(mask);
	os_store(&block->hollow, false);
	block->free[w] |= mask;
	block->nr_free = (uint16_t)(block->nr_free + put);
	zone_update(zone, number, w);
	return put;
}

/*
 * The bits of the pages at the front of an array that lie in one word; their
 * number goes to *@nr.  Neighbours in the array tend to be neighbours in
 * memory, so stretches of them are looked for.  Stops at a page that is there
 * twice.
 */
static uint64_t same_word(const struct zone *zone, void *const *pages,
			  unsigned int *nr)
{
	uint64_t index = arena_index(zone->arena, pages[0]);
	uint64_t word = index / 64, mask = 0, stretch;
	unsigned int i = 0;

	while (index / 64 == word) {
		uintptr_t address = (uintptr_t)pages[i];
		unsigned int bit = index % 64, len = 1;
		unsigned int most = rpcbuf_min(*nr - i, 64 - bit);

		while (len < most && (uintptr_t)pages[i + len] ==
					     address + len * RPCBUF_PAGE_SIZE)
			len++;
		stretch = zone_low_bits(len) << bit;
		if (mask & stretch)
			break;
		mask |= stretch;
		i += len;
		if (i == *nr)
			break;
		index = arena_index(zone->arena, pages[i]);
	}
	*nr = i;
	return mask;
}

void zone_put_locked(struct zone *zone, void *const *pages, unsigned int nr)
{
	unsigned int i, n, put = 0;

	rpcbuf_assert(nr <= ZONE_BATCH);
	for (i = 0; i < nr; i += n) {
		uint64_t word = arena_index(zone->arena, pages[i]) / 64;

		n = nr - i;
		put += zone_put_word(zone, word,
				     same_word(zone, pages + i, &n));
	}
	os_store(&zone->nr_free, os_own(&zone->nr_free) + put);
}
