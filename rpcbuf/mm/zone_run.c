/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs of a zone: adjacent pages within a block, taken and put as one.  The
 * lock is held for the eight words of a block, however many pages that is.
 * Runs of whole neighbouring blocks are looked for without it and taken block
 * by block; who comes second gives back what he had.
 */
#include <rpcbuf/mm/zone_private.h>

/* The first page, in the block, of a free and aligned run of @order, which the
 * block has. */
static unsigned int find_run(const struct zone_block *block, unsigned int order)
{
	unsigned int w, step;

	if (order <= ZONE_WORD_ORDER) {
		w = zone_best_word(block, (int)order);
		return w * 64 + (unsigned int)__builtin_ctzll(
					zone_runs_of(block->free[w], order));
	}
	step = 1u << (order - ZONE_WORD_ORDER);
	for (w = 0; w < ZONE_BLOCK_WORDS; w += step) {
		unsigned int full = 0;

		while (full < step && block->free[w + full] == ~0ull)
			full++;
		if (full == step)
			break;
	}
	return w * 64;
}

static void clear_run(struct zone *zone, uint32_t number, unsigned int at,
		      unsigned int nr)
{
	struct zone_block *block = zone_block(zone, number);

	block->nr_free = (uint16_t)(block->nr_free - nr);
	while (nr) {
		unsigned int w = at / 64, n = rpcbuf_min(nr, 64 - at % 64);

		block->free[w] &= ~(zone_low_bits(n) << at % 64);
		block->word_order[w] = zone_word_order(block->free[w]);
		at += n;
		nr -= n;
	}
	zone_relink(zone, number);
}

/* Orders: the smallest that holds @nr pages. */
static unsigned int order_for(unsigned int nr)
{
	return nr == 1 ? 0 : 32 - (unsigned int)__builtin_clz(nr - 1);
}

/* The index of the first page of a run that is no longer free, or -1. */
static int64_t take_run_locked(struct zone *zone, unsigned int want,
			       uint64_t keep)
{
	struct zone_lists *lists = os_guarded(&zone->lists);
	unsigned int order = order_for(want), at;
	uint32_t number, wide;

	if (os_own(&zone->nr_free) < keep + want)
		return -1;
	while (!(wide = os_own(&zone->orders) >> order) &&
	       os_own(&zone->fresh) < os_own(&zone->nr_blocks))
		zone_open_fresh(zone);
	if (!wide)
		return -1;
	number = lists->heads[order + (unsigned int)__builtin_ctz(wide)] - 1;
	at = find_run(zone_block(zone, number), order);
	clear_run(zone, number, at, want);
	os_store(&zone->nr_free, os_own(&zone->nr_free) - want);
	return ((int64_t)number << ZONE_BLOCK_ORDER) + at;
}

static void *first_page(const struct zone *zone, int64_t first)
{
	return first < 0 ? NULL : arena_page(zone->arena, (uint64_t)first);
}

void *zone_take_run_above(struct zone *zone, unsigned int want, uint64_t keep)
{
	int64_t first;

	rpcbuf_assert(want && want <= ZONE_BLOCK_PAGES);
	zone_lock(zone);
	first = take_run_locked(zone, want, keep);
	zone_unlock(zone);
	return first_page(zone, first);
}

void *zone_try_take_run(struct zone *zone, unsigned int want, uint64_t keep)
{
	int64_t first;

	rpcbuf_assert(want && want <= ZONE_BLOCK_PAGES);
	if (!zone_trylock(zone))
		return NULL;
	first = take_run_locked(zone, want, keep);
	zone_unlock(zone);
	return first_page(zone, first);
}

void zone_put_run(struct zone *zone, void *first, unsigned int nr)
{
	uint64_t index = arena_index(zone->arena, first);
	unsigned int put = 0, n;

	rpcbuf_assert(nr <= ZONE_BLOCK_PAGES);
	zone_lock(zone);
	for (; nr; nr -= n, index += n) {
		unsigned int bit = index % 64;

		n = rpcbuf_min(nr, 64 - bit);
		put += zone_put_word(zone, index / 64,
				     zone_low_bits(n) << bit);
	}
	os_store(&zone->nr_free, os_own(&zone->nr_free) + put);
	zone_unlock(zone);
}

static bool is_whole(const struct zone *zone, uint32_t number)
{
	if (number >= os_load(&zone->fresh))
		return number < os_load(&zone->nr_blocks) &&
		       ((uint64_t)number + 1) << ZONE_BLOCK_ORDER <=
			       zone->nr_pages;
	/* Or reported. */
	return os_load(&os_unlocked(&zone->lists)->blocks[number].order) >=
	       (int8_t)ZONE_BLOCK_ORDER;
}

/* One hold of the lock for each fresh block on the way, and one to take it. */
static bool take_block(struct zone *zone, uint32_t number, uint64_t keep)
{
	bool taken = false, fresh = true;

	while (fresh) {
		zone_lock(zone);
		fresh = os_own(&zone->fresh) <= number &&
			number < os_own(&zone->nr_blocks);
		if (fresh) {
			zone_open_fresh(zone);
		} else if (os_own(&zone->fresh) > number &&
			   is_whole(zone, number) &&
			   os_own(&zone->nr_free) >= keep + ZONE_BLOCK_PAGES) {
			clear_run(zone, number, 0, ZONE_BLOCK_PAGES);
			os_store(&zone->nr_free,
				 os_own(&zone->nr_free) - ZONE_BLOCK_PAGES);
			taken = true;
		}
		zone_unlock(zone);
	}
	return taken;
}

static void *block_page(const struct zone *zone, uint32_t number)
{
	return arena_page(zone->arena, (uint64_t)number << ZONE_BLOCK_ORDER);
}

/* The blocks from @first on, or how many of them were to be had; these are back
 * then. */
static uint32_t take_blocks(struct zone *zone, uint32_t first, uint32_t nr,
			    uint64_t keep)
{
	uint32_t taken = 0, i;

	while (taken < nr && take_block(zone, first + taken, keep))
		taken++;
	for (i = 0; taken < nr && i < taken; i++)
		zone_put_run(zone, block_page(zone, first + i),
			     ZONE_BLOCK_PAGES);
	return taken;
}

void *zone_take_blocks(struct zone *zone, uint32_t nr, uint64_t keep)
{
	uint32_t first = 0, nr_blocks = os_load(&zone->nr_blocks), n, taken;

	while (nr <= nr_blocks && first <= nr_blocks - nr) {
		for (n = 0; n < nr && is_whole(zone, first + n); n++)
			;
		if (n == nr) {
			taken = take_blocks(zone, first, nr, keep);
			if (taken == nr)
				return block_page(zone, first);
			n = taken;
		}
		first += n + 1;
	}
	return NULL;
}
