/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking pages from a mempool: array, list and callback over one slow path,
 * acquire(), which brings what the allocator's bulk call left missing.
 */
#include <errno.h>
#include <string.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>

/* Longest sleep before all sources are tried again, nanoseconds.  Releases wake
 * the queue; this bounds what a source that cannot wake it would cost. */
#define SLEEP_MAX_NS UINT64_C(1000000000)

static rpcbuf_gfp_t nowait(rpcbuf_gfp_t gfp)
{
	return gfp & ~RPCBUF_GFP_WAIT;
}

/* Step 1 is not for those who should queue up behind others. */
static bool may_try(const struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp)
{
	return !(gfp & RPCBUF_GFP_WAIT) || !wait_pending(pool->mm);
}

static bool too_many(const struct rpcbuf_mempool *pool, unsigned int nr)
{
	return nr > os_load(&pool->min_nr);
}

/* Takes the @nr pages that were claimed. */
static void take(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
		 struct rpcbuf_page_list *list)
{
	struct rpcbuf_page_list taken = RPCBUF_PAGE_LIST_INIT;
	void *page;

	mempool_take(pool, nr, &taken);
	if (!(gfp & RPCBUF_GFP_ZERO)) {
		rpcbuf_page_list_splice(pool->mm, &taken, list);
		return;
	}
	while ((page = rpcbuf_page_list_pop(pool->mm, &taken))) {
		memset(page, 0, RPCBUF_PAGE_SIZE);
		rpcbuf_page_list_add(pool->mm, list, page);
	}
}

/*
 * Steps 2 and 3 for a queued request that lacks *@missing pages.  What the
 * allocator gives is kept: it gives to the head of its queue only.
 */
static bool serve(struct rpcbuf_mempool *pool, struct mempool_waiter *self,
		  rpcbuf_gfp_t gfp, unsigned int *missing,
		  struct rpcbuf_page_list *list)
{
	if (!mempool_is_first(pool, self))
		return false;
	rpcbuf_wait_join(pool->mm, &self->waiter);
	if (rpcbuf_wait_is_head(&self->waiter))
		*missing -= rpcbuf_alloc_bulk_list(pool->mm, nowait(gfp),
						   *missing, list);
	if (*missing && !mempool_claim(pool, *missing, self))
		return false;
	take(pool, gfp, *missing, list);
	return true;
}

static void wait_for(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp,
		     unsigned int nr, struct rpcbuf_page_list *list)
{
	struct mempool_waiter self = {.waiter = RPCBUF_WAITER_INIT, .nr = nr};
	uint64_t since = os_now();
	uint32_t count;

	mempool_join(pool, &self);
	/* Count before try: then no wake is lost in between. */
	while (count = rpcbuf_wait_count(&self.waiter),
	       !serve(pool, &self, gfp, &nr, list))
		rpcbuf_wait_sleep(&self.waiter, count, SLEEP_MAX_NS);
	mempool_leave(pool, &self, os_now() - since);
	rpcbuf_wait_leave(&self.waiter);
}

/* Appends @nr pages to @list: all, or without RPCBUF_GFP_WAIT maybe none. */
static void __attribute__((noinline))
acquire(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
	struct rpcbuf_page_list *list)
{
	if (mempool_claim(pool, nr, NULL))
		take(pool, gfp, nr, list);
	else if (gfp & RPCBUF_GFP_WAIT)
		wait_for(pool, gfp, nr, list);
	else
		os_fetch_add(&pool->partial, 1);
}

static int __attribute__((noinline))
array_slow(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp, unsigned int nr,
	   void **pages)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int i, missing = 0;

	for (i = 0; i < nr; i++)
		missing += pages[i] == NULL;
	if (missing)
		acquire(pool, gfp, missing, &list);
	for (i = 0; i < nr; i++) {
		if (!pages[i])
			pages[i] = rpcbuf_page_list_pop(pool->mm, &list);
		if (!pages[i])
			break;
	}
	return (int)i;
}

int rpcbuf_mempool_alloc_bulk_array(struct rpcbuf_mempool *pool,
				    rpcbuf_gfp_t gfp, unsigned int nr,
				    void **pages)
{
	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (rpcbuf_likely(may_try(pool, gfp)) &&
	    rpcbuf_likely(rpcbuf_alloc_bulk_array(pool->mm, nowait(gfp), nr,
						  pages) == nr))
		return (int)nr;
	if (fork_is_child(pool->mm))
		return -EPERM;
	return array_slow(pool, gfp, nr, pages);
}

int rpcbuf_mempool_alloc_bulk_list(struct rpcbuf_mempool *pool,
				   rpcbuf_gfp_t gfp, unsigned int nr,
				   struct rpcbuf_page_list *list)
{
	unsigned int before = list->nr, got = 0;

	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (fork_is_child(pool->mm))
		return -EPERM;
	if (may_try(pool, gfp))
		got = rpcbuf_alloc_bulk_list(pool->mm, nowait(gfp), nr, list);
	if (got < nr)
		acquire(pool, gfp, nr - got, list);
	return (int)(list->nr - before);
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

int rpcbuf_mempool_alloc_bulk_callback(struct rpcbuf_mempool *pool,
				       rpcbuf_gfp_t gfp, unsigned int nr,
				       rpcbuf_page_fn fn, void *opaque)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	struct relay relay = {.fn = fn, .opaque = opaque};
	unsigned int got = 0;
	void *page;

	if (rpcbuf_unlikely(too_many(pool, nr)))
		return -EINVAL;
	if (fork_is_child(pool->mm))
		return -EPERM;
	if (may_try(pool, gfp))
		got = rpcbuf_alloc_bulk_callback(pool->mm, nowait(gfp), nr,
						 relay_page, &relay);
	if (got == nr || relay.refused)
		return (int)got;
	acquire(pool, gfp, nr - got, &list);
	while ((page = rpcbuf_page_list_pop(pool->mm, &list))) {
		if (!relay_page(page, &relay)) {
			rpcbuf_mempool_free_page(pool, page);
			rpcbuf_mempool_free_bulk_list(pool, &list);
			break;
		}
		got++;
	}
	return (int)got;
}

void *rpcbuf_mempool_alloc_page(struct rpcbuf_mempool *pool, rpcbuf_gfp_t gfp)
{
	void *page = NULL;

	rpcbuf_mempool_alloc_bulk_array(pool, gfp, 1, &page);
	return page;
}
