/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mempool: a reserve, and what it promises.
 *
 * The reserve is a page list.  Taking from it is in two steps: a request claims
 * all that it needs, or nothing, then moves the pages out, a batch per hold of
 * the lock.  Claimed pages stay on the list, reserved for the claimer.
 *
 * There is no queue here: waiters are in the instance's queue (wait.h), marked
 * with the pool.  The head of that queue keeps what the allocator gives and may
 * sleep on it; all others hold nothing.  Of those with the same pool the first
 * may claim from the reserve, so that a pool goes on however long the head has
 * to wait.
 *
 * Why the head is served.  When all that was taken is back, the pages of the
 * budget are with the head, free, or in reserves.  A reserve has min_nr pages
 * at most, and the sum of what pools promise is within the budget: so free
 * pages, those of the head, and its pool's reserve are as many as it
 * asked for or more.  The free ones it takes, the rest it claims.
 *
 * `promised` is min_nr, but never less than what a request that waits asked
 * for: a pool may be shrunk meanwhile.  `hungry` tells releases that the
 * reserve is short of min_nr.  A release of a page of the reserve finds it
 * hungry, unless others have filled it.
 *
 * Concurrency: one lock covers the reserve, for ZONE_BATCH pages at most.  No
 * other lock is taken under it, and no page is allocated or released.
 */
#ifndef RPCBUF_MM_MEMPOOL_H
#define RPCBUF_MM_MEMPOOL_H

#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/instance.h>

/* What the lock guards. */
struct mempool_reserve {
	struct rpcbuf_page_list pages;
	unsigned int promised;
	unsigned int claimed; /* of `pages`, those that are promised */
	unsigned int waiting;
	struct rpcbuf_mempool_stats stats;
};

struct rpcbuf_mempool {
	struct rpcbuf *mm;
	struct os_bool hungry; /* read without the lock */
	struct os_u32 min_nr;  /* the same */
	OS_GUARDED(struct mempool_reserve) reserve;
	struct os_u64 partial;
};

/*
 * Appends @nr pages of the reserve to @list.  False, and nothing is changed,
 * when it has not as many, or when others than @self, NULL or a waiter that
 * joined, are first.
 */
bool mempool_take(struct rpcbuf_mempool *pool, const struct rpcbuf_waiter *self,
		  unsigned int nr, struct rpcbuf_page_list *list);

/* Joins the queue for @nr pages; false: the pool was shrunk below that. */
bool mempool_join(struct rpcbuf_mempool *pool, struct rpcbuf_waiter *self,
		  unsigned int nr);
/* After mempool_join(): leaves the queue, and the next is woken. */
void mempool_leave(struct rpcbuf_mempool *pool, struct rpcbuf_waiter *self,
		   uint64_t waited_ns);

/* Releases pages, from the front of an array, until the reserve is full; what is
 * left in the slots is the caller's. */
void mempool_put_back(struct rpcbuf_mempool *pool, unsigned int nr,
		      void **pages);

/* Looks at everything; for tests.  NULL, or what is wrong. */
const char *mempool_is_valid(struct rpcbuf_mempool *pool);

#endif /* RPCBUF_MM_MEMPOOL_H */
