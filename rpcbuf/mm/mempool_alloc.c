/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking pages from a mempool: array, list and callback over one slow path,
 * acquire(), which brings what the allocator's bulk call left missing.
 *
 * A request that may sleep keeps the pages of step 1 apart from those that the
 * caller had, and gives them back before it sleeps.
 */
#include <errno.h>
#include <string.h>

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

/* Longest sleep before all sources are tried again, nanoseconds.  Releases wake
 * the queue; this bounds what a source that cannot wake it would cost. */
#define SLEEP_MAX_NS OS_SECOND_NS

static rpcbuf_gfp_t nowait(rpcbuf_gfp_t gfp)
{
	return gfp & ~RPCBUF_GFP_WAIT;
}

static bool may_sleep(rpcbuf_gfp_t gfp)
{
	return gfp & RPCBUF_GFP_WAIT;
}

/* A request that may sleep skips step 1 while others wait. */
static bool may_try(const struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp)
{
	return !may_sleep(gfp) || !wait_pending(pool->mm);
}

static bool too_many(const struct rpcbuf_mempool *pool, unsigned int nr)
{
	return nr > os_load(&pool->min_nr);
}

/* Step 2: brings @list to @nr pages, or leaves it alone. */
static bool take_rest(struct rpcbuf_mempool *pool,
		      const struct rpcbuf_waiter *self, rpcbuf_gfp_t gfp,
		      unsigned int nr, struct rpcbuf_page_list *list)
{
	struct rpcbuf_page_list taken = RPCBUF_PAGE_LIST_INIT;
	void *page;

	if (!mempool_take(pool, self, nr - list->nr, &taken))
		return false;
	if (!(gfp & RPCBUF_GFP_ZERO)) {
		rpcbuf_page_list_splice(pool->mm, &taken, list);
		return true;
	}
	while ((page = rpcbuf_page_list_pop(pool->mm, &taken))) {
		memset(page, 0, RPCBUF_PAGE_SIZE);
		rpcbuf_page_list_add(pool->mm, list, page);
	}
	return true;
}

/* Steps 2 and 3 for a queued request.  Only the head of the queue keeps what the
 * allocator gives; the others do without what they have. */
static bool try_queued(struct rpcbuf_mempool *pool,
		       const struct rpcbuf_waiter *self, rpcbuf_gfp_t gfp,
		       unsigned int nr, struct rpcbuf_page_list *list)
{
	if (rpcbuf_wait_is_head(self))
		rpcbuf_alloc_bulk_list(pool->mm, nowait(gfp), nr - list->nr,
				       list);
	else
		rpcbuf_free_bulk_list(pool->mm, list);
	return list->nr == nr || take_rest(pool, self, gfp, nr, list);
}

static bool wait_in_pool(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp,
			 unsigned int nr, struct rpcbuf_page_list *list)
{
	struct rpcbuf_waiter self = RPCBUF_WAITER_INIT;
	uint64_t since = os_now();
	uint32_t count;

	if (!mempool_join(pool, &self, nr)) {
		rpcbuf_free_bulk_list(pool->mm, list);
		return false;
	}
	/* Count before try: then no wake is lost in between. */
	while (count = rpcbuf_wait_count(&self),
	       !try_queued(pool, &self, gfp, nr, list))
		rpcbuf_wait_sleep(&self, count, SLEEP_MAX_NS);
	mempool_leave(pool, &self, os_now() - since);
	return true;
}

/*
 * Brings @list, which has what step 1 gave, to @nr pages.  0; without
 * RPCBUF_GFP_WAIT @list may stay as it is; with it -EINVAL and an empty list
 * when the pool was shrunk below @nr since the request was made.
 */
static int __attribute__((noinline))
acquire(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
	struct rpcbuf_page_list *list)
{
	if (take_rest(pool, NULL, gfp, nr, list))
		return 0;
	if (may_sleep(gfp))
		return wait_in_pool(pool, gfp, nr, list) ? 0 : -EINVAL;
	os_fetch_add(&pool->partial, 1);
	probe_reserve_empty(pool->mm, pool, nr - list->nr);
	return 0;
}

/* For a request that cannot sleep: the pages of step 1 stay in the array. */
static int __attribute__((noinline))
array_rest(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
	   void **pages)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;

	acquire(pool, gfp, bulk_holes(pages, nr), &list);
	return (int)rpcbuf_page_list_to_array(pool->mm, &list, nr, pages);
}

