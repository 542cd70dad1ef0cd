/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A depot: runs of 16 pages on their way between the caches of a node's CPUs.
 *
 * Where one CPU fills and another releases, pages go round through it: one
 * address moves 16 pages, and a batch of them is one hold of the lock, where the
 * zone would look up and merge each.  It keeps an eighth of the node at most,
 * counts as a cache, and is emptied with the caches.
 *
 * Concurrency: one lock, taken with no other lock held but the freezer's, for at
 * most DEPOT_BATCH addresses.  Putting asks, inside the lock, whether anybody
 * waits for pages: the drain of a waiter comes before, and the answer is yes,
 * or after, and finds the runs (wait.c).
 */
#ifndef RPCBUF_MM_DEPOT_H
#define RPCBUF_MM_DEPOT_H

#include <rpcbuf/mm/instance.h>

#define DEPOT_RUNS  128u
#define DEPOT_BATCH 32u

struct depot {
	struct os_lock lock;
	uint32_t nr;
	uint32_t most;	/* that this budget allows */
	uint32_t least; /* there were since the last depot_decay() */
	void *runs[DEPOT_RUNS];
};

void depot_init(struct depot *depot, uint64_t nr_pages);

/* Takes the runs that came last, up to @want (at most DEPOT_BATCH), in the order
 * in which they came; returns how many. */
unsigned int depot_take(struct depot *depot, void **runs, unsigned int want);

/* Keeps up to @nr runs of the front of @runs; returns how many. */
unsigned int depot_put(struct rpcbuf *mm, struct depot *depot,
		       void *const *runs, unsigned int nr);

/* Takes up to DEPOT_BATCH of the runs that nobody needed since the last call,
 * the coldest first; returns how many. */
unsigned int depot_decay(struct depot *depot, void **runs);

static inline unsigned int depot_nr(const struct depot *depot)
{
	return __atomic_load_n(&depot->nr, __ATOMIC_RELAXED);
}

#endif /* RPCBUF_MM_DEPOT_H */
