/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/mempool.h - a reserve of pages for work that must not fail.
 *
 * A pool keeps min_nr pages of an instance aside.  A request is served by, in
 * this order:
 *
 *	1. the allocator's bulk call, without waiting;
 *	2. the reserve, for all that is missing or for nothing of it;
 *	3. the two of them again, now in the queue of the threads that wait for pages of
 *	   the instance (rpcbuf/mm.h): pages that are released to the instance go
 *	   to the head of that queue, the reserve to the first waiter of this
 *	   pool in it.
 *
 * A waiter holds nothing, neither of the reserve nor of step 1, unless it is
 * the head of the instance's queue: two callers that each had half of what
 * there is would wait for each other for ever.  Releases to a pool fill its
 * reserve first, up to min_nr.
 *
 * The promise: a caller that may sleep always gets what it asked for, as long
 * as others release what they took, to the pool or to the instance.  What all
 * pools of an instance promise, the sum of their min_nr, is never more than its
 * budget.  (Less what the instance keeps back from bulk requests,
 * RPCBUF_GFP_RESERVE; a red zone, RPCBUF_HARDEN_REDZONE, counts as a page.)
 * A caller that holds pages of the pool and asks for more may wait for itself.  Releases to the instance
 * do not fill the reserve; users whose pages travel with calls, such as request
 * vectors (rpcbuf_rqst_reserve()), have rpcbuf_mempool_refill().  (After the
 * kernel's mm/mempool.c, mempool_alloc_bulk.)
 *
 * While callers wait for pages of the instance, steps 1 and 3 keep their
 * order: a caller that may sleep does not overtake them in step 1.  Nobody takes
 * from the reserve while others wait for it.
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
 * *pool; -EINVAL; -ENOMEM when the budget has not @min_nr pages beside what
 * other pools were promised, or the allocator cannot give as many now; -EPERM
 * in a child of the process that made the instance, as the functions below.
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
 * Returns 0, or -EBUSY while a request or a vector waits in it; the pool
 * is then unharmed.  No thread may be inside another call on @pool, nor call it
 * again.  Pages that were taken from the pool belong to their holders, which release
 * them to the instance.  NULL is allowed.  Never waits.
 */
int rpcbuf_mempool_destroy(struct rpcbuf_mempool *pool);

/*
 * rpcbuf_mempool_resize - set min_nr while the pool is in use.
 *
 * Shrinking gives back what the reserve has too much.  Growing takes what the
 * allocator has to spare; the rest comes with the next releases.  Requests
 * that wait are served in full, also those for more than the new @min_nr: that
 * part of the budget stays promised until nobody waits in the pool.  Returns 0,
 * or -EINVAL or -ENOMEM (see create) with nothing changed.  Never waits.
 */
int rpcbuf_mempool_resize(struct rpcbuf_mempool *pool, unsigned int min_nr);

/*
 * rpcbuf_mempool_alloc_bulk_array - fill the NULL slots of an array.
 *
 * @nr slots, at most min_nr.  Returns how many slots, counted from the front,
 * are populated: @nr always when @gfp has RPCBUF_GFP_WAIT; without it maybe
 * fewer, and the pages that did come are the caller's to keep or to release.
 * -EINVAL when @nr is more than min_nr, -EPERM in a child; nothing changed
 * then.  Waits, without a bound, only with RPCBUF_GFP_WAIT; signals do not end
 * the wait.  Slots that were not NULL are left alone and count as populated.
 */
int rpcbuf_mempool_alloc_bulk_array(struct rpcbuf_mempool *pool,
				    rpcbuf_gfp_t gfp, unsigned int nr,
				    void **pages);

/* The same for a list: appends @nr pages, or fewer, and returns how many. */
int rpcbuf_mempool_alloc_bulk_list(struct rpcbuf_mempool *pool,
				   rpcbuf_gfp_t gfp, unsigned int nr,
				   struct rpcbuf_page_list *list);

/*
 * The same for a callback: @fn gets each page with @opaque, with
 * RPCBUF_GFP_WAIT when all are there; no lock is held.  Returns how many pages
 * it accepted: @nr unless it refused one, or there were fewer without
 * RPCBUF_GFP_WAIT.  A refused page, and the rest of the request, goes back.
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
	size_t size; /* sizeof(struct rpcbuf_mempool_stats) */
	uint64_t reserve_calls; /* requests that the reserve served */
	uint64_t reserve_pages; /* pages that it gave */
	uint64_t partial;	/* requests that could not wait and came up
				 * short */
	uint64_t waits;		/* requests and vectors that queued up */
	uint64_t wait_ns;	/* for how long, CLOCK_MONOTONIC */
	uint64_t min_nr;	/* now */
	uint64_t curr_nr;	/* pages in the reserve now */
	uint64_t waiting;	/* those that are queued now */
};

#define RPCBUF_MEMPOOL_STATS_INIT { .size = sizeof(struct rpcbuf_mempool_stats) }

/* Fills *stats.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_mempool_stats(struct rpcbuf_mempool *pool,
			 struct rpcbuf_mempool_stats *stats);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_MEMPOOL_H */
