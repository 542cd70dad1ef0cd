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
 * Single pages come from blocks of their own while there are whole blocks to
 * choose from, and runs from the others: a few single pages that are kept for
 * long lie in few blocks, and do not break what could serve vectors or go back
 * to the operating system.  A block from which the first page is taken singly
 * is of the first kind until all of it is free again; it is on the second row
 * of lists.  (The kernel groups pages by mobility: pageblocks, migratetypes.)
 *
 * Blocks from `fresh` on were never handed out and are on no list: a zone is
 * ready without touching its bookkeeping, and memory that was used before is
 * used again first, lately freed blocks before others.
 *
 * Blocks that are free as a whole and whose memory went back to the operating
 * system are on a list of their own, `reported`, that comes after all others.
 * Blocks from `nr_blocks` on are withheld: the budget does not allow them now.
 * (zone_report.c)
 *
 * Watermarks: min, low and high pages.  The zone only stores them; its caller
 * says what must stay free (mm/node.c).
 *
 * Concurrency: one lock, held for at most ZONE_BATCH pages or the words of one
 * block, taken with no other lock of rpcbuf held except the freezer's
 * (pcp.h).  A caller that must not wait puts pages on `deferred`, a list without
 * a lock, from where the next holder of the lock moves them (zone_defer.c).
 */
#ifndef RPCBUF_MM_ZONE_H
#define RPCBUF_MM_ZONE_H

#include <rpcbuf/mm/arena.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/lock.h>

#define ZONE_BATCH	 64u /* most pages that one call takes or puts */
#define ZONE_ORDERS	 10u
/* Lists: one for each order, of blocks for runs; the reported blocks; and one
 * for each order but the last, of blocks for single pages. */
#define ZONE_REPORTED	 ((int8_t)10)
#define ZONE_SINGLES	 ((int8_t)11) /* + order */
#define ZONE_LISTS	 20u
#define ZONE_WORD_ORDER	 6u
#define ZONE_BLOCK_ORDER 9u
#define ZONE_BLOCK_WORDS 8u
#define ZONE_BLOCK_PAGES (1u << ZONE_BLOCK_ORDER)

/* Of a full block or word: no run of any order. */
#define ZONE_NO_ORDER	 ((int8_t)-1)

struct zone_block {
	uint64_t free[ZONE_BLOCK_WORDS];
	int8_t word_order[ZONE_BLOCK_WORDS]; /* largest run in each word */
	struct os_i8 list;	/* that it is on, or ZONE_NO_ORDER */
	struct os_bool singles; /* single pages are taken from it */
	struct os_bool hollow;	/* its free pages have no memory: none came
				 * back since it went */
	uint16_t nr_free;
	uint32_t next, prev; /* number of a block + 1, or 0 */
	uint64_t freed;	     /* os_ticks() when the last of its pages came back */
} __attribute__((aligned(128)));

/* What is used under the lock only. */
struct zone_lists {
	uint32_t heads[ZONE_LISTS];
	struct zone_block *blocks;
	uint64_t since; /* of the present hold, os_ticks() */
};

struct zone {
	OS_GUARDED(struct zone_lists) lists;

	/* Written by the holder of the lock, read by anybody. */
	struct os_u32 listed;  /* bit n: heads[n] is not empty */
	struct os_u32 coldest; /* end of the list of order 9: longest free */
	struct os_u32 fresh;   /* first block never handed out */
	struct os_u32 nr_blocks;
	struct os_u64 nr_free;
	struct os_u64 refused; /* pages put that were free already */
	struct os_u64 longest; /* hold of the lock, os_ticks() */
	struct os_u32 backlog; /* number of a page + 1; taken off `deferred` */

	/* Constant. */
	uint32_t max_blocks; /* all: nr_blocks and those withheld */
	uint64_t nr_pages;
	const struct arena *arena;

	struct os_u32 *links; /* of the pages: the next of the deferred */
	struct os_u64 min, low, high; /* node_watermarks() */
	struct os_u32 deferred __attribute__((aligned(64)));
};

/* Bytes of bookkeeping for @nr_pages pages: zeroed memory for zone_init(). */
size_t zone_footprint(uint64_t nr_pages);
/* @links: a zeroed count for each page. */
void zone_init(struct zone *zone, const struct arena *arena, void *blocks,
	       struct os_u32 *links);

/*
 * Takes up to @want (at most ZONE_BATCH) free pages, of those beyond the first
 * @keep.  Returns how many.
 * @adjacent: prefer large runs; otherwise they are single pages (see above), from
 * the smallest runs of their blocks.  Pages of a run are in ascending order.
 */
unsigned int zone_take_above(struct zone *zone, void **pages,
			     unsigned int want, bool adjacent, uint64_t keep);

static inline unsigned int zone_take(struct zone *zone, void **pages,
				     unsigned int want, bool adjacent)
{
	return zone_take_above(zone, pages, want, adjacent, 0);
}

