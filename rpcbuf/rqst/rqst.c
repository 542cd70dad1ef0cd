/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The request page vector.  Owns the pages in rq_pages, what is left of a run,
 * and one waiter; the thread that owns the vector is the only one to touch them.
 */
#include <errno.h>
#include <rpcbuf/mempool.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/mm/mempool.h"
#include <rpcbuf/os/sized.h>
#include "rpcbuf/os/why.h"
#include "rpcbuf/rqst/rqst_private.h"

int rpcbuf_rqst_create(struct rpcbuf_rqst **out, struct rpcbuf *mm,
		       struct rpcbuf_service *service, unsigned int maxpages)
{
	struct rpcbuf_rqst *rqst;

	if (maxpages < 1 || maxpages > RPCBUF_RQST_MAXPAGES_MAX)
		return os_why(
			-EINVAL,
			"maxpages of a vector is %u, must be from 1 to %u",
			maxpages, RPCBUF_RQST_MAXPAGES_MAX);
	rqst = calloc(1, sizeof(*rqst) + 2 * (maxpages + 1) * sizeof(void *));
	if (!rqst)
		return os_why(-ENOMEM, "no memory for a vector of %u slots",
			      maxpages);
	rqst->mm = mm;
	rqst->service = service;
	rqst->waiter = (struct rpcbuf_waiter)RPCBUF_WAITER_INIT;
	rqst->maxpages = maxpages;
	rqst->first = maxpages;
	rqst->run.pages = rqst->pages + maxpages + 1;
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
	return rqst_front(rqst);
}

unsigned int rpcbuf_rqst_populated(const struct rpcbuf_rqst *rqst)
{
	return rqst_nr_front(rqst);
}

unsigned int rpcbuf_rqst_maxpages(const struct rpcbuf_rqst *rqst)
{
	return rqst->maxpages;
}

bool rpcbuf_rqst_is_run(const struct rpcbuf_rqst *rqst)
{
	return rqst->run.in_front;
}

const void *rpcbuf_rqst_run_left(const struct rpcbuf_rqst *rqst,
				 unsigned int *nr)
{
	*nr = rqst_run_left(rqst);
	return *nr ? rqst->run.pages[rqst->run.first] : NULL;
}

unsigned int rpcbuf_rqst_nr_pages(const struct rpcbuf_rqst *rqst)
{
	return rqst_run_left(rqst) + rqst->refilled + rqst->maxpages -
	       rqst->first;
}

void rpcbuf_rqst_notify(struct rpcbuf_rqst *rqst, int eventfd)
{
	rqst->waiter.eventfd = eventfd;
}

void rpcbuf_rqst_want(struct rpcbuf_rqst *rqst, unsigned int run)
{
	rqst->run.wanted = run;
}

void rpcbuf_rqst_take(struct rpcbuf_rqst *rqst, unsigned int nr, void **pages)
{
	void **front = rqst_front(rqst);

	memcpy(pages, front, nr * sizeof(*pages));
	memset(front, 0, nr * sizeof(*pages));
	if (rqst->run.in_front)
		rqst->run.first += nr;
	else
		rqst->first += nr;
}

/* Frees past the caches: waiters get the pages, and runs become whole. */
static void free_pages(struct rpcbuf_rqst *rqst, unsigned int nr, void **pages)
{
	if (!nr)
		return;
	/* Refill the reserve first: a waiter for it may hold the pages that this
	 * thread's next call needs. */
	if (rqst->reserve)
		mempool_put_back(rqst->reserve, nr, pages);
	rpcbuf_free_run(rqst->mm, nr, pages);
}

void rqst_give_back(struct rpcbuf_rqst *rqst)
{
	free_pages(rqst, rqst->maxpages, rqst->pages);
	rqst->refilled = 0;
	rqst->first = rqst->maxpages;
}

void rpcbuf_rqst_end_run(struct rpcbuf_rqst *rqst)
{
	struct rqst_run *run = &rqst->run;

	free_pages(rqst, run->end - run->first, run->pages + run->first);
	run->first = run->end = 0;
	run->in_front = false;
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

void rpcbuf_rqst_release(struct rpcbuf_rqst *rqst)
{
	rpcbuf_rqst_give_up(rqst);
	rpcbuf_rqst_end_run(rqst);
	rqst_give_back(rqst);
}

int rpcbuf_rqst_stats(const struct rpcbuf_rqst *rqst,
		      struct rpcbuf_rqst_stats *stats)
{
	const struct rpcbuf_rqst_stats known = {
		.fills = os_load(&rqst->stats.fills),
		.pages_filled = os_load(&rqst->stats.pages_filled),
		.bulk_calls = os_load(&rqst->stats.bulk_calls),
		.runs = os_load(&rqst->stats.runs),
		.no_runs = os_load(&rqst->stats.no_runs),
		.sleeps = os_load(&rqst->stats.sleeps),
		.sleep_ns = os_load(&rqst->stats.sleep_ns),
	};

	return sized_write(stats, &known, sizeof(known));
}
