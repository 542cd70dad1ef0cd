/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The reserve of a mempool: filling it, claiming from it, waiting for it.  The
 * calls that take pages are in mempool_alloc.c.
 */
#include <errno.h>
#include <stdlib.h>

#include <rpcbuf/fault.h>
#include <rpcbuf/mm/budget.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/mm/miss.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/probes.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/why.h>

/* Tries in a row that bring no page. */
#define FILL_TRIES 256u

static unsigned int available(const struct mempool_reserve *reserve)
{
	return reserve->pages.nr - reserve->claimed;
}

static void update_hunger(struct rpcbuf_mempool *pool)
{
	const struct mempool_reserve *reserve = os_guarded(&pool->reserve);

	os_store(&pool->hungry, available(reserve) < os_own(&pool->min_nr));
}

/* Pages of a reserve do not count as out.  With the lock held, so that the sum
 * never goes below zero. */
static void count_reserved(struct rpcbuf_mempool *pool, int64_t nr)
{
	os_fetch_add(&pool->mm->reserved, (uint64_t)nr);
}

static bool claim_pages(struct rpcbuf_mempool *pool, unsigned int nr,
			const struct rpcbuf_waiter *self)
{
	struct mempool_reserve *reserve;
	bool granted;

	/* Asked without the lock: the first waiter stays first until it leaves. */
	if (self && !wait_is_first_of_pool(self))
		return false;
	reserve = os_guard(&pool->reserve);
	granted = (self || !reserve->waiting) && available(reserve) >= nr;
	if (granted) {
		reserve->claimed += nr;
		reserve->stats.reserve_calls++;
		reserve->stats.reserve_pages += nr;
		update_hunger(pool);
		probe_reserve_use(pool->mm, pool, nr, available(reserve));
	}
	os_unguard(&pool->reserve);
	return granted;
}

bool mempool_take(struct rpcbuf_mempool *pool, const struct rpcbuf_waiter *self,
		  unsigned int nr, struct rpcbuf_page_list *list)
{
	struct mempool_reserve *reserve;
	void *batch[ZONE_BATCH];
	unsigned int n, i;

	if (!claim_pages(pool, nr, self))
		return false;
	stats_add(pool->mm, STAT_mempool_pages, nr);
	for (; nr; nr -= n) {
		n = rpcbuf_min(nr, ZONE_BATCH);
		reserve = os_guard(&pool->reserve);
		for (i = 0; i < n; i++)
			batch[i] =
				rpcbuf_page_list_pop(pool->mm, &reserve->pages);
		reserve->claimed -= n;
		count_reserved(pool, -(int64_t)n);
		os_unguard(&pool->reserve);
		page_mark_out(pool->mm, batch, 0, n);
		for (i = 0; i < n; i++) {
			/* They did not come by miss_take(). */
			if (guard_on(pool->mm))
				harden_init(pool->mm, batch[i], 1);
			rpcbuf_page_list_add(pool->mm, list, batch[i]);
		}
	}
	return true;
}

/*
 * Adds pages to the reserve until it is full, and wakes the waiter that is
 * first in line for them.  The pages are free.  Returns how many it took, from
 * the front; at most ZONE_BATCH.
 */
static unsigned int offer(struct rpcbuf_mempool *pool, void *const *pages,
			  unsigned int nr)
{
	struct mempool_reserve *reserve;
	unsigned int i;
	bool waited_for;

	reserve = os_guard(&pool->reserve);
	for (i = 0; i < nr && available(reserve) < os_own(&pool->min_nr); i++)
		rpcbuf_page_list_add(pool->mm, &reserve->pages, pages[i]);
	update_hunger(pool);
	if (i)
		count_reserved(pool, i);
	waited_for = i && reserve->waiting;
	os_unguard(&pool->reserve);
	/* A waiter that is counted after this finds the pages. */
	if (waited_for)
		wait_wake_pool(pool->mm, pool);
	return i;
}

