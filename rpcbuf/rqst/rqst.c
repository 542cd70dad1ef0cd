/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The request page vector.  Owns the pages in rq_pages and one waiter; the
 * thread that owns the vector is the only one to touch either.
 *
 * The wait, after the kernel's svc_alloc_arg(): fill what is there; retry at
 * once while that makes progress; on none, queue up.  Only the head of the
 * queue keeps a partial fill: if two vectors each held half of the last pages
 * nobody would finish.  The first of those that share a reserve takes from that
 * all that it needs, or nothing.
 */
#include <errno.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/rqst.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/mm/budget.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/mm/mempool.h"
#include "rpcbuf/os/atomic.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/stat.h"
#include "rpcbuf/os/why.h"

/* Longest sleep before the stop flag is looked at again, nanoseconds.  A stop
 * wakes the queue, so this only bounds what a lost signal could cost. */
#define SLEEP_MAX_NS UINT64_C(1000000000)

/* Struct rpcbuf_rqst_stats: written by the owner, read by anybody. */
struct rqst_counts {
	struct os_u64 fills, pages_filled, bulk_calls, sleeps, sleep_ns;
};

struct rpcbuf_rqst {
	struct rpcbuf *mm;
	struct rpcbuf_service *service;
	struct rpcbuf_mempool *reserve; /* or NULL */
	struct rpcbuf_waiter waiter;
	struct rqst_counts stats;
	uint64_t shortage_since; /* ns, 0 while there is none */
	bool shares;		 /* waits for the reserve as well */
	unsigned int maxpages;
	/* Slots [0, refilled) and [first, maxpages) have pages, those between
	 * are NULL.  A vector that is used has refilled == 0. */
	unsigned int refilled;
	unsigned int first;
	void *pages[]; /* maxpages + 1, the last always NULL */
};

int rpcbuf_rqst_create(struct rpcbuf_rqst **out, struct rpcbuf *mm,
		       struct rpcbuf_service *service, unsigned int maxpages)
{
	struct rpcbuf_rqst *rqst;

	if (maxpages < 1 || maxpages > RPCBUF_RQST_MAXPAGES_MAX)
		return os_why(
			-EINVAL,
			"maxpages of a vector is %u, must be from 1 to %u",
			maxpages, RPCBUF_RQST_MAXPAGES_MAX);
	rqst = calloc(1, sizeof(*rqst) + (maxpages + 1) * sizeof(void *));
	if (!rqst)
		return os_why(-ENOMEM, "no memory for a vector of %u slots",
			      maxpages);
	rqst->mm = mm;
	rqst->service = service;
	rqst->waiter = (struct rpcbuf_waiter)RPCBUF_WAITER_INIT;
	rqst->maxpages = maxpages;
	rqst->first = maxpages;
	*out = rqst;
	return 0;
}

void rpcbuf_rqst_destroy(struct rpcbuf_rqst *rqst)
{
	if (!rqst)
		return;
	rpcbuf_rqst_release(rqst);
	free(rqst);
}

void **rpcbuf_rqst_pages(struct rpcbuf_rqst *rqst)
{
	return rqst->pages + rqst->first;
}

unsigned int rpcbuf_rqst_populated(const struct rpcbuf_rqst *rqst)
{
	return rqst->maxpages - rqst->first;
}

unsigned int rpcbuf_rqst_maxpages(const struct rpcbuf_rqst *rqst)
{
	return rqst->maxpages;
}

void rpcbuf_rqst_notify(struct rpcbuf_rqst *rqst, int eventfd)
{
	rqst->waiter.eventfd = eventfd;
}

void rpcbuf_rqst_take(struct rpcbuf_rqst *rqst, unsigned int nr, void **pages)
{
	memcpy(pages, rqst->pages + rqst->first, nr * sizeof(*pages));
	memset(rqst->pages + rqst->first, 0, nr * sizeof(*pages));
	rqst->first += nr;
}

