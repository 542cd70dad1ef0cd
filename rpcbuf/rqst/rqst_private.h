/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What the files of the vector share: rqst.c has its pages, rqst_fill.c gets
 * them. */
#ifndef RPCBUF_RQST_RQST_PRIVATE_H
#define RPCBUF_RQST_RQST_PRIVATE_H

#include <rpcbuf/rqst.h>

#include "rpcbuf/os/atomic.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/stat.h"

/* Struct rpcbuf_rqst_stats: written by the owner, read by others. */
struct rqst_counts {
	struct os_u64 fills, pages_filled, bulk_calls, runs, no_runs, sleeps,
		sleep_ns;
};

/* Adjacent pages: slots [first, end) have what is left of them. */
struct rqst_run {
	void **pages;
	unsigned int first, end;
	unsigned int wanted; /* rpcbuf_rqst_want() */
	bool in_front;
};

struct rpcbuf_rqst {
	struct rpcbuf *mm;
	struct rpcbuf_service *service;
	struct rpcbuf_mempool *reserve; /* or NULL */
	struct rpcbuf_waiter waiter;
	struct rqst_counts stats;
	uint64_t shortage_since; /* ns, 0 while there is none */
	uint32_t woken;		 /* rpcbuf_wait_count() before the last try */
	bool shares;		 /* waits for the reserve as well */
	unsigned int maxpages;
	struct rqst_run run;
	/* Slots [0, refilled) and [first, maxpages) have pages, those between
	 * are NULL.  A vector that is used has refilled == 0. */
	unsigned int refilled;
	unsigned int first;
	void *pages[]; /* maxpages + 1, the last always NULL, and the run's */
};

static inline unsigned int rqst_run_left(const struct rpcbuf_rqst *rqst)
{
	return rqst->run.end - rqst->run.first;
}

/* rpcbuf_rqst_pages() and rpcbuf_rqst_populated(), for each receive. */
static inline void **rqst_front(struct rpcbuf_rqst *rqst)
{
	return rpcbuf_unlikely(rqst->run.in_front)
		       ? rqst->run.pages + rqst->run.first
		       : rqst->pages + rqst->first;
}

static inline unsigned int rqst_nr_front(const struct rpcbuf_rqst *rqst)
{
	return rpcbuf_unlikely(rqst->run.in_front)
		       ? rqst_run_left(rqst)
		       : rqst->maxpages - rqst->first;
}

/* A page beside those of the vector, or NULL; counted with them. */
void *rqst_alloc_page(struct rpcbuf_rqst *rqst);

/* All pages but those of the run. */
void rqst_give_back(struct rpcbuf_rqst *rqst);

#endif /* RPCBUF_RQST_RQST_PRIVATE_H */
