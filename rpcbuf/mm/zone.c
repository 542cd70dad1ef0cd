/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <string.h>

#include <rpcbuf/mm/zone.h>
#include <rpcbuf/os/assert.h>

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

void zone_init(struct zone *zone, const struct arena *arena, void *blocks)
{
	memset(zone, 0, sizeof(*zone));
	zone->arena = arena;
	zone->blocks = blocks;
	zone->nr_pages = arena->nr_pages;
	zone->nr_free = arena->nr_pages;
	zone->nr_blocks = (uint32_t)(zone_footprint(arena->nr_pages) /
				     sizeof(struct zone_block));
}

/* In the result a bit is set where a free, aligned run of @order starts. */
static uint64_t runs_of(uint64_t word, unsigned int order)
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

static void list_add(struct zone *zone, uint32_t number, int8_t order)
{
	struct zone_block *block = &zone->blocks[number];

	block->order = order;
	if (order == ZONE_NO_ORDER)
		return;
	block->prev = 0;
	block->next = zone->heads[order];
	if (block->next)
		zone->blocks[block->next - 1].prev = number + 1;
	zone->heads[order] = number + 1;
	zone->orders |= 1u << order;
}

static void list_del(struct zone *zone, uint32_t number)
{
	struct zone_block *block = &zone->blocks[number];

	if (block->order == ZONE_NO_ORDER)
		return;
	if (block->next)
		zone->blocks[block->next - 1].prev = block->prev;
	if (block->prev)
		zone->blocks[block->prev - 1].next = block->next;
	else
		zone->heads[block->order] = block->next;
	if (!zone->heads[block->order])
		zone->orders &= ~(1u << block->order);
}

/* After a word of the block changed: it may belong on another list. */
static void update(struct zone *zone, uint32_t number, unsigned int w)
{
	struct zone_block *block = &zone->blocks[number];
	int8_t order;

	block->word_order[w] = zone_word_order(block->free[w]);
	order = zone_block_order(block);
	if (order == block->order)
		return;
	list_del(zone, number);
	list_add(zone, number, order);
}

/* The last block may be cut short by the budget: what is missing is not free. */
static void open_fresh(struct zone *zone)
{
	uint32_t number = zone->fresh++;
	struct zone_block *block = &zone->blocks[number];
	uint64_t first = (uint64_t)number << ZONE_BLOCK_ORDER;
	unsigned int w;

	block->nr_free = (uint16_t)rpcbuf_min((uint64_t)ZONE_BLOCK_PAGES,
					      zone->nr_pages - first);
	for (w = 0; w < ZONE_BLOCK_WORDS; w++) {
		int bits = (int)block->nr_free - (int)w * 64;

		if (bits >= 64)
			block->free[w] = ~0ull;
		else
			block->free[w] = bits > 0 ? (1ull << bits) - 1 : 0;
		block->word_order[w] = zone_word_order(block->free[w]);
	}
	list_add(zone, number, zone_block_order(block));
}

/*
 * The list to take from for @want pages; ZONE_NO_ORDER when nothing is free.
 * A request for adjacent pages goes to the smallest order that serves it
 * whole, then to fresh memory before it settles for less than 16 in a row.
 */
static int choose(struct zone *zone, unsigned int want, bool adjacent)
{
	unsigned int wish, wide;

	if (adjacent) {
		wish = rpcbuf_min(31u - (unsigned int)__builtin_clz(want),
				  ZONE_WORD_ORDER);
		wide = zone->orders >> wish;
		if (wide)
			return (int)wish + __builtin_ctz(wide);
		if (zone->orders >> rpcbuf_min(wish, 4u))
			return 31 - __builtin_clz(zone->orders);
	} else if (zone->orders) {
		return __builtin_ctz(zone->orders);
	}
	if (zone->fresh < zone->nr_blocks) {
		open_fresh(zone);
		return choose(zone, want, adjacent);
	}
	return zone->orders ? 31 - __builtin_clz(zone->orders) : ZONE_NO_ORDER;
}

/* The word of the block with the smallest runs of at least @least. */
static unsigned int best_word(const struct zone_block *block, int least)
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

/* Lowest @n set bits of a word. */
static uint64_t lowest_bits(uint64_t word, unsigned int n)
{
	uint64_t rest = word;

	while (n-- && rest)
		rest &= rest - 1;
	return word ^ rest;
}

