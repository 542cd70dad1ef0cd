/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The budget: how many of the arena's pages may be out or free.
 *
 * The others are withheld, which is all that a smaller budget means.  Blocks
 * that no zone ever handed out are withheld as such (zone_withhold()); other
 * pages are taken from the zones, lose their memory, and are kept on a list,
 * the balloon.  Where the system does not take the memory now, locked pages for
 * one, each pass of the maintenance tries again.  As long as the budget wants
 * more withheld than there is free, the watermarks of all zones are out of
 * reach, so that what is released stays for the balloon.
 *
 * Concurrency: one lock, for the balloon and for writing the numbers or
 * the watermarks; taken before the locks of zones and of the queue.
 */
#ifndef RPCBUF_MM_BUDGET_H
#define RPCBUF_MM_BUDGET_H

#include <rpcbuf/budget.h>
#include <rpcbuf/bulk.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/lock.h>

struct mm_balloon {
	struct rpcbuf_page_list pages;
	struct rpcbuf_page_list resident; /* the same, but they have memory: the
				       * system did not take it back */
};

struct mm_budget {
	OS_GUARDED(struct mm_balloon) balloon;
	/* Read by anybody. */
	struct os_u64 pages;	/* the budget */
	struct os_u64 withheld; /* fresh blocks and the balloon */
	struct os_u64 nr_resident; /* pages of the balloon's `resident` */
	struct os_u64 promised; /* to reserves; raised with the lock only */
};

/* At creation: withholds what the arena has beyond @pages. */
void budget_init(struct rpcbuf *mm, uint64_t pages);

/* Withholds what has become free, and tries again for memory that the system did
 * not take; true when enough is withheld. */
bool budget_settle(struct rpcbuf *mm);

/*
 * Sets @nr pages of the budget aside for a reserve, not pages themselves.  The
 * sum of all promises stays within what the budget lets callers have, so each
 * can be met.  0 or -ENOMEM.
 */
int budget_promise(struct rpcbuf *mm, uint64_t nr);
void budget_unpromise(struct rpcbuf *mm, uint64_t nr);

/*
 * True when the head of the queue, which uses no reserve, can get @nr pages once
 * all that was taken is released.  It is woken when that may have changed.
 */
bool budget_suffices(struct rpcbuf *mm, uint64_t nr);

#endif /* RPCBUF_MM_BUDGET_H */