/* Gives back pages that are in no reserve any more. */
static void free_surplus(struct rpcbuf_mempool *pool, void **pages,
			 unsigned int nr)
{
	page_mark_out(pool->mm, pages, 0, nr);
	rpcbuf_free_bulk_array(pool->mm, nr, pages);
}

/* Gives back what the reserve has beyond min_nr. */
static void trim(struct rpcbuf_mempool *pool)
{
	struct mempool_reserve *reserve;
	void *surplus[ZONE_BATCH];
	unsigned int nr;

	do {
		reserve = os_guard(&pool->reserve);
		for (nr = 0; nr < ZONE_BATCH &&
			     available(reserve) > os_own(&pool->min_nr);
		     nr++)
			surplus[nr] =
				rpcbuf_page_list_pop(pool->mm, &reserve->pages);
		count_reserved(pool, -(int64_t)nr);
		os_unguard(&pool->reserve);
		free_surplus(pool, surplus, nr);
	} while (nr == ZONE_BATCH);
}

/* With the lock held: returns the promises of waiters that have left. */
static void take_back_promise(struct rpcbuf_mempool *pool)
{
	struct mempool_reserve *reserve = os_guarded(&pool->reserve);
	unsigned int min_nr = os_own(&pool->min_nr);

	if (reserve->waiting || reserve->promised == min_nr)
		return;
	budget_unpromise(pool->mm, reserve->promised - min_nr);
	reserve->promised = min_nr;
}

bool mempool_join(struct rpcbuf_mempool *pool, struct rpcbuf_waiter *self,
		  unsigned int nr)
{
	struct mempool_reserve *reserve;
	bool promised;

	reserve = os_guard(&pool->reserve);
	promised = nr <= reserve->promised;
	if (promised) {
		reserve->waiting++;
		reserve->stats.waits++;
	}
	os_unguard(&pool->reserve);
	if (promised)
		wait_join_pool(pool->mm, self, pool);
	return promised;
}

void mempool_leave(struct rpcbuf_mempool *pool, struct rpcbuf_waiter *self,
		   uint64_t waited_ns)
{
	struct mempool_reserve *reserve;
	rpcbuf_wait_leave(self);
	if (fork_is_child(pool->mm))
		return;
	reserve = os_guard(&pool->reserve);
	reserve->waiting--;
	reserve->stats.wait_ns += waited_ns;
	take_back_promise(pool);
	os_unguard(&pool->reserve);
}

/* Drops a reference on each page; the last of some pages fill the reserve. */
static void __attribute__((noinline))
free_hungry(struct rpcbuf_mempool *pool, unsigned int nr, void **pages)
{
	void *last[ZONE_BATCH];
	unsigned int i, kept = 0, taken;

	for (i = 0; i < nr; i++) {
		void *page = pages[i];

		pages[i] = NULL;
		if (page && page_drop(pool->mm, page))
			last[kept++] = page;
	}
	page_log(pool->mm);
	if (!kept)
		return;
	taken = offer(pool, last, kept);
	if (taken < kept)
		free_surplus(pool, last + taken, kept - taken);
}

/* Acquire: a page that came from the reserve was taken after `hungry` was set,
 * so its release sees that. */
static bool is_hungry(const struct rpcbuf_mempool *pool)
{
	return os_load_acquire(&pool->hungry) && !fork_is_child(pool->mm);
}

SLOTS_INLINE unsigned int put_back(struct rpcbuf_mempool *pool, unsigned int nr,
				   void **pages)
{
	unsigned int n, done;

	for (done = 0; done < nr && rpcbuf_unlikely(is_hungry(pool));
	     done += n) {
		n = rpcbuf_min(nr - done, ZONE_BATCH);
		free_hungry(pool, n, pages + done);
	}
	return done;
}

void mempool_put_back(struct rpcbuf_mempool *pool, unsigned int nr,
		      void **pages)
{
	put_back(pool, nr, pages);
}

