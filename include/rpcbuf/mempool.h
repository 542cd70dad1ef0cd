/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/mempool.h - a reserve of pages for work that must not fail.
 *
 * A pool keeps min_nr pages of an instance aside.  A request is served by, in
 * this order:
 *
 *	1. the allocator's bulk call, without waiting;
 *	2. the reserve, for all that is missing or for nothing of it;
 *	3. the allocator again, now in its queue of waiters (rpcbuf/mm.h);
 *	4. whichever of 2 and 3 has enough first, first come, first served.
 *
 * Whoever waits holds no page of the reserve: two callers that each had half
 * of it would wait for each other for ever.  Releases fill the reserve first.
 * So a caller that may sleep always gets what it asked for, as long as others
 * release what they took from the pool: to the pool, or to the instance, in
 * whose queue the waiter is as well.  What comes back past the pool does not
 * fill the reserve.  Users of that kind, such as request vectors, whose pages
 * travel with calls (rpcbuf_rqst_reserve()), have rpcbuf_mempool_refill().
 * (After the kernel's mm/mempool.c, mempool_alloc_bulk.)
 *
 * While callers wait for pages of the instance, steps 1 and 3 keep their
 * order: who may sleep does not pass them by in step 1.  Nor does anybody take
 * from the reserve while others are queued for it.
 *
 * Threads: every function may be called by any thread at any time, unless it
 * says otherwise; none by a signal handler.  Units: pages of RPCBUF_PAGE_SIZE.
 */
#ifndef RPCBUF_MEMPOOL_H
#define RPCBUF_MEMPOOL_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Most pages of a reserve, hence of a request. */
#define RPCBUF_MEMPOOL_MAX RPCBUF_BULK_MAX

struct rpcbuf_mempool;

/*
 * rpcbuf_mempool_create - make a pool and fill its reserve.
 *
 * @min_nr from 1 to RPCBUF_MEMPOOL_MAX.  Returns 0 and stores the pool in
 * *pool; -EINVAL, -ENOMEM when the allocator cannot give @min_nr pages now, or
 * -EPERM in a child of the process that made the instance, as functions below.
 * *pool is untouched on failure.  Never waits.
 *
 * The pages of the reserve count as pages_reserved, not as out (struct
 * rpcbuf_mm_counts).  The instance cannot be destroyed before the pool.
 */
int rpcbuf_mempool_create(struct rpcbuf_mempool **pool, struct rpcbuf *mm,
			  unsigned int min_nr);

/*
 * rpcbuf_mempool_destroy - give the reserve back and free the pool.
 *
 * Returns 0, or -EBUSY while somebody waits in it; the pool is then unharmed.
 * No thread may be inside another call on @pool, nor call it again.  Pages
 * that were taken from the pool stay their holders', who release them
 * to the instance.  NULL is allowed.  Never waits.
 */
int rpcbuf_mempool_destroy(struct rpcbuf_mempool *pool);

/*
 * rpcbuf_mempool_resize - set min_nr while the pool is in use.
 *
 * Shrinking gives back what the reserve has too much.  Growing takes what the
 * allocator has to spare; the rest comes with the next releases.  Requests
 * under way are served in full, also those for more than the new @min_nr.
 * Returns 0, or -EINVAL (see create) with nothing changed.  Never waits.
 */
int rpcbuf_mempool_resize(struct rpcbuf_mempool *pool, unsigned int min_nr);

/*
 * rpcbuf_mempool_alloc_bulk_array - fill the NULL slots of an array.
 *
 * @nr slots, at most min_nr.  Returns how many slots, counted from the front,
 * are populated: @nr always when @gfp has RPCBUF_GFP_WAIT; without it maybe
 * fewer, and the pages that did come are the caller's to keep or to release.
 * -EINVAL when @nr is more than min_nr, -EPERM in a child; nothing changed then.
 * Waits, without
 * a bound, only with RPCBUF_GFP_WAIT; signals do not end the wait.  While it
 * waits it keeps what the allocator gave in step 1.
 */
int rpcbuf_mempool_alloc_bulk_array(struct rpcbuf_mempool *pool,
				    rpcbuf_gfp_t gfp, unsigned int nr,
				    void **pages);

/* The same for a list: appends @nr pages, or fewer, and returns how many. */
int rpcbuf_mempool_alloc_bulk_list(struct rpcbuf_mempool *pool,
				   rpcbuf_gfp_t gfp, unsigned int nr,
				   struct rpcbuf_page_list *list);

/*
 * The same for a callback: @fn gets each page with @opaque; no lock is held.
 * Returns how many pages it accepted: @nr unless it refused one, or came up
 * short without RPCBUF_GFP_WAIT.  A refused page, and what was set aside for
 * the rest of the request, goes back to the pool.
 */
int rpcbuf_mempool_alloc_bulk_callback(struct rpcbuf_mempool *pool,
				       rpcbuf_gfp_t gfp, unsigned int nr,
				       rpcbuf_page_fn fn, void *opaque);

/* One page; NULL only without RPCBUF_GFP_WAIT, or in a child. */
void *rpcbuf_mempool_alloc_page(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp);

/*
 * rpcbuf_mempool_free_bulk_array - drop one reference on each page.
 *
 * As rpcbuf_free_bulk_array(), for pages of the pool's instance wherever they
 * came from, but those whose last reference this was fill the reserve before
 * the rest goes to the allocator.  Never waits.
 */
void rpcbuf_mempool_free_bulk_array(struct rpcbuf_mempool *pool,
				    unsigned int nr, void **pages);
void rpcbuf_mempool_free_bulk_list(struct rpcbuf_mempool *pool,
				   struct rpcbuf_page_list *list);
void rpcbuf_mempool_free_page(struct rpcbuf_mempool *pool, void *page);

/*
 * rpcbuf_mempool_refill - fill the reserve from the allocator.
 *
 * For users whose pages come back past the pool.  Takes nothing while others
 * wait for pages.  Returns how many pages it added; a full reserve costs one
 * load.  Never waits.
 */
unsigned int rpcbuf_mempool_refill(struct rpcbuf_mempool *pool);

/* Since the pool was made, or now. */
struct rpcbuf_mempool_stats {
	uint64_t reserve_calls; /* requests that the reserve served */
	uint64_t reserve_pages; /* pages that it gave */
	uint64_t partial;	/* requests that could not wait and came up
				 * short */
	uint64_t waits;		/* requests that queued up */
	uint64_t wait_ns;	/* for how long, CLOCK_MONOTONIC */
	uint64_t min_nr;	/* now */
	uint64_t curr_nr;	/* pages in the reserve now */
	uint64_t waiting;	/* requests that are queued now */
};
void rpcbuf_mempool_stats(struct rpcbuf_mempool *pool,
			  struct rpcbuf_mempool_stats *stats);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_MEMPOOL_H */
