/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the files of the zone share.  Functions that change a zone want its
 * lock held, zone_lock() and zone_trylock() excepted.
 */
#ifndef RPCBUF_MM_ZONE_PRIVATE_H
#define RPCBUF_MM_ZONE_PRIVATE_H

#include <rpcbuf/mm/zone.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/ticks.h>

static inline uint64_t zone_low_bits(unsigned int n)
{
	return n >= 64 ? ~0ull : (1ull << n) - 1;
}

/* In the result a bit is set where a free, aligned run of @order starts. */
uint64_t zone_runs_of(uint64_t word, unsigned int order);

/* The word of the block with the smallest runs of at least @least. */
unsigned int zone_best_word(const struct zone_block *block, int least);

/* After the bits of a word changed. */
void zone_update(struct zone *zone, uint32_t number, unsigned int w);

/* After the orders of words changed: the block may belong on another list. */
void zone_relink(struct zone *zone, uint32_t number);

/* Puts a block on a list, which may be ZONE_NO_ORDER: none; takes it off. */
void zone_list_add(struct zone *zone, uint32_t number, int8_t list);
void zone_list_del(struct zone *zone, uint32_t number);

/* Puts the first fresh block on a list; false: there is none. */
bool zone_open_fresh(struct zone *zone);

/* Of the row of lists that begins at @first, those of order @least and more that
 * have blocks: a bit for each order. */
unsigned int zone_row(const struct zone *zone, int8_t first,
		      unsigned int least);

/* Sets bits of a word (by its number in the zone); returns how many were not
 * set before. */
unsigned int zone_put_word(struct zone *zone, uint64_t word, uint64_t mask);

/* The list whose first block serves best; ZONE_NO_ORDER when nothing is free. */
int zone_choose(struct zone *zone, unsigned int want, bool adjacent);

unsigned int zone_take_locked(struct zone *zone, void **pages,
			      unsigned int want, bool adjacent, uint64_t keep);
void zone_put_locked(struct zone *zone, void *const *pages, unsigned int nr);

/* Moves up to ZONE_BATCH deferred pages; returns how many. */
unsigned int zone_settle(struct zone *zone)
	__attribute__((cold, noinline));

static inline struct zone_block *zone_block(struct zone *zone, uint32_t number)
{
	return &os_guarded(&zone->lists)->blocks[number];
}

/* The last block may be cut short by the budget. */
static inline unsigned int zone_block_pages(const struct zone *zone,
					    uint32_t number)
{
	uint64_t first = (uint64_t)number << ZONE_BLOCK_ORDER;

	return (unsigned int)rpcbuf_min((uint64_t)ZONE_BLOCK_PAGES,
					zone->nr_pages - first);
}

static inline void zone_locked(struct zone *zone)
{
	os_guarded(&zone->lists)->since = os_ticks();
	if (rpcbuf_unlikely(zone_has_deferred(zone)))
		zone_settle(zone);
}

static inline void zone_lock(struct zone *zone)
{
	os_guard(&zone->lists);
	zone_locked(zone);
}

static inline bool zone_trylock(struct zone *zone)
{
	if (!os_guard_try(&zone->lists))
		return false;
	zone_locked(zone);
	return true;
}

static inline void zone_unlock(struct zone *zone)
{
	uint64_t held = os_ticks() - os_guarded(&zone->lists)->since;

	if (rpcbuf_unlikely(held > os_own(&zone->longest)))
		os_store(&zone->longest, held);
	os_unguard(&zone->lists);
}

#endif /* RPCBUF_MM_ZONE_PRIVATE_H */
