/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A depot: addresses on their way between the caches of a node's CPUs.
 *
 * Where one CPU fills and another releases, pages go round through it: a batch
 * of addresses is one hold of its lock, where the zone would look up and merge
 * each page.  A node has one for runs of 16 pages, of an eighth of the node at
 * most, and a small one for single pages, so that these still merge in the
 * zone.  What is in it counts as cached, and is emptied with the caches.
 *
 * Concurrency: one lock, held for at most DEPOT_BATCH addresses, with no other
 * lock held but the freezer's.  It is tried for a moment, not waited for: the
 * zone serves as well.  Letting go of it is a plain store, which unlike an
 * exchange does not wait for the lines that the holder wrote to.  Putting asks,
 * inside the lock, whether anybody waits for pages: the drain of a waiter
 * (which alone insists) comes before, and the answer is yes, or after, and
 * finds the pages (wait.c).
 */
#ifndef RPCBUF_MM_DEPOT_H
#define RPCBUF_MM_DEPOT_H

#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/cpulock.h>

#define DEPOT_ENTRIES 256u
#define DEPOT_RUNS    128u
#define DEPOT_BATCH   64u

/* What the lock guards; `nr` is written under it as well. */
struct depot_stack {
	uint32_t least; /* there were since the last depot_decay() */
	void *entries[DEPOT_ENTRIES] __attribute__((aligned(MM_CACHE_LINE)));
};

struct depot {
	struct os_cpulock lock; /* of no CPU: always the atomic protocol */
	struct os_u32 nr;
	uint32_t most; /* that this budget allows */
	uint32_t each; /* pages of an entry: RUN_PAGES or 1 */
	OS_HELD(struct depot_stack) stack;
};

/* @nr_pages: of the node; @each: of an entry. */
void depot_init(struct depot *depot, uint64_t nr_pages, unsigned int each);

/* Takes the entries that came last, up to @want (at most DEPOT_BATCH), in the order
 * in which they came; returns how many. */
unsigned int depot_take(struct depot *depot, void **entries, unsigned int want);

/* The same by one try for the lock, for callers that must not wait. */
unsigned int depot_try_take(struct depot *depot, void **entries,
			    unsigned int want);

/* Keeps up to @nr entries of the front; returns how many. */
unsigned int depot_put(struct rpcbuf *mm, struct depot *depot,
		       void *const *entries, unsigned int nr);

/* Insisting on the lock, for one caller at a time: depot_take() by a drain. */
void depot_freeze(struct depot *depot);
void depot_thaw(struct depot *depot);

/* The drain's depot_take(), with the depot frozen. */
unsigned int depot_take_frozen(struct depot *depot, void **entries,
			       unsigned int want);

/* Takes up to DEPOT_BATCH of the entries that were not needed since the last
 * call, the coldest first; returns how many. */
unsigned int depot_decay(struct depot *depot, void **entries);

/* The caller holds the lock, or has frozen the depot. */
static inline struct depot_stack *depot_stack(struct depot *depot)
{
	return os_held(&depot->lock, &depot->stack);
}

static inline unsigned int depot_nr(const struct depot *depot)
{
	return os_load(&depot->nr);
}

#endif /* RPCBUF_MM_DEPOT_H */