/* A reserve that was shrunk below a vector is of no use to it. */
static void join(struct rpcbuf_rqst *rqst)
{
	rqst->shortage_since = os_now();
	stat_add(rqst->stats.sleeps, 1);
	rqst->shares =
		rqst->reserve &&
		mempool_join(rqst->reserve, &rqst->waiter, rqst->maxpages);
	if (!rqst->shares)
		rpcbuf_wait_join(rqst->mm, &rqst->waiter);
}

void rpcbuf_rqst_give_up(struct rpcbuf_rqst *rqst)
{
	uint64_t waited_ns;

	if (!rqst->shortage_since)
		return;
	waited_ns = os_now() - rqst->shortage_since;
	if (rqst->shares)
		mempool_leave(rqst->reserve, &rqst->waiter, waited_ns);
	else
		rpcbuf_wait_leave(&rqst->waiter);
	stat_add(rqst->stats.sleep_ns, waited_ns);
	rqst->shares = false;
	rqst->shortage_since = 0;
}

int rpcbuf_rqst_reserve(struct rpcbuf_rqst *rqst,
			struct rpcbuf_mempool *reserve)
{
	struct rpcbuf_mempool_stats stats;

	if (reserve) {
		rpcbuf_mempool_stats(reserve, &stats);
		if (stats.min_nr < rqst->maxpages)
			return -EINVAL;
	}
	rpcbuf_rqst_give_up(rqst);
	rqst->reserve = reserve;
	return 0;
}

static void give_back(struct rpcbuf_rqst *rqst)
{
	/* What came from the reserve is missing there: others may wait for it
	 * who hold the pages that this thread's next call needs. */
	if (rqst->reserve)
		mempool_put_back(rqst->reserve, rqst->maxpages, rqst->pages);
	/* Past the caches: who waits gets them, and runs are whole again. */
	rpcbuf_free_run(rqst->mm, rqst->maxpages, rqst->pages);
	rqst->refilled = 0;
	rqst->first = rqst->maxpages;
}

void rpcbuf_rqst_release(struct rpcbuf_rqst *rqst)
{
	rpcbuf_rqst_give_up(rqst);
	give_back(rqst);
}

void rpcbuf_rqst_stats(const struct rpcbuf_rqst *rqst,
		       struct rpcbuf_rqst_stats *stats)
{
	stats->fills = os_load(&rqst->stats.fills);
	stats->pages_filled = os_load(&rqst->stats.pages_filled);
	stats->bulk_calls = os_load(&rqst->stats.bulk_calls);
	stats->sleeps = os_load(&rqst->stats.sleeps);
	stats->sleep_ns = os_load(&rqst->stats.sleep_ns);
}

/* After a bulk call that filled @got slots.  True when the vector is full. */
static bool account(struct rpcbuf_rqst *rqst, unsigned int got)
{
	rqst->refilled += got;
	stat_add(rqst->stats.bulk_calls, 1);
	stat_add(rqst->stats.pages_filled, got);
	if (rqst->refilled < rqst->first)
		return false;
	rqst->refilled = 0;
	rqst->first = 0;
	return true;
}

/* Bulk calls over the empty slots, again while they bring pages.  True when
 * the vector is full. */
static bool fill_while_progress(struct rpcbuf_rqst *rqst)
{
	unsigned int got;

	do {
		got = rpcbuf_alloc_bulk_array(rqst->mm, RPCBUF_GFP_NOWAIT,
					      rqst->first - rqst->refilled,
					      rqst->pages + rqst->refilled);
		if (account(rqst, got))
			return true;
	} while (got);
	return false;
}

/* All that is missing, or none of it. */
static bool fill_from_reserve(struct rpcbuf_rqst *rqst)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int nr = rqst->first - rqst->refilled;

	if (!rqst->shares ||
	    !mempool_take(rqst->reserve, &rqst->waiter, nr, &list))
		return false;
	rpcbuf_page_list_to_array(rqst->mm, &list, nr,
				  rqst->pages + rqst->refilled);
	return account(rqst, nr);
}