/*
 * Takes @want (1 to ZONE_BLOCK_PAGES) adjacent pages of a block: a power of two
 * begins at a multiple of itself, other lengths of 16 and more at one of 16.
 * Returns the first, or NULL.
 */
void *zone_take_run_above(struct zone *zone, unsigned int want, uint64_t keep);

/* Takes @nr whole blocks that are neighbours; returns the first page, or NULL. */
void *zone_take_blocks(struct zone *zone, uint32_t nr, uint64_t keep);

/* Puts back a run of pages that lies within a block. */
void zone_put_run(struct zone *zone, void *first, unsigned int nr);

/*
 * Puts back at most ZONE_BATCH pages, all of this arena.  One that is free
 * already is left out and counted (in debug builds page.h reports it first).
 */
void zone_put(struct zone *zone, void *const *pages, unsigned int nr);

/*
 * The same for callers that must not wait, signal handlers among them.  False
 * (NULL for a run): the lock was held, nothing was done.  @nr is the
 * wish and the result.
 */
bool zone_try_take(struct zone *zone, void **pages, unsigned int *nr,
		   uint64_t keep);
void *zone_try_take_run(struct zone *zone, unsigned int want, uint64_t keep);
bool zone_try_put(struct zone *zone, void *const *pages, unsigned int nr);

/* Leaves a page to the next holder of the lock.  Never waits. */
void zone_defer(struct zone *zone, void *page);

/* Puts back whatever was left so; returns how many pages. */
uint64_t zone_flush(struct zone *zone);

static inline bool zone_has_deferred(struct zone *zone)
{
	return os_load(&zone->deferred) != 0 || os_load(&zone->backlog) != 0;
}

static inline uint64_t zone_nr_free(const struct zone *zone)
{
	return os_load(&zone->nr_free);
}

/* Of the lists, those of order 4 and more. */
#define ZONE_RUN_LISTS (0x7f0u | 0x1f0u << ZONE_SINGLES)

/* A guess, without the lock: whether a run of 16 pages or more is free. */
static inline bool zone_has_runs(const struct zone *zone)
{
	return os_load(&zone->listed) & ZONE_RUN_LISTS ||
	       os_load(&zone->fresh) < os_load(&zone->nr_blocks);
}

/* Without the lock: whether a page that is out is of a block for single pages; a
 * hint. */
static inline bool zone_is_single(const struct zone *zone, uint64_t index)
{
	const struct zone_lists *lists = os_unlocked(&zone->lists);

	return os_load(&lists->blocks[index >> ZONE_BLOCK_ORDER].singles);
}

/*
 * Takes the block that has been free for longest, if that is since @before or
 * earlier (os_ticks()) and @keep pages stay.  Returns its first page, or NULL.
 */
void *zone_isolate(struct zone *zone, uint64_t before, uint64_t keep);

/* Puts it back: among those that are handed out last when it was @reported, else
 * as one that was released just now. */
void zone_put_isolated(struct zone *zone, void *first, bool reported);

/*
 * The same for the free pages of a block that has others: those of the first such
 * block from *@number on, if they may have memory and @keep pages stay.  *@number
 * is the block's afterwards, and a bit of @pages is set for each page.  Returns how
 * many; 0: there is none, or too little is free.
 */
unsigned int zone_isolate_mixed(struct zone *zone, uint32_t *number,
				uint64_t pages[ZONE_BLOCK_WORDS],
				uint64_t keep);

/* Puts these back; the system has their memory. */
void zone_put_mixed(struct zone *zone, uint32_t number,
		    const uint64_t pages[ZONE_BLOCK_WORDS]);

/* True when there is a block for zone_isolate(), of whatever age. */
static inline bool zone_has_whole(const struct zone *zone)
{
	return os_load(&zone->coldest) != 0;
}

/*
 * Withholds up to @nr pages in blocks that were never handed out, and undoes
 * that.  Both return how many pages, in whole blocks: no more than @nr.
 */
uint64_t zone_withhold(struct zone *zone, uint64_t nr);
uint64_t zone_unwithhold(struct zone *zone, uint64_t nr);

static inline void *zone_block_page(const struct zone *zone, uint32_t number)
{
	return arena_page(zone->arena, (uint64_t)number << ZONE_BLOCK_ORDER);
}

/* Among the pages of a block, from @at on: the first whose bit is set, or clear;
 * ZONE_BLOCK_PAGES when there is none. */
unsigned int zone_next_set(const uint64_t words[ZONE_BLOCK_WORDS],
			   unsigned int at);
unsigned int zone_next_clear(const uint64_t words[ZONE_BLOCK_WORDS],
			     unsigned int at);

/* Walks everything; for tests.  NULL, or a sentence on what is wrong. */
const char *zone_is_valid(struct zone *zone);

/* Largest order of a free, aligned run in a word; ZONE_NO_ORDER for 0. */
int8_t zone_word_order(uint64_t word);
int8_t zone_block_order(const struct zone_block *block);
/* The list that a block belongs on, if it is not reported. */
int8_t zone_block_list(const struct zone_block *block);

#endif /* RPCBUF_MM_ZONE_H */
