/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/page_pool.h - pages that one thread receives into, recycled.
 *
 * A pool sits between an instance and a thread that takes pages at a high
 * rate, such as the one that feeds a receive ring.  Pages that come back are
 * used again without a visit to the allocator, and stay mapped for I/O.  It has
 *
 *	a cache of 128 pages, which its owner uses without locks,
 *	a lock-free ring, into which other threads return pages, and
 *	refills of 64 pages at a time: from the ring, else by a bulk call.
 *
 * (After the kernel's net/core/page_pool.c.)
 *
 * It is for other programs: in this project only its tests and rpcbuf-bench use
 * it.  Pages of replies do not come from pools, as each of some hundred threads
 * would own one, with pages that the others lack, to save 40 to 130 of the 720
 * instructions that a small reply takes (struct rpcbuf_respages).
 *
 * Threads: a pool has an owner, one thread at a time, for the calls that are
 * marked so; the others may be called by any thread at any time, none by a
 * signal handler.  Nothing waits but rpcbuf_page_pool_destroy().
 *
 * A page is named by its address.  It has one user when it is handed out, more
 * if it is shared out in fragments; each user puts it when it is done.  When the last
 * user has put it, it is recycled, unless another holder has a reference of
 * the instance on it (rpcbuf_page_get()): then it leaves the pool, and
 * that reference keeps it.
 */
#ifndef RPCBUF_PAGE_POOL_H
#define RPCBUF_PAGE_POOL_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_PAGE_POOL_CACHE	  128u
#define RPCBUF_PAGE_POOL_REFILL	  64u
#define RPCBUF_PAGE_POOL_RING_MIN 64u
#define RPCBUF_PAGE_POOL_RING_MAX 16384u

struct rpcbuf_page_pool;

/*
 * Options of a pool.  Start from RPCBUF_PAGE_POOL_OPTIONS_INIT: `size` lets an
 * older program run with a newer library.
 *
 * No lock is held over a callback.  `map` and `log` are called by the owner;
 * `unmap` by whichever thread makes a page leave the pool, which includes the
 * instance's own when memory is short and it takes what the ring has.
 */
struct rpcbuf_page_pool_options {
	size_t size;		/* sizeof(struct rpcbuf_page_pool_options) */
	unsigned int order;	/* pages of 4096 << order bytes, 0 to 9.  When
				 * no such run is free, single pages are given
				 * instead; these are not recycled */
	unsigned int ring_size; /* pages that the ring can hold, a power of two
				 * from RING_MIN to RING_MAX */
	unsigned int refill;	/* pages taken from the allocator at a time, 1
				 * to REFILL, counted as pages of 4096 bytes */
	/* Prepares a page for I/O: called once, when it enters the pool.
	 * 0: good; else the page is given back and others are used.  NULL:
	 * pages need no preparation. */
	int (*map)(void *opaque, void *page, size_t bytes);
	/* Undoes it, when the page leaves the pool.  NULL: nothing to undo. */
	void (*unmap)(void *opaque, void *page, size_t bytes);
	/* A sentence for the operator.  NULL: none is wanted. */
	void (*log)(void *opaque, const char *sentence);
	void *opaque;		/* for the three above */
	uint64_t warn_every_ns; /* between warnings of a destroy that waits */
};

/* All fields by name, in their order: C++ wants it so. */
#define RPCBUF_PAGE_POOL_OPTIONS_INIT                                        \
	{                                                                    \
		.size = sizeof(struct rpcbuf_page_pool_options), .order = 0, \
		.ring_size = 1024, .refill = RPCBUF_PAGE_POOL_REFILL,        \
		.map = 0, .unmap = 0, .log = 0, .opaque = 0,                 \
		.warn_every_ns = (uint64_t)60 * 1000 * 1000 * 1000           \
	}

/*
 * rpcbuf_page_pool_create - make an empty pool.
 *
 * Returns 0 and stores the pool in *pool; -EINVAL when an option is out of
 * range, -ENOMEM, or -EPERM in a child of the process that made the instance.
 * *pool is untouched on failure.  The caller is the owner.
 */
int rpcbuf_page_pool_create(struct rpcbuf_page_pool **pool, struct rpcbuf *mm,
			    const struct rpcbuf_page_pool_options *options);

/*
 * rpcbuf_page_pool_destroy - free a pool, when all its pages are back.
 *
 * Owner, which calls nothing else afterwards.  Pages may still be out: their
 * users go on, and put, get or make them leave as ever, during this call and
 * after it.  Waits for them, at most @timeout_ns (0: does not wait; UINT64_MAX:
 * no bound), and says so through `log` at every warn_every_ns.  Returns 0 when
 * the pool is no more, or -ETIMEDOUT: pages are out; call it again to go on
 * waiting.  It never frees under a user.  NULL is allowed.
 */
int rpcbuf_page_pool_destroy(struct rpcbuf_page_pool *pool,
			     uint64_t timeout_ns);

/*
 * rpcbuf_page_pool_alloc - a page for one user.  Owner.
 *
 * NULL: none was free, or none could be mapped.  Contents are undefined, and
 * RPCBUF_GFP_ZERO is ignored: recycled pages are as they were.
 */
void *rpcbuf_page_pool_alloc(struct rpcbuf_page_pool *pool, rpcbuf_gfp_t gfp);

/* The same for the NULL slots of an array.  Owner.  Returns how many slots,
 * counted from the front, are populated. */
unsigned int rpcbuf_page_pool_alloc_bulk(struct rpcbuf_page_pool *pool,
					 rpcbuf_gfp_t gfp, unsigned int nr,
					 void **pages);

/*
 * rpcbuf_page_pool_alloc_frag - part of a page.  Owner.
 *
 * @bytes: at least 1, at most a page of the pool's order; rounded up to 64.
 * Returns the address of the fragment, aligned to 64, which is put like a
 * page; NULL on shortage or when @bytes is out of range.
 */
#define RPCBUF_PAGE_POOL_FRAG_ALIGN ((size_t)64)
void *rpcbuf_page_pool_alloc_frag(struct rpcbuf_page_pool *pool,
				  rpcbuf_gfp_t gfp, size_t bytes);

/* Bytes of the page that @address lies in, which the caller uses. */
size_t rpcbuf_page_pool_page_size(const struct rpcbuf_page_pool *pool,
				  const void *address);

/*
 * rpcbuf_page_pool_get - one more user for a page that the caller uses.
 *
 * @address: anywhere in the page.  0; -EINVAL when the page is not in use;
 * -EOVERFLOW above 2^24 users.
 */
int rpcbuf_page_pool_get(struct rpcbuf_page_pool *pool, void *address);

/*
 * rpcbuf_page_pool_put - a user is done with a page.
 *
 * @address: anywhere in the page.  The last to put it recycles it through the
 * ring, or releases it when the ring is full.  NULL is passed over.  What is no
 * page in use is refused and counted; debug builds abort and name it.
 */
void rpcbuf_page_pool_put(struct rpcbuf_page_pool *pool, void *address);

/* The same for an array, whose slots are NULL afterwards. */
void rpcbuf_page_pool_put_bulk(struct rpcbuf_page_pool *pool, unsigned int nr,
			       void **addresses);

/* The same straight into the cache.  Owner. */
void rpcbuf_page_pool_put_direct(struct rpcbuf_page_pool *pool, void *address);

/*
 * rpcbuf_page_pool_leave - take a page out of the pool.
 *
 * The page is unmapped, and an ordinary one of the instance from then on: the
 * caller, its only user, releases it with rpcbuf_free_pages() and the order
 * that it has.  0; -EINVAL when it is not in use, -EBUSY when it has other
 * users; nothing changed then.
 */
int rpcbuf_page_pool_leave(struct rpcbuf_page_pool *pool, void *page);

/*
 * Releases all pages in the ring and returns how many.  What the cache has
 * stays: that is its owner's, see below.
 *
 * When the instance is short of pages it does this itself, and the owner's next
 * call that takes a page or puts one directly empties the cache.  An owner that
 * may be idle for long registers a shrinker (rpcbuf/budget.h) that makes
 * it flush.
 */
unsigned int rpcbuf_page_pool_shrink(struct rpcbuf_page_pool *pool);

/* Releases all pages in ring and cache, and the page that fragments are
 * cut from, once these are put.  Owner.  Returns how many of the first two. */
unsigned int rpcbuf_page_pool_flush(struct rpcbuf_page_pool *pool);

/* Pages that entered the pool and did not leave: in use, in cache or ring. */
uint64_t rpcbuf_page_pool_inflight(const struct rpcbuf_page_pool *pool);

/* Counted since the pool was made; exact while nobody uses it. */
struct rpcbuf_page_pool_stats {
	size_t size; /* sizeof(struct rpcbuf_page_pool_stats) */
	uint64_t hold;		 /* pages that entered the pool */
	uint64_t release;	 /* pages that left it */
	uint64_t alloc;		 /* pages handed out */
	uint64_t refill_ring;	 /* refills from the ring */
	uint64_t refill_bulk;	 /* refills from the allocator */
	uint64_t order_fallback; /* single pages in place of the pool's order */
	uint64_t alloc_failed;	 /* calls that found no page */
	uint64_t map_failed;	 /* pages that could not be mapped */
	uint64_t recycle_cache;	 /* pages put into the cache */
	uint64_t recycle_ring;	 /* pages put into the ring */
	uint64_t ring_full;	 /* pages released for want of room */
	uint64_t released_ref;	 /* pages released because others hold them */
	uint64_t refused;	 /* puts of what was not in use */
};

#define RPCBUF_PAGE_POOL_STATS_INIT { .size = sizeof(struct rpcbuf_page_pool_stats) }

/* Fills *stats.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_page_pool_stats(const struct rpcbuf_page_pool *pool,
			   struct rpcbuf_page_pool_stats *stats);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_PAGE_POOL_H */