int rpcbuf_rqst_try_run(struct rpcbuf_rqst *rqst, unsigned int nr)
{
	unsigned int got;

	if (fork_is_child(rqst->mm))
		return -EPERM;
	if (nr > rqst->maxpages)
		return -ENOMEM;
	if (rpcbuf_rqst_populated(rqst) >= nr)
		return 0;
	rpcbuf_free_run(rqst->mm, rpcbuf_rqst_populated(rqst),
			rqst->pages + rqst->first);
	rqst->first = rqst->maxpages;
	if (rpcbuf_wait_pending(rqst->mm))
		return -ENOMEM;
	got = rpcbuf_alloc_run(rqst->mm, rqst->maxpages, rqst->pages);
	stat_add(rqst->stats.fills, 1);
	stat_add(rqst->stats.bulk_calls, 1);
	stat_add(rqst->stats.pages_filled, got);
	rqst->first -= got;
	return got ? 0 : -ENOMEM;
}

/* -EAGAIN, if waiting makes sense. */
static int wait_or_refuse(struct rpcbuf_rqst *rqst)
{
	if (rqst->shares || budget_suffices(rqst->mm, rqst->maxpages))
		return -EAGAIN;
	rpcbuf_rqst_give_up(rqst);
	return os_why(-ENOMEM,
		      "the budget has no %u pages for a vector beside those "
		      "that are promised to reserves",
		      rqst->maxpages);
}

/* Out of the fast path: somebody waits for pages, or we must. */
static __attribute__((noinline)) int fill_queued(struct rpcbuf_rqst *rqst)
{
	bool full = false;

	if (!rqst->shortage_since)
		join(rqst);
	if (rpcbuf_wait_is_head(&rqst->waiter))
		full = fill_while_progress(rqst);
	else
		give_back(rqst);
	if (!full && !fill_from_reserve(rqst))
		return wait_or_refuse(rqst);
	rpcbuf_rqst_give_up(rqst);
	return 0;
}

int rpcbuf_rqst_try_fill(struct rpcbuf_rqst *rqst)
{
	if (fork_is_child(rqst->mm))
		return -EPERM;
	if (!rqst->first)
		return 0;
	if (!rqst->shortage_since) {
		stat_add(rqst->stats.fills, 1);
		if (!rpcbuf_wait_pending(rqst->mm) &&
		    fill_while_progress(rqst)) {
			if (rqst->reserve)
				rpcbuf_mempool_refill(rqst->reserve);
			return 0;
		}
	}
	return fill_queued(rqst);
}

int rpcbuf_rqst_make_do(struct rpcbuf_rqst *rqst, unsigned int nr)
{
	void **pages = rqst->pages;

	if (fork_is_child(rqst->mm))
		return -EPERM;
	if (rqst->refilled + rpcbuf_rqst_populated(rqst) < nr)
		return -EAGAIN;
	rqst->first -= rqst->refilled;
	memmove(pages + rqst->first, pages, rqst->refilled * sizeof(*pages));
	memset(pages, 0,
	       rpcbuf_min(rqst->refilled, rqst->first) * sizeof(*pages));
	rqst->refilled = 0;
	rpcbuf_rqst_give_up(rqst);
	return 0;
}

static bool stopping(const struct rpcbuf_rqst *rqst)
{
	return rqst->service && os_load_acquire(&rqst->service->stopping);
}

int rpcbuf_rqst_fill(struct rpcbuf_rqst *rqst)
{
	for (;;) {
		uint32_t count = rpcbuf_wait_count(&rqst->waiter);
		int err = rpcbuf_rqst_try_fill(rqst);

		if (err != -EAGAIN)
			return err;
		if (stopping(rqst)) {
			rpcbuf_rqst_give_up(rqst);
			return -EINTR;
		}
		rpcbuf_wait_sleep(&rqst->waiter, count, SLEEP_MAX_NS);
	}
}

void rpcbuf_service_stop(struct rpcbuf_service *service, struct rpcbuf *mm)
{
	/* Pairs with the acquire in stopping(): a filler that wait_wake_all()
	 * woke sees the flag. */
	os_store_release(&service->stopping, true);
	rpcbuf_wait_wake_all(mm);
}
