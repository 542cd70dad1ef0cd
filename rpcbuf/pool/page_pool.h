/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A page pool: cache, ring, and a word per page of the instance.
 *
 * The word says what a page is to this pool, and its order:
 *
 *	0		not in the pool; also all pages of a run but the first
 *	POOL_IDLE	in the cache, in the ring, or on its way there
 *	1 and more	in use by so many
 *
 * A word of one user is written by that user alone, without an atomic
 * operation; with several, all go through compare-and-swap, and the release of
 * each pairs with the acquire of the last.  The page that fragments are
 * cut from has POOL_BIAS users from the start, so that the owner counts those
 * it makes for itself; what it did not use is taken off when the page is full.
 *
 * hold counts pages that entered, release those that left: inflight, their
 * difference, keeps the pool alive.  Every thread that has a page of the pool
 * to put is covered by that page, up to the store that hands it on: into the
 * ring, to another user, or out of the pool.  That store is the last access to
 * the pool; statistics come before it.  So a thread that sees inflight at zero
 * may free the pool, and a put needs no count of its own.
 *
 * Concurrency: what is marked so belongs to the owner.  `draining` is held
 * to remove pages from the ring, 64 per hold.
 */
#ifndef RPCBUF_POOL_PAGE_POOL_H
#define RPCBUF_POOL_PAGE_POOL_H

#include <rpcbuf/budget.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/os/stat.h>
#include <rpcbuf/page_pool.h>
#include <rpcbuf/pool/ring.h>

#define POOL_USERS	 ((uint32_t)(1 << 27) - 1)
#define POOL_BIAS	 ((uint32_t)1 << 26)
#define POOL_USERS_MAX	 ((uint32_t)1 << 24)
#define POOL_IDLE	 ((uint32_t)1 << 27)
#define POOL_ORDER_SHIFT 28
#define POOL_ORDER	 ((uint32_t)15 << POOL_ORDER_SHIFT)

/* Of struct rpcbuf_page_pool_stats, what the owner counts. */
struct pool_counts {
	struct os_u64 hold, alloc, refill_ring, refill_bulk;
	struct os_u64 order_fallback, alloc_failed, map_failed;
	struct os_u64 recycle_cache;
};

struct rpcbuf_page_pool {
	/* Read by everybody, written once but for `destroying`. */
	struct rpcbuf *mm;
	struct os_u32 *words; /* one per page of the instance */
	uint64_t nr_words;
	uint32_t in_use; /* the word of a page of our order with one user */
	struct os_bool destroying;
	size_t footprint; /* of the mapping that `words` is */
	struct rpcbuf_page_pool_options options;
	struct stats_pool in_stats;
	struct rpcbuf_shrinker shrinker;

	/* The owner's. */
	unsigned int nr_cached __attribute__((aligned(RING_LINE)));
	/* 0; the shrinker, on any thread, makes it more than any cache has, so
	 * that the owner's next call takes the slow path and lets go of it. */
	struct os_u32 floor;
	void *cache[RPCBUF_PAGE_POOL_CACHE];
	char *frag_page; /* NULL, or what fragments are cut from */
	size_t frag_offset, frag_bytes;
	uint32_t frag_users;
	uint64_t destroy_since, warned_at; /* ns, os_now() */

	/* Written by the owner, read by anybody. */
	struct pool_counts stats;

	/* Anybody's. */
	struct os_u64 released __attribute__((aligned(RING_LINE)));
	struct os_u64 ring_full, released_ref, refused;
	struct os_lock draining; /* removing from the ring */
	struct ring ring;
};

static inline struct os_u32 *pool_word(const struct rpcbuf_page_pool *pool,
				       const void *page)
{
	return &pool->words[arena_index(&pool->mm->arena, page)];
}

static inline unsigned int pool_word_order(uint32_t word)
{
	return word >> POOL_ORDER_SHIFT;
}

/* Owner.  Both are false while the cache is to be emptied. */
static inline bool pool_has_cached(const struct rpcbuf_page_pool *pool)
{
	return pool->nr_cached > os_load(&pool->floor);
}

static inline bool pool_has_room(const struct rpcbuf_page_pool *pool)
{
	return pool->nr_cached + os_load(&pool->floor) < RPCBUF_PAGE_POOL_CACHE;
}

/*
 * The first byte of the page that @address lies in, or NULL when that is not
 * in this pool.
 */
static inline void *pool_page_of(const struct rpcbuf_page_pool *pool,
				 const void *address)
{
	uintptr_t at = (uintptr_t)address & RPCBUF_PAGE_MASK;
	uint64_t index = arena_index(&pool->mm->arena, (void *)at);

	if (rpcbuf_unlikely(index >= pool->nr_words))
		return NULL;
	if (rpcbuf_likely(os_load(&pool->words[index]) != 0))
		return (void *)at;
	/* Inside of a run, whose first page has the word. */
	at &= ~((RPCBUF_PAGE_SIZE << pool->options.order) - 1);
	if (!pool->options.order ||
	    !pool_word_order(os_load(pool_word(pool, (void *)at))))
		return NULL;
	return (void *)at;
}

/* True when a page that nobody uses any more may be used again. */
bool pool_may_recycle(struct rpcbuf_page_pool *pool, const void *page,
		      uint32_t word);

/*
 * Unmaps a page that nobody uses and gives it back to the instance.  The last
 * access to the pool, if no other page is in flight.  The second: one that is
 * in the cache or the ring, or on its way there.
 */
void pool_release(struct rpcbuf_page_pool *pool, void *page);
void pool_release_idle(struct rpcbuf_page_pool *pool, void *page);

/* The count of a page (mm/page.h): 0 while it is idle, so that a former user
 * cannot release it to the instance. */
static inline struct os_u16 *pool_refs(const struct rpcbuf_page_pool *pool,
				       const void *page)
{
	return &pool->mm->refs[arena_index(&pool->mm->arena, page)];
}

/* Owner: empties the cache if that was asked for, and fills it when it is
 * empty.  False when there is nothing to be had. */
bool pool_refill(struct rpcbuf_page_pool *pool, rpcbuf_gfp_t gfp)
	__attribute__((noinline));

/* Owner: stops cutting fragments from the present page. */
void pool_end_frag_page(struct rpcbuf_page_pool *pool);

/* Owner: releases what is in the cache; how many. */
unsigned int pool_empty_cache(struct rpcbuf_page_pool *pool);

/* Owner or not: releases what is in the ring; how many. */
unsigned int pool_drain_ring(struct rpcbuf_page_pool *pool);

/* While nobody else uses the pool; for tests.  NULL, or what is wrong. */
const char *page_pool_is_valid(struct rpcbuf_page_pool *pool);

#endif /* RPCBUF_POOL_PAGE_POOL_H */