/* Takes up to @want pages out of one word, ascending. */
static unsigned int take_word(struct zone *zone, uint32_t number,
			      unsigned int w, void **pages, unsigned int want,
			      bool adjacent)
{
	struct zone_block *block = &zone->blocks[number];
	uint64_t first = (uint64_t)number << ZONE_BLOCK_ORDER | w * 64;
	uint64_t mask = block->free[w], bits;
	unsigned int order = (unsigned int)block->word_order[w];
	unsigned int taken = 0;

	if (adjacent) {
		unsigned int at =
			(unsigned int)__builtin_ctzll(runs_of(mask, order));

		mask = order == ZONE_WORD_ORDER
			       ? ~0ull
			       : ((1ull << (1u << order)) - 1) << at;
	}
	mask = lowest_bits(mask, want);
	for (bits = mask; bits; bits &= bits - 1)
		pages[taken++] =
			arena_page(zone->arena,
				   first + (unsigned int)__builtin_ctzll(bits));
	block->free[w] &= ~mask;
	block->nr_free = (uint16_t)(block->nr_free - taken);
	update(zone, number, w);
	return taken;
}

unsigned int zone_take(struct zone *zone, void **pages, unsigned int want,
		       bool adjacent)
{
	unsigned int taken = 0;

	rpcbuf_assert(want <= ZONE_BATCH);
	os_lock(&zone->lock);
	while (taken < want) {
		int order = choose(zone, want - taken, adjacent);
		uint32_t number;
		unsigned int w;

		if (order == ZONE_NO_ORDER)
			break;
		number = zone->heads[order] - 1;
		w = best_word(&zone->blocks[number],
			      adjacent ? rpcbuf_min(order, (int)ZONE_WORD_ORDER)
				       : 0);
		taken += take_word(zone, number, w, pages + taken, want - taken,
				   adjacent);
	}
	os_store(&zone->nr_free, zone->nr_free - taken);
	os_unlock(&zone->lock);
	return taken;
}

static unsigned int put_word(struct zone *zone, uint64_t word, uint64_t mask)
{
	uint32_t number = (uint32_t)(word / ZONE_BLOCK_WORDS);
	unsigned int w = (unsigned int)(word % ZONE_BLOCK_WORDS);
	struct zone_block *block = &zone->blocks[number];
	unsigned int put;

	if (rpcbuf_unlikely(number >= zone->fresh || block->free[w] & mask)) {
		uint64_t bad = number >= zone->fresh ? mask
						     : block->free[w] & mask;

		os_fetch_add(&zone->refused,
			     (unsigned int)__builtin_popcountll(bad));
		mask &= ~bad;
		if (!mask)
			return 0;
	}
	put = (unsigned int)__builtin_popcountll(mask);
	block->free[w] |= mask;
	block->nr_free = (uint16_t)(block->nr_free + put);
	update(zone, number, w);
	return put;
}

void zone_put(struct zone *zone, void *const *pages, unsigned int nr)
{
	unsigned int i = 0, put = 0;

	rpcbuf_assert(nr <= ZONE_BATCH);
	os_lock(&zone->lock);
	while (i < nr) {
		uint64_t index = arena_index(zone->arena, pages[i]);
		uint64_t word = index / 64, mask = 0;

		/* Neighbours in the array tend to be neighbours in memory. */
		do {
			mask |= 1ull << index % 64;
			if (++i == nr)
				break;
			index = arena_index(zone->arena, pages[i]);
		} while (index / 64 == word && !(mask >> index % 64 & 1));
		put += put_word(zone, word, mask);
	}
	os_store(&zone->nr_free, zone->nr_free + put);
	os_unlock(&zone->lock);
}

/* The number of a block that is wholly free, or nr_blocks. */
static uint32_t whole_block(struct zone *zone)
{
	while (!zone->heads[ZONE_BLOCK_ORDER] && zone->fresh < zone->nr_blocks)
		open_fresh(zone);
	return zone->heads[ZONE_BLOCK_ORDER]
		       ? zone->heads[ZONE_BLOCK_ORDER] - 1
		       : zone->nr_blocks;
}

bool zone_take_run(struct zone *zone, void **pages, unsigned int want)
{
	struct zone_block *block;
	unsigned int w, i;
	uint32_t number;
	uint64_t first;

	rpcbuf_assert(want && want <= ZONE_BLOCK_PAGES);
	os_lock(&zone->lock);
	number = whole_block(zone);
	if (number == zone->nr_blocks) {
		os_unlock(&zone->lock);
		return false;
	}
	block = &zone->blocks[number];
	list_del(zone, number);
	for (w = 0; w * 64 < want; w++) {
		unsigned int left = want - w * 64;

		block->free[w] = left >= 64 ? 0 : ~0ull << left;
		block->word_order[w] = zone_word_order(block->free[w]);
	}
	block->nr_free = (uint16_t)(ZONE_BLOCK_PAGES - want);
	list_add(zone, number, zone_block_order(block));
	os_store(&zone->nr_free, zone->nr_free - want);
	os_unlock(&zone->lock);
	first = (uint64_t)number << ZONE_BLOCK_ORDER;
	for (i = 0; i < want; i++)
		pages[i] = arena_page(zone->arena, first + i);
	return true;
}
