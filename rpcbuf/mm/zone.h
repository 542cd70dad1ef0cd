/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A zone: which pages of an arena are free.
 *
 * A buddy allocator in bitmaps.  Pages are grouped in blocks of 512 (2 MiB),
 * a block has eight words of 64 pages.  A set bit is a free page, so freeing
 * is setting bits, and buddies merge by lying side by side.  Every block is
 * on the list of the largest order (0 to 9) that a free, aligned run in it
 * has; runs above are neighbouring free blocks.  512 pages are described by
 * two cache lines, outside of the pages: 4 million pages in random order
 * fit in a second-level cache, and free memory is never touched.
 *
 * Blocks from `fresh` on were never handed out and are on no list: a zone is
 * ready without touching its bookkeeping, and memory that was used before is
 * used again first, lately freed blocks before others.
 *
 * Concurrency: one lock, held for at most ZONE_BATCH pages, taken with no
 * other lock of rpcbuf held except the freezer's (pcp.h).
 */
#ifndef RPCBUF_MM_ZONE_H
#define RPCBUF_MM_ZONE_H

#include <rpcbuf/mm/arena.h>
#include <rpcbuf/os/lock.h>

#define ZONE_BATCH	 64u /* most pages that one call takes or puts */
#define ZONE_ORDERS	 10u
#define ZONE_WORD_ORDER	 6u
#define ZONE_BLOCK_ORDER 9u
#define ZONE_BLOCK_WORDS 8u
#define ZONE_BLOCK_PAGES (1u << ZONE_BLOCK_ORDER)

/* Of a full block or word: no run of any order. */
#define ZONE_NO_ORDER	 ((int8_t)-1)

struct zone_block {
	uint64_t free[ZONE_BLOCK_WORDS];
	int8_t word_order[ZONE_BLOCK_WORDS]; /* largest run in each word */
	int8_t order;			     /* the list it is on */
	uint16_t nr_free;
	uint32_t next, prev; /* number of a block + 1, or 0 */
} __attribute__((aligned(128)));

struct zone {
	struct os_lock lock;
	uint32_t orders; /* bit n: heads[n] is not empty */
	uint32_t heads[ZONE_ORDERS];
	uint32_t fresh; /* first block never handed out */
	uint32_t nr_blocks;
	uint64_t nr_free; /* written under the lock, read by anybody */
	uint64_t nr_pages;
	uint64_t refused; /* pages put that were free already */
	struct zone_block *blocks;
	const struct arena *arena;
};

/* Bytes of bookkeeping for @nr_pages pages: zeroed memory for zone_init(). */
size_t zone_footprint(uint64_t nr_pages);
void zone_init(struct zone *zone, const struct arena *arena, void *blocks);

/*
 * Takes up to @want (at most ZONE_BATCH) free pages.  Returns how many.
 * @adjacent: prefer large runs; otherwise use up the smallest first, so that
 * single pages do not break what could serve a vector.  Pages of a run are in
 * ascending order.
 */
unsigned int zone_take(struct zone *zone, void **pages, unsigned int want,
		       bool adjacent);

/*
 * Takes @want (1 to ZONE_BLOCK_PAGES) adjacent pages: the front of a free run of
 * the next order, the smallest that there is; false when there is none.  The
 * lock is held for the eight words of a block, whatever @want is.
 */
bool zone_take_run(struct zone *zone, void **pages, unsigned int want);

/*
 * Puts back at most ZONE_BATCH pages, all of this arena.  One that is free
 * already is left out and counted (in debug builds page.h reports it first).
 */
void zone_put(struct zone *zone, void *const *pages, unsigned int nr);

static inline uint64_t zone_nr_free(const struct zone *zone)
{
	return __atomic_load_n(&zone->nr_free, __ATOMIC_RELAXED);
}

/* Walks everything; for tests.  NULL, or a sentence on what is wrong. */
const char *zone_is_valid(struct zone *zone);

/* Largest order of a free, aligned run in a word; ZONE_NO_ORDER for 0. */
int8_t zone_word_order(uint64_t word);
int8_t zone_block_order(const struct zone_block *block);

#endif /* RPCBUF_MM_ZONE_H */