void rpcbuf_mempool_free_bulk_array(struct rpcbuf_mempool *pool,
				    unsigned int nr, void **pages)
{
	unsigned int done = put_back(pool, nr, pages);

	if (done < nr)
		rpcbuf_free_bulk_array(pool->mm, nr - done, pages + done);
}

void rpcbuf_mempool_free_page(struct rpcbuf_mempool *pool, void *page)
{
	rpcbuf_mempool_free_bulk_array(pool, 1, &page);
}

void rpcbuf_mempool_free_bulk_list(struct rpcbuf_mempool *pool,
				   struct rpcbuf_page_list *list)
{
	void *batch[ZONE_BATCH];
	unsigned int n;

	while (list->nr && is_hungry(pool)) {
		for (n = 0; n < ZONE_BATCH && list->nr; n++)
			batch[n] = rpcbuf_page_list_pop(pool->mm, list);
		free_hungry(pool, n, batch);
	}
	rpcbuf_free_bulk_list(pool->mm, list);
}

static unsigned int refill_reserve(struct rpcbuf_mempool *pool,
				   rpcbuf_gfp_t gfp)
{
	void *batch[ZONE_BATCH];
	unsigned int want, got, taken, added = 0, i;

	while (is_hungry(pool) && !wait_pending(pool->mm)) {
		want = available(os_guard(&pool->reserve));
		want = os_own(&pool->min_nr) -
		       rpcbuf_min(want, os_own(&pool->min_nr));
		os_unguard(&pool->reserve);
		want = rpcbuf_min(want, ZONE_BATCH);
		for (got = 0; got < want; got++)
			batch[got] = NULL;
		got = rpcbuf_alloc_bulk_array(pool->mm, gfp, want, batch);
		for (i = 0; i < got; i++)
			page_drop_index(pool->mm, arena_index(&pool->mm->arena,
							      batch[i]));
		taken = offer(pool, batch, got);
		added += taken;
		if (taken < got)
			free_surplus(pool, batch + taken, got - taken);
		if (got < want)
			break;
	}
	return added;
}

unsigned int rpcbuf_mempool_refill(struct rpcbuf_mempool *pool)
{
	return refill_reserve(pool, RPCBUF_GFP_NOWAIT);
}

/*
 * Injected faults are for users of a reserve, not for its creation: what failed
 * by a fault alone is tried again, as long as that brings pages now and then.
 * What failed for lack of pages is not.
 */
static void fill_new_reserve(struct rpcbuf_mempool *pool)
{
	uint64_t faults = rpcbuf_fault_injected(pool->mm), now;
	unsigned int tries = 0;

	rpcbuf_mempool_refill(pool);
	while (is_hungry(pool) && tries++ < FILL_TRIES) {
		now = rpcbuf_fault_injected(pool->mm);
		if (now == faults)
			break;
		faults = now;
		if (refill_reserve(pool, RPCBUF_GFP_RESERVE))
			tries = 0;
	}
}

/* Sets min_nr if the budget has as much, else -ENOMEM.  What is more is promised
 * first, and without the lock; others may resize meanwhile. */
static int promise(struct rpcbuf_mempool *pool, unsigned int min_nr)
{
	struct mempool_reserve *reserve;
	unsigned int more;
	int err = 0;

	reserve = os_guard(&pool->reserve);
	while (!err && min_nr > reserve->promised) {
		more = min_nr - reserve->promised;
		os_unguard(&pool->reserve);
		err = budget_promise(pool->mm, more);
		if (err)
			os_why(err,
			       "the budget has no %u unpromised pages for a "
			       "reserve",
			       more);
		reserve = os_guard(&pool->reserve);
		reserve->promised += err ? 0 : more;
	}
	if (!err)
		os_store(&pool->min_nr, min_nr);
	take_back_promise(pool);
	update_hunger(pool);
	os_unguard(&pool->reserve);
	return err;
}

