/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References of pages.
 *
 * A dense array counts the references of a page beyond the first.  It is zero
 * while a page has one owner or is free, so that allocation does not touch it
 * and a release only reads it: 32 pages to a cache line.
 *
 * Debug builds also keep a byte per page, which catches a page that is
 * released while it is free, or used twice.  Other builds do not: there a
 * double release is undefined, as it is with malloc.  An address that is not
 * a page of the instance is refused, and counted, in every build.
 */
#ifndef RPCBUF_MM_PAGE_H
#define RPCBUF_MM_PAGE_H

#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/atomic.h>

enum page_state {
	PAGE_FREE,
	PAGE_OUT,
};

/* The slow sides of the functions below. */
bool page_drop_shared(struct rpcbuf *mm, uint64_t index);
/* page_drop() of @nr adjacent pages that were taken as one: the first has the
 * references of all. */
bool page_drop_adjacent(struct rpcbuf *mm, void *first, uint64_t nr);
void page_refuse(struct rpcbuf *mm, const void *page);

/* Debug builds: the pages go to, or come from, a caller.  NULL is skipped. */
void page_debug_out(struct rpcbuf *mm, void *const *pages, unsigned int nr);
void page_debug_free(struct rpcbuf *mm, uint64_t index);

static inline void page_mark_out(struct rpcbuf *mm, void *const *pages,
				 unsigned int nr)
{
	if (RPCBUF_DEBUG)
		page_debug_out(mm, pages, nr);
}

static inline void page_mark_free(struct rpcbuf *mm, uint64_t index)
{
	if (RPCBUF_DEBUG)
		page_debug_free(mm, index);
}

static inline void page_mark_run_free(struct rpcbuf *mm, void *const *pages)
{
	unsigned int i;

	for (i = 0; RPCBUF_DEBUG && i < RUN_PAGES; i++)
		page_debug_free(mm, arena_index(&mm->arena, pages[i]));
}

/*
 * Drops one reference.  True when it was the last: the page is the caller's
 * to put away, and everything that other holders did to it has happened.
 */
static inline bool page_drop(struct rpcbuf *mm, void *page)
{
	uint64_t index = arena_index(&mm->arena, page);

	if (rpcbuf_unlikely(index >= mm->arena.nr_pages)) {
		page_refuse(mm, page);
		return false;
	}
	/* Acquire: pairs with the release in page_drop_shared(). */
	if (rpcbuf_unlikely(os_load_acquire(&mm->extra[index]) != 0)) {
		if (!page_drop_shared(mm, index))
			return false;
	} else {
		page_mark_free(mm, index);
	}
	if (guard_on(mm))
		guard_free(mm, index);
	return true;
}

#endif /* RPCBUF_MM_PAGE_H */