/* For a request that may sleep: @mine pages at the front are of step 1. */
static int __attribute__((noinline))
array_wait(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
	   void **pages, unsigned int mine)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int i, missing;
	int err = 0;

	for (i = 0; i < mine; i++) {
		rpcbuf_page_list_add(pool->mm, &list, pages[i]);
		pages[i] = NULL;
	}
	missing = bulk_holes(pages, nr);
	if (list.nr < missing && may_try(pool, gfp))
		rpcbuf_alloc_bulk_list(pool->mm, nowait(gfp), missing - list.nr,
				       &list);
	if (list.nr < missing)
		err = acquire(pool, gfp, missing, &list);
	if (err)
		return err;
	return (int)rpcbuf_page_list_to_array(pool->mm, &list, nr, pages);
}

int rpcbuf_mempool_alloc_bulk_array(struct rpcbuf_mempool *pool,
				    rpcbuf_gfp_t gfp, unsigned int nr,
				    void **pages)
{
	unsigned int got = 0;

	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (!may_sleep(gfp))
		got = rpcbuf_alloc_bulk_array(pool->mm, gfp, nr, pages);
	else if (rpcbuf_likely(!wait_pending(pool->mm)))
		got = bulk_fill_empty(pool->mm, nowait(gfp), nr, pages);
	if (rpcbuf_likely(got == nr))
		return (int)nr;
	if (fork_is_child(pool->mm))
		return -EPERM;
	return may_sleep(gfp) ? array_wait(pool, gfp, nr, pages, got)
			      : array_rest(pool, gfp, nr, pages);
}

int rpcbuf_mempool_alloc_bulk_list(struct rpcbuf_mempool *pool,
				   rpcbuf_gfp_t gfp, unsigned int nr,
				   struct rpcbuf_page_list *list)
{
	struct rpcbuf_page_list added = RPCBUF_PAGE_LIST_INIT;
	int got = (int)nr, err = 0;

	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (fork_is_child(pool->mm))
		return -EPERM;
	if (may_try(pool, gfp))
		rpcbuf_alloc_bulk_list(pool->mm, nowait(gfp), nr, &added);
	if (added.nr < nr) {
		err = acquire(pool, gfp, nr, &added);
		got = (int)added.nr;
	}
	rpcbuf_page_list_splice(pool->mm, &added, list);
	return err ? err : got;
}

/* Of a list to a callback; what it does not want goes back. */
static int hand_over(struct rpcbuf_mempool *pool, struct rpcbuf_page_list *list,
		     rpcbuf_page_fn fn, void *opaque)
{
	void *page;
	int got;

	for (got = 0; (page = rpcbuf_page_list_pop(pool->mm, list)); got++) {
		if (fn(page, opaque))
			continue;
		rpcbuf_mempool_free_page(pool, page);
		rpcbuf_mempool_free_bulk_list(pool, list);
		break;
	}
	return got;
}

/* Notes that the callback refused: no more pages are wanted then. */
struct relay {
	rpcbuf_page_fn fn;
	void *opaque;
	bool refused;
};

static bool relay_page(void *page, void *opaque)
{
	struct relay *relay = opaque;

	relay->refused = !relay->fn(page, relay->opaque);
	return !relay->refused;
}

/* Pages that the callback had cannot be taken back: where the request may sleep,
 * it is called once all pages are there. */
int rpcbuf_mempool_alloc_bulk_callback(struct rpcbuf_mempool *pool,
				       rpcbuf_gfp_t gfp, unsigned int nr,
				       rpcbuf_page_fn fn, void *opaque)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	struct relay relay = {.fn = fn, .opaque = opaque};
	int got = 0, err = 0;

	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (fork_is_child(pool->mm))
		return -EPERM;
	if (may_sleep(gfp)) {
		err = rpcbuf_mempool_alloc_bulk_list(pool, gfp, nr, &list);
	} else {
		got = (int)rpcbuf_alloc_bulk_callback(pool->mm, gfp, nr,
						      relay_page, &relay);
		if (got < (int)nr && !relay.refused)
			acquire(pool, gfp, nr - (unsigned int)got, &list);
	}
	return err < 0 ? err : got + hand_over(pool, &list, fn, opaque);
}

void *rpcbuf_mempool_alloc_page(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp)
{
	void *page = NULL;

	rpcbuf_mempool_alloc_bulk_array(pool, gfp, 1, &page);
	return page;
}