int rpcbuf_mempool_resize(struct rpcbuf_mempool *pool, unsigned int min_nr)
{
	int err;

	if (min_nr < 1 || min_nr > RPCBUF_MEMPOOL_MAX)
		return os_why(-EINVAL,
			      "min_nr of a reserve is %u, must be from 1 to %u",
			      min_nr, RPCBUF_MEMPOOL_MAX);
	if (fork_is_child(pool->mm))
		return os_why(-EPERM, "the instance belongs to "
				       "the process that made it");
	err = promise(pool, min_nr);
	if (err)
		return err;
	trim(pool);
	fill_new_reserve(pool);
	return 0;
}

int rpcbuf_mempool_create(struct rpcbuf_mempool **out, struct rpcbuf *mm,
			  unsigned int min_nr)
{
	struct rpcbuf_mempool *pool;
	int err;

	if (min_nr < 1 || min_nr > RPCBUF_MEMPOOL_MAX)
		return os_why(-EINVAL,
			      "min_nr of a reserve is %u, must be from 1 to %u",
			      min_nr, RPCBUF_MEMPOOL_MAX);
	if (fork_is_child(mm))
		return os_why(-EPERM, "the instance belongs to "
				       "the process that made it");
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return os_why(-ENOMEM, "no %zu bytes for a reserve",
			      sizeof(*pool));
	pool->mm = mm;
	os_unshared(&pool->reserve)->pages =
		(struct rpcbuf_page_list)RPCBUF_PAGE_LIST_INIT;
	err = rpcbuf_mempool_resize(pool, min_nr);
	if (!err && is_hungry(pool))
		err = os_why(-ENOMEM, "no %u pages now for a reserve", min_nr);
	if (err) {
		rpcbuf_mempool_destroy(pool);
		return err;
	}
	*out = pool;
	return 0;
}

int rpcbuf_mempool_destroy(struct rpcbuf_mempool *pool)
{
	bool busy;

	if (!pool)
		return 0;
	if (fork_is_child(pool->mm)) {
		free(pool);
		return 0;
	}
	busy = os_guard(&pool->reserve)->waiting != 0;
	os_unguard(&pool->reserve);
	if (busy)
		return -EBUSY;
	os_store(&pool->min_nr, 0);
	trim(pool);
	budget_unpromise(pool->mm, os_unshared(&pool->reserve)->promised);
	free(pool);
	return 0;
}

int rpcbuf_mempool_stats(struct rpcbuf_mempool *pool,
			 struct rpcbuf_mempool_stats *stats)
{
	struct rpcbuf_mempool_stats known = RPCBUF_MEMPOOL_STATS_INIT;
	/* In a child there is nobody to let go of the lock. */
	bool lock = !os_load(&pool->mm->forked);
	const struct mempool_reserve *reserve =
		lock ? os_guard(&pool->reserve) : os_unlocked(&pool->reserve);

	known = reserve->stats;
	known.min_nr = os_own(&pool->min_nr);
	known.curr_nr = available(reserve);
	known.waiting = reserve->waiting;
	if (lock)
		os_unguard(&pool->reserve);
	known.partial = os_load(&pool->partial);
	return sized_write(stats, &known, sizeof(known));
}

const char *mempool_is_valid(struct rpcbuf_mempool *pool)
{
	const struct mempool_reserve *reserve = os_guard(&pool->reserve);
	const char *wrong = NULL;

	if (reserve->claimed > reserve->pages.nr)
		wrong = "more pages are claimed than there are";
	else if (available(reserve) > os_own(&pool->min_nr))
		wrong = "the reserve has more than min_nr";
	else if (os_own(&pool->hungry) !=
		 (available(reserve) < os_own(&pool->min_nr)))
		wrong = "hungry and the reserve differ";
	else if (reserve->promised < os_own(&pool->min_nr) ||
		 (!reserve->waiting &&
		  reserve->promised > os_own(&pool->min_nr)))
		wrong = "promised is not what min_nr and the waiters need";
	os_unguard(&pool->reserve);
	return wrong;
}
