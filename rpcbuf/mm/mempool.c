/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The reserve of a mempool: filling it, claiming from it, its queue.  The calls
 * that take pages are in mempool_alloc.c.
 */
#include <errno.h>
#include <stdlib.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/probes.h>

static unsigned int available(const struct rpcbuf_mempool *pool)
{
	return pool->reserve.nr - pool->claimed;
}

static void update_hunger(struct rpcbuf_mempool *pool)
{
	os_store(&pool->hungry, available(pool) < pool->target);
}

/* For whoever asks how many pages are out: those of the reserve are not.  With
 * the lock held, so that it never goes below zero. */
static void count_reserved(struct rpcbuf_mempool *pool, int64_t nr)
{
	os_fetch_add(&pool->mm->reserved, (uint64_t)nr);
}

/* After min_nr or the queue changed. */
static void update_target(struct rpcbuf_mempool *pool)
{
	const struct mempool_waiter *waiter;

	pool->target = pool->min_nr;
	for (waiter = pool->first; waiter; waiter = waiter->next)
		pool->target = rpcbuf_max(pool->target, waiter->nr);
	update_hunger(pool);
}

bool mempool_claim(struct rpcbuf_mempool *pool, unsigned int nr,
		   const struct mempool_waiter *self)
{
	bool granted;

	os_lock(&pool->lock);
	granted = (!pool->first || pool->first == self) &&
		  available(pool) >= nr;
	if (granted) {
		pool->claimed += nr;
		pool->stats.reserve_calls++;
		pool->stats.reserve_pages += nr;
		update_hunger(pool);
		probe_reserve_use(pool->mm, pool, nr, available(pool));
	}
	os_unlock(&pool->lock);
	return granted;
}

void mempool_take(struct rpcbuf_mempool *pool, unsigned int nr,
		  struct rpcbuf_page_list *list)
{
	unsigned int n, i;

	stats_add(pool->mm, STAT_mempool_pages, nr);
	for (; nr; nr -= n) {
		n = rpcbuf_min(nr, ZONE_BATCH);
		os_lock(&pool->lock);
		for (i = 0; i < n; i++) {
			void *page =
				rpcbuf_page_list_pop(pool->mm, &pool->reserve);

			page_mark_out(pool->mm, &page, 0, 1);
			rpcbuf_page_list_add(pool->mm, list, page);
		}
		pool->claimed -= n;
		count_reserved(pool, -(int64_t)n);
		os_unlock(&pool->lock);
	}
}

/*
 * Adds pages to the reserve until it is full, and wakes the head of the queue
 * for them; the head of the instance's queue too, since a request vector waits
 * there and may claim from here.  The pages are free.  Returns how many it took, from the front; at
 * most ZONE_BATCH.
 */
static unsigned int offer(struct rpcbuf_mempool *pool, void *const *pages,
			  unsigned int nr)
{
	unsigned int i;

	os_lock(&pool->lock);
	for (i = 0; i < nr && available(pool) < pool->target; i++)
		rpcbuf_page_list_add(pool->mm, &pool->reserve, pages[i]);
	update_hunger(pool);
	if (i && pool->first)
		wait_wake_one(pool->mm, &pool->first->waiter);
	if (i)
		count_reserved(pool, i);
	os_unlock(&pool->lock);
	/* Who joined that queue and then claimed in vain was here before. */
	if (i && wait_pending(pool->mm))
		wait_wake(pool->mm);
	return i;
}

/* Gives back pages that are in no reserve any more. */
static void let_go(struct rpcbuf_mempool *pool, void **pages, unsigned int nr)
{
	page_mark_out(pool->mm, pages, 0, nr);
	rpcbuf_free_bulk_array(pool->mm, nr, pages);
}

/* Gives back what the reserve has beyond its target. */
static void trim(struct rpcbuf_mempool *pool)
{
	void *surplus[ZONE_BATCH];
	unsigned int nr;

	do {
		os_lock(&pool->lock);
		for (nr = 0; nr < ZONE_BATCH && available(pool) > pool->target;
		     nr++)
			surplus[nr] =
				rpcbuf_page_list_pop(pool->mm, &pool->reserve);
		count_reserved(pool, -(int64_t)nr);
		os_unlock(&pool->lock);
		let_go(pool, surplus, nr);
	} while (nr == ZONE_BATCH);
}

void mempool_join(struct rpcbuf_mempool *pool, struct mempool_waiter *self)
{
	os_lock(&pool->lock);
	self->next = NULL;
	if (pool->first)
		pool->last->next = self;
	else
		pool->first = self;
	pool->last = self;
	pool->waiting++;
	pool->stats.waits++;
	update_target(pool);
	os_unlock(&pool->lock);
}

bool mempool_is_first(struct rpcbuf_mempool *pool,
		      const struct mempool_waiter *self)
{
	bool first;

	os_lock(&pool->lock);
	first = pool->first == self;
	os_unlock(&pool->lock);
	return first;
}

