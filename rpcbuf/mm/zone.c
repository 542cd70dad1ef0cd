/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* Takes and puts of up to ZONE_BATCH pages. */
#include <rpcbuf/mm/zone_private.h>

/* Lowest @n set bits of a word. */
static uint64_t lowest_bits(uint64_t word, unsigned int n)
{
	uint64_t rest = word;

	while (n-- && rest)
		rest &= rest - 1;
	return word ^ rest;
}

/* The addresses of the pages of a mask, ascending, stretch by stretch. */
static unsigned int list_pages(const struct zone *zone, uint64_t first,
			       uint64_t mask, void **pages)
{
	unsigned int nr = 0, at, len, i;
	uintptr_t address;

	while (mask) {
		at = (unsigned int)__builtin_ctzll(mask);
		len = mask >> at == ~0ull
			      ? 64
			      : (unsigned int)__builtin_ctzll(~(mask >> at));
		address = (uintptr_t)arena_page(zone->arena, first + at);
		for (i = 0; i < len; i++)
			pages[nr++] = (void *)(address + i * RPCBUF_PAGE_SIZE);
		mask &= ~(zone_low_bits(len) << at);
	}
	return nr;
}

/* Takes up to @want pages out of one word. */
static unsigned int take_word(struct zone *zone, uint32_t number,
			      unsigned int w, void **pages, unsigned int want,
			      bool adjacent)
{
	struct zone_block *block = zone_block(zone, number);
	uint64_t first = (uint64_t)number << ZONE_BLOCK_ORDER | w * 64;
	unsigned int order = (unsigned int)block->word_order[w];
	uint64_t mask = block->free[w];
	unsigned int taken;

	if (adjacent)
		mask = zone_low_bits(rpcbuf_min(want, 1u << order))
		       << __builtin_ctzll(zone_runs_of(mask, order));
	else
		mask = lowest_bits(mask, want);
	taken = list_pages(zone, first, mask, pages);
	block->free[w] &= ~mask;
	block->nr_free = (uint16_t)(block->nr_free - taken);
	zone_update(zone, number, w);
	return taken;
}

/* Takes up to @want pages out of a word of the first block of a list. */
static unsigned int take_block(struct zone *zone, int list, void **pages,
			       unsigned int want, bool adjacent)
{
	uint32_t number = os_guarded(&zone->lists)->heads[list] - 1;
	struct zone_block *block = zone_block(zone, number);
	int least = 0;

	if (adjacent)
		least = rpcbuf_min((int)zone_block_order(block),
				   (int)ZONE_WORD_ORDER);
	else if (block->nr_free == zone_block_pages(zone, number))
		os_store(&block->singles, true);
	return take_word(zone, number, zone_best_word(block, least), pages,
			 want, adjacent);
}

unsigned int zone_take_locked(struct zone *zone, void **pages,
			      unsigned int want, bool adjacent, uint64_t keep)
{
	unsigned int taken = 0;
	uint64_t most, nr_free = os_own(&zone->nr_free);

	rpcbuf_assert(want <= ZONE_BATCH);
	most = nr_free > keep ? nr_free - keep : 0;
	want = (unsigned int)rpcbuf_min((uint64_t)want, most);
	while (taken < want) {
		int list = zone_choose(zone, want - taken, adjacent);

		if (list == ZONE_NO_ORDER)
			break;
		taken += take_block(zone, list, pages + taken, want - taken,
				    adjacent);
	}
	os_store(&zone->nr_free, nr_free - taken);
	return taken;
}

unsigned int zone_take_above(struct zone *zone, void **pages,
			     unsigned int want, bool adjacent, uint64_t keep)
{
	unsigned int taken;

	zone_lock(zone);
	taken = zone_take_locked(zone, pages, want, adjacent, keep);
	zone_unlock(zone);
	return taken;
}

bool zone_try_take(struct zone *zone, void **pages, unsigned int *nr,
		   uint64_t keep)
{
	if (!zone_trylock(zone))
		return false;
	*nr = zone_take_locked(zone, pages, *nr, *nr > 1, keep);
	zone_unlock(zone);
	return true;
}

void zone_put(struct zone *zone, void *const *pages, unsigned int nr)
{
	zone_lock(zone);
	zone_put_locked(zone, pages, nr);
	zone_unlock(zone);
}

bool zone_try_put(struct zone *zone, void *const *pages, unsigned int nr)
{
	if (!zone_trylock(zone))
		return false;
	zone_put_locked(zone, pages, nr);
	zone_unlock(zone);
	return true;
}
