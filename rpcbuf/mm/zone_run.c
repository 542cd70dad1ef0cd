/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs of a zone: adjacent pages within a block, taken and put as one.  The
 * lock is held for the eight words of a block, however many pages that is.
 * Runs of whole neighbouring blocks are looked for without it and taken block
 * by block; a thread that loses the race gives its blocks back.
 */
#include <rpcbuf/mm/zone_private.h>

/* Lengths of a power of two begin at a multiple of themselves, other ones at
 * one of these, which are what the caches keep: see pcp.h. */
#define STRETCH_ALIGN 16u
/* Blocks of a list that are searched for a stretch. */
#define SEARCHED      8u

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

unsigned int zone_next_clear(const uint64_t words[ZONE_BLOCK_WORDS],
			     unsigned int at)
{
	while (at < ZONE_BLOCK_PAGES) {
		uint64_t out = ~words[at / 64] >> at % 64;

		if (out)
			return at + (unsigned int)__builtin_ctzll(out);
		at = (at / 64 + 1) * 64;
	}
	return at;
}

unsigned int zone_next_set(const uint64_t words[ZONE_BLOCK_WORDS],
			   unsigned int at)
{
	while (at < ZONE_BLOCK_PAGES) {
		uint64_t free = words[at / 64] >> at % 64;

		if (free)
			return at + (unsigned int)__builtin_ctzll(free);
		at = (at / 64 + 1) * 64;
	}
	return at;
}

/* The first page, in the block, of the shortest stretch of free pages that has
 * room for @want, aligned; ZONE_BLOCK_PAGES when there is none. */
static unsigned int find_stretch(const struct zone_block *block,
				 unsigned int want)
{
	unsigned int at, end, best = ZONE_BLOCK_PAGES, shortest = ~0u;

	for (at = zone_next_set(block->free, 0); at < ZONE_BLOCK_PAGES;
	     at = zone_next_set(block->free, end)) {
		unsigned int start = (at + STRETCH_ALIGN - 1) &
				     ~(STRETCH_ALIGN - 1);

		end = zone_next_clear(block->free, at);
		if (start + want > end || end - start >= shortest)
			continue;
		best = start;
		shortest = end - start;
	}
	return best;
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

static unsigned int log2_of(unsigned int nr)
{
	return 31 - (unsigned int)__builtin_clz(nr);
}

struct place {
	uint32_t number;
	unsigned int at; /* in the block */
};

/* In the smallest order of @row that has a run of @order, aligned. */
static bool find_order(struct zone *zone, int8_t row, unsigned int order,
		       struct place *place)
{
	unsigned int wide = zone_row(zone, row, order);

	if (!wide)
		return false;
	place->number =
		os_guarded(&zone->lists)->heads[row + __builtin_ctz(wide)] - 1;
	place->at = find_run(zone_block(zone, place->number), order);
	return true;
}

/* In a few blocks of each list where one may be: a block that has it has an
 * aligned run of half its length at least. */
static bool find_length(struct zone *zone, int8_t row, unsigned int want,
			struct place *place)
{
	unsigned int bits = zone_row(zone, row, log2_of((want + 1) / 2));

	for (; bits; bits &= bits - 1) {
		uint32_t link = os_guarded(&zone->lists)
					->heads[row + __builtin_ctz(bits)];

		for (unsigned int i = 0; link && i < SEARCHED; i++) {
			place->number = link - 1;
			place->at =
				find_stretch(zone_block(zone, link - 1), want);
			if (place->at < ZONE_BLOCK_PAGES)
				return true;
			link = zone_block(zone, link - 1)->next;
		}
	}
	return false;
}

static bool find_place(struct zone *zone, int8_t row, unsigned int want,
		       struct place *place)
{
	unsigned int order = log2_of(want);

	if (want == 1u << order)
		return find_order(zone, row, order, place);
	return find_length(zone, row, want, place) ||
	       find_order(zone, row, order + 1, place);
}

/* Before those of single pages, memory that is not in use. */
static bool find_anywhere(struct zone *zone, unsigned int want,
			  struct place *place)
{
	do {
		if (find_place(zone, 0, want, place))
			return true;
		if (os_own(&zone->listed) >> ZONE_REPORTED & 1) {
			place->number =
				os_guarded(&zone->lists)->heads[ZONE_REPORTED] -
				1;
			place->at = 0;
			return true;
		}
	} while (zone_open_fresh(zone));
	return find_place(zone, ZONE_SINGLES, want, place);
}

/* The index of the first page of a run that is no longer free, or -1. */
static int64_t take_run_locked(struct zone *zone, unsigned int want,
			       uint64_t keep)
{
	struct place place;

	if (os_own(&zone->nr_free) < keep + want ||
	    !find_anywhere(zone, want, &place))
		return -1;
	clear_run(zone, place.number, place.at, want);
	os_store(&zone->nr_free, os_own(&zone->nr_free) - want);
	return ((int64_t)place.number << ZONE_BLOCK_ORDER) + place.at;
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
	int8_t list;

	if (number >= os_load(&zone->fresh))
		return number < os_load(&zone->nr_blocks) &&
		       ((uint64_t)number + 1) << ZONE_BLOCK_ORDER <=
			       zone->nr_pages;
	list = os_load(&os_unlocked(&zone->lists)->blocks[number].list);
	return list == (int8_t)ZONE_BLOCK_ORDER || list == ZONE_REPORTED;
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
			(void)zone_open_fresh(zone);
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

/* The blocks from @first on, or how many of them were to be had; these are back
 * then. */
static uint32_t take_blocks(struct zone *zone, uint32_t first, uint32_t nr,
			    uint64_t keep)
{
	uint32_t taken = 0, i;

	while (taken < nr && take_block(zone, first + taken, keep))
		taken++;
	for (i = 0; taken < nr && i < taken; i++)
		zone_put_run(zone, zone_block_page(zone, first + i),
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
				return zone_block_page(zone, first);
			n = taken;
		}
		first += n + 1;
	}
	return NULL;
}
