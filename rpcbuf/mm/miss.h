/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the caches do not serve: requests that they cannot fill, runs and
 * blocks, and releases past them.
 *
 * A careful instance (guard.h) has all requests and releases come here, and
 * faults and hardening are asked here, in this order.  Any thread, no locks
 * held.
 */
#ifndef RPCBUF_MM_MISS_H
#define RPCBUF_MM_MISS_H

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/harden.h>
#include <rpcbuf/mm/page.h>

/* Up to @want (at most PCP_CHUNK) pages; returns how many. */
unsigned int miss_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		       rpcbuf_nodemask_t mask, void **pages, unsigned int want);

/* The first of @nr (at most ZONE_BLOCK_PAGES) adjacent pages, or NULL. */
void *miss_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		    rpcbuf_nodemask_t mask, unsigned int nr);

/* The first of @nr neighbouring blocks, or NULL. */
void *miss_take_blocks(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint32_t nr);

/*
 * The misses of the fast paths (pcp_fast.h).  Take: up to @want (1 to
 * PCP_CHUNK) pages without waiting, from the zone, else from every CPU's
 * cache; returns how many.  Put: drops a reference on each page of @pages
 * (at most PCP_CHUNK slots, NULL is skipped), clears the slots, and gives
 * the pages without further references to the zone.
 */
unsigned int miss_take_here(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			    unsigned int want) __attribute__((cold, noinline));
void miss_put(struct rpcbuf *mm, void **pages, unsigned int nr)
	__attribute__((cold, noinline));

/*
 * Drops one reference.  True when it was the last: the page is the caller's
 * to put away, and everything that other holders did to it has happened.
 */
static inline bool page_drop(struct rpcbuf *mm, void *page)
{
	uint64_t index = arena_index(&mm->arena, page);

	if (rpcbuf_unlikely(index >= mm->arena.nr_pages)) {
		page_refuse(mm, page, PAGE_FOREIGN);
		return false;
	}
	if (!page_drop_index(mm, index))
		return false;
	if (guard_on(mm))
		harden_free(mm, index);
	return true;
}

/* Drops a reference on each page of the @nr slots, and clears these.  Returns how
 * many were the last, which are then in @batch.  In a child: none. */
static inline unsigned int miss_drop(struct rpcbuf *mm, void **pages,
				     unsigned int nr, void **batch)
{
	unsigned int last = 0;
	bool ignore = fork_is_child(mm);

	for (unsigned int i = 0; i < nr; i++) {
		void *page = pages[i];

		pages[i] = NULL;
		if (page && !ignore && page_drop(mm, page))
			batch[last++] = page;
	}
	return last;
}

#endif /* RPCBUF_MM_MISS_H */