/* Only the head is ever served, so only the head leaves. */
void mempool_leave(struct rpcbuf_mempool *pool, struct mempool_waiter *self,
		   uint64_t waited_ns)
{
	bool surplus;

	os_lock(&pool->lock);
	rpcbuf_assert(pool->first == self);
	pool->first = self->next;
	pool->waiting--;
	pool->stats.wait_ns += waited_ns;
	update_target(pool);
	if (pool->first)
		wait_wake_one(pool->mm, &pool->first->waiter);
	surplus = available(pool) > pool->target;
	os_unlock(&pool->lock);
	if (surplus)
		trim(pool);
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
	page_tell(pool->mm);
	if (!kept)
		return;
	taken = offer(pool, last, kept);
	if (taken < kept)
		let_go(pool, last + taken, kept - taken);
}

/* Acquire: whoever handed us the page had seen the pool hungry at the latest
 * when it took the page from the reserve. */
static bool is_hungry(const struct rpcbuf_mempool *pool)
{
	return os_load_acquire(&pool->hungry) && !fork_is_child(pool->mm);
}

void rpcbuf_mempool_free_bulk_array(struct rpcbuf_mempool *pool,
				    unsigned int nr, void **pages)
{
	unsigned int n;

	for (; nr && rpcbuf_unlikely(is_hungry(pool)); nr -= n, pages += n) {
		n = rpcbuf_min(nr, ZONE_BATCH);
		free_hungry(pool, n, pages);
	}
	if (nr)
		rpcbuf_free_bulk_array(pool->mm, nr, pages);
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

unsigned int rpcbuf_mempool_refill(struct rpcbuf_mempool *pool)
{
	void *batch[ZONE_BATCH];
	unsigned int want, got, taken, added = 0, i;

	while (is_hungry(pool) && !wait_pending(pool->mm)) {
		os_lock(&pool->lock);
		want = pool->target - rpcbuf_min(available(pool), pool->target);
		os_unlock(&pool->lock);
		want = rpcbuf_min(want, ZONE_BATCH);
		for (got = 0; got < want; got++)
			batch[got] = NULL;
		got = rpcbuf_alloc_bulk_array(pool->mm, RPCBUF_GFP_NOWAIT, want,
					      batch);
		for (i = 0; i < got; i++)
			page_drop_index(pool->mm, arena_index(&pool->mm->arena,
							      batch[i]));
		taken = offer(pool, batch, got);
		added += taken;
		if (taken < got)
			let_go(pool, batch + taken, got - taken);
		if (got < want)
			break;
	}
	return added;
}

int rpcbuf_mempool_resize(struct rpcbuf_mempool *pool, unsigned int min_nr)
{
	if (min_nr < 1 || min_nr > RPCBUF_MEMPOOL_MAX)
		return -EINVAL;
	if (fork_is_child(pool->mm))
		return -EPERM;
	os_lock(&pool->lock);
	os_store(&pool->min_nr, min_nr);
	update_target(pool);
	os_unlock(&pool->lock);
	trim(pool);
	rpcbuf_mempool_refill(pool);
	return 0;
}

int rpcbuf_mempool_create(struct rpcbuf_mempool **out, struct rpcbuf *mm,
			  unsigned int min_nr)
{
	struct rpcbuf_mempool *pool;

	if (min_nr < 1 || min_nr > RPCBUF_MEMPOOL_MAX)
		return -EINVAL;
	if (fork_is_child(mm))
		return -EPERM;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->mm = mm;
	pool->reserve = (struct rpcbuf_page_list)RPCBUF_PAGE_LIST_INIT;
	rpcbuf_mempool_resize(pool, min_nr);
	if (is_hungry(pool)) {
		rpcbuf_mempool_destroy(pool);
		return -ENOMEM;
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
	os_lock(&pool->lock);
	busy = pool->first != NULL;
	os_unlock(&pool->lock);
	if (busy)
		return -EBUSY;
	os_store(&pool->min_nr, 0);
	update_target(pool);
	trim(pool);
	free(pool);
	return 0;
}

void rpcbuf_mempool_stats(struct rpcbuf_mempool *pool,
			  struct rpcbuf_mempool_stats *stats)
{
	bool lock = !pool->mm->forked; /* nobody there to let go of it */

	if (lock)
		os_lock(&pool->lock);
	*stats = pool->stats;
	stats->min_nr = pool->min_nr;
	stats->curr_nr = available(pool);
	stats->waiting = pool->waiting;
	if (lock)
		os_unlock(&pool->lock);
	stats->partial = os_load(&pool->partial);
}

const char *mempool_is_valid(struct rpcbuf_mempool *pool)
{
	const struct mempool_waiter *waiter;
	unsigned int waiting = 0, target = pool->min_nr;
	const char *wrong = NULL;

	os_lock(&pool->lock);
	for (waiter = pool->first; waiter; waiter = waiter->next) {
		waiting++;
		target = rpcbuf_max(target, waiter->nr);
		if (!waiter->next && waiter != pool->last)
			wrong = "the queue does not end with its last";
	}
	if (pool->claimed > pool->reserve.nr)
		wrong = "more pages are claimed than there are";
	else if (available(pool) > target)
		wrong = "the reserve has more than its target";
	else if (pool->hungry != (available(pool) < target))
		wrong = "hungry is not what it should be";
	if (waiting != pool->waiting || target != pool->target)
		wrong = "the queue and its counts differ";
	os_unlock(&pool->lock);
	return wrong;
}
