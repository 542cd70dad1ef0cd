/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mempool: the reserve, and the queue of those who wait for it.
 *
 * The reserve is a page list.  Taking from it is in two steps: a request claims
 * all that it needs, or nothing, then moves the pages out, a batch per hold of
 * the lock.  Claimed pages are still on the list, but nobody else's.
 *
 * The queue is first in, first out.  Its head alone is in the instance's queue
 * as well, with the same entry, so it is woken by releases to either; the
 * others sleep on their own entries until they are the head.
 *
 * `target` is min_nr, or what the most demanding waiter needs if that is more:
 * a pool may be shrunk while large requests wait.  `hungry` tells releases
 * that the reserve is short of it.  Whoever took from the reserve finds it
 * hungry when it releases, unless others have filled it: what is there and
 * what is out is never less than min_nr together.
 *
 * Concurrency: the lock covers everything, for ZONE_BATCH pages at most.  No
 * other lock is taken under it, and no page is allocated or released.
 */
#ifndef RPCBUF_MM_MEMPOOL_H
#define RPCBUF_MM_MEMPOOL_H

#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/instance.h>

struct mempool_waiter {
	struct rpcbuf_waiter waiter;
	struct mempool_waiter *next;
	unsigned int nr; /* what it needs; constant while it is queued */
};

struct rpcbuf_mempool {
	struct rpcbuf *mm;
	uint32_t hungry; /* read without the lock */
	unsigned int min_nr;
	struct os_lock lock;
	unsigned int target;
	unsigned int claimed; /* pages on `reserve` that are promised */
	unsigned int waiting;
	struct rpcbuf_page_list reserve;
	struct mempool_waiter *first, *last;
	struct rpcbuf_mempool_stats stats; /* what is counted under the lock */
	uint64_t partial;
};

/*
 * Sets @nr pages of the reserve aside for the caller; false: it has not as
 * many, or others than @self are first in line.  Then mempool_take() moves them
 * to @list.
 */
bool mempool_claim(struct rpcbuf_mempool *pool, unsigned int nr,
		   const struct mempool_waiter *self);
void mempool_take(struct rpcbuf_mempool *pool, unsigned int nr,
		  struct rpcbuf_page_list *list);

void mempool_join(struct rpcbuf_mempool *pool, struct mempool_waiter *self);
bool mempool_is_first(struct rpcbuf_mempool *pool,
		      const struct mempool_waiter *self);
/* Lets the next be first, and gives up what only @self made the pool keep. */
void mempool_leave(struct rpcbuf_mempool *pool, struct mempool_waiter *self,
		   uint64_t waited_ns);

/* Walks everything; for tests.  NULL, or what is wrong. */
const char *mempool_is_valid(struct rpcbuf_mempool *pool);

#endif /* RPCBUF_MM_MEMPOOL_H */
