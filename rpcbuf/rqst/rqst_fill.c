/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Filling a vector.
 *
 * The wait, after the kernel's svc_alloc_arg(): fill what is there; retry at
 * once while that makes progress; on none, queue up.  Only the head of the
 * queue keeps a partial fill: if two vectors each had half of the last pages
 * neither would finish.  The first of the vectors that share a reserve takes all
 * that it needs from it, or nothing.
 */
#include <errno.h>
#include <rpcbuf/mempool.h>
#include <string.h>

#include "rpcbuf/mm/budget.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/mm/mempool.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/why.h"
#include "rpcbuf/rqst/rqst_private.h"

/* Longest sleep before the stop flag is checked again, nanoseconds.  A stop
 * wakes the queue, so this only bounds what a lost signal could cost. */
#define SLEEP_MAX_NS OS_SECOND_NS
/* Pages of a run that is taken: two such runs to a block of 2 MiB. */
#define RUN_KEPT     256u

/* Joins the queue; with the reserve, unless that was shrunk below the vector. */
static void queue_for_pages(struct rpcbuf_rqst *rqst)
{
	rqst->shortage_since = os_now();
	stat_add(rqst->stats.sleeps, 1);
	rqst->shares =
		rqst->reserve &&
		mempool_join(rqst->reserve, &rqst->waiter, rqst->maxpages);
	if (!rqst->shares)
		rpcbuf_wait_join(rqst->mm, &rqst->waiter);
}

int rpcbuf_rqst_reserve(struct rpcbuf_rqst *rqst,
			struct rpcbuf_mempool *reserve)
{
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;

	if (reserve) {
		rpcbuf_mempool_stats(reserve, &stats);
		if (stats.min_nr < rqst->maxpages)
			return -EINVAL;
	}
	rpcbuf_rqst_give_up(rqst);
	rqst->reserve = reserve;
	return 0;
}

/* After a bulk call that filled @got slots.  True when the vector is full. */
static bool count_filled(struct rpcbuf_rqst *rqst, unsigned int got)
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
		if (count_filled(rqst, got))
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
	return count_filled(rqst, nr);
}

void *rqst_alloc_page(struct rpcbuf_rqst *rqst)
{
	void *page = rpcbuf_alloc_page(rqst->mm, RPCBUF_GFP_NOWAIT);

	stat_add(rqst->stats.bulk_calls, 1);
	stat_add(rqst->stats.pages_filled, page != NULL);
	return page;
}

static unsigned int alloc_run(struct rpcbuf_rqst *rqst, unsigned int nr)
{
	unsigned int got = rpcbuf_alloc_run(rqst->mm, nr, rqst->run.pages);

	stat_add(rqst->stats.bulk_calls, 1);
	stat_add(rqst->stats.pages_filled, got);
	return got;
}

/* Gets the run that is wanted in front; false: as many adjacent pages are not
 * to be had. */
static bool get_run(struct rpcbuf_rqst *rqst)
{
	struct rqst_run *run = &rqst->run;
	unsigned int kept = rpcbuf_min(rqst->maxpages, RUN_KEPT), got = 0;

	if (rqst_run_left(rqst) >= run->wanted)
		return run->in_front = true;
	if (run->wanted > rqst->maxpages)
		return false;
	rpcbuf_rqst_end_run(rqst);
	if (rqst->shortage_since || rpcbuf_wait_pending(rqst->mm))
		return false;
	/* The rest is for the next calls. */
	if (run->wanted < kept)
		got = alloc_run(rqst, kept);
	if (!got)
		got = alloc_run(rqst, run->wanted);
	if (!got) {
		stat_add(rqst->stats.no_runs, 1);
		return false;
	}
	stat_add(rqst->stats.fills, 1);
	stat_add(rqst->stats.runs, 1);
	run->end = got;
	return run->in_front = true;
}

/* -EAGAIN when waiting can succeed, else -ENOMEM. */
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

/* Out of the fast path: there are waiters for pages, or this vector must wait. */
static __attribute__((noinline)) int fill_queued(struct rpcbuf_rqst *rqst)
{
	bool full = false;

	rqst->woken = rpcbuf_wait_count(&rqst->waiter);
	rpcbuf_rqst_end_run(rqst);
	if (!rqst->shortage_since)
		queue_for_pages(rqst);
	if (rpcbuf_wait_is_head(&rqst->waiter))
		full = fill_while_progress(rqst);
	else
		rqst_give_back(rqst);
	if (!full && !fill_from_reserve(rqst))
		return wait_or_refuse(rqst);
	rpcbuf_rqst_give_up(rqst);
	return 0;
}

/* In a shortage the rest of a run is freed. */
static bool fill_now(struct rpcbuf_rqst *rqst)
{
	if (rpcbuf_wait_pending(rqst->mm))
		return false;
	if (fill_while_progress(rqst))
		return true;
	if (!rqst_run_left(rqst))
		return false;
	rpcbuf_rqst_end_run(rqst);
	return fill_while_progress(rqst);
}

int rpcbuf_rqst_try_fill(struct rpcbuf_rqst *rqst)
{
	if (fork_is_child(rqst->mm))
		return -EPERM;
	rqst->run.in_front = false;
	if (rqst->run.wanted && get_run(rqst))
		return 0;
	if (!rqst->first)
		return 0;
	if (!rqst->shortage_since) {
		stat_add(rqst->stats.fills, 1);
		if (fill_now(rqst)) {
			if (rqst->reserve)
				rpcbuf_mempool_refill(rqst->reserve);
			return 0;
		}
	}
	return fill_queued(rqst);
}

bool rpcbuf_rqst_is_asleep(const struct rpcbuf_rqst *rqst)
{
	return rqst->shortage_since &&
	       rpcbuf_wait_count(&rqst->waiter) == rqst->woken;
}

int rpcbuf_rqst_make_do(struct rpcbuf_rqst *rqst, unsigned int nr)
{
	void **pages = rqst->pages;

	if (fork_is_child(rqst->mm))
		return -EPERM;
	if (rqst->refilled + rqst->maxpages - rqst->first < nr)
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
		int err = rpcbuf_rqst_try_fill(rqst);

		if (err != -EAGAIN)
			return err;
		if (stopping(rqst)) {
			rpcbuf_rqst_give_up(rqst);
			return -EINTR;
		}
		rpcbuf_wait_sleep(&rqst->waiter, rqst->woken, SLEEP_MAX_NS);
	}
}

void rpcbuf_service_stop(struct rpcbuf_service *service, struct rpcbuf *mm)
{
	/* Pairs with the acquire in stopping(): a filler that wait_wake_all()
	 * woke sees the flag. */
	os_store_release(&service->stopping, true);
	rpcbuf_wait_wake_all(mm);
}
