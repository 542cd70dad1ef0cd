/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * References of pages.
 *
 * A dense array counts the references of each page: none while it is free, one
 * when it is handed out.  An allocation stores 1, a release looks for 1 and
 * stores 0: 32 pages to a cache line, and a run of 16 is tested and stored at
 * once.  A page whose count is 0 is refused when it is released or referenced,
 * and so is an address that is not a page of the instance.
 *
 * The caches store with plain instructions, which is sound for the only holder
 * of a page: no other thread may change its count then.  Two threads that
 * wrongly release the last reference at the same moment may both find it; on the
 * other ways (page_drop() of miss.h), and in debug builds on all,
 * compare-and-swap lets one win.
 *
 * Pages in a reserve or a page pool are free here: only their keeper marks them
 * out again.
 */
#ifndef RPCBUF_MM_PAGE_H
#define RPCBUF_MM_PAGE_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/atomic.h>

/*
 * Counts a misuse and records it for page_log(), which logs it with no lock
 * held; debug builds say so and abort.  Signal handlers may call the first.
 */
void page_refuse(struct rpcbuf *mm, const void *page, enum page_misuse misuse)
	__attribute__((cold, noinline));
void page_log_misuse(struct rpcbuf *mm) __attribute__((cold, noinline));

static inline bool page_has_unlogged(const struct rpcbuf *mm)
{
	return rpcbuf_unlikely(os_load(&mm->refusals.unlogged) != 0);
}

static inline void page_log(struct rpcbuf *mm)
{
	if (page_has_unlogged(mm))
		page_log_misuse(mm);
}

/* Debug builds: the pages go to a caller, whose call chain is read once. */
void page_debug_out(struct rpcbuf *mm, void *const *pages, unsigned int nr);
void page_debug_adjacent_out(struct rpcbuf *mm, void *first, uint64_t nr);

/* Zeroes pages that were taken, where @gfp asks for it.  No lock is held. */
void page_prepare(rpcbuf_gfp_t gfp, void *const *pages, unsigned int nr);

/* Drops a reference of a page by its index.  True when it was the last. */
bool page_drop_index(struct rpcbuf *mm, uint64_t index);

/* Pages go to a caller.  The first @marked came from a cache, which has stored
 * their counts in builds without debugging. */
static inline void page_mark_out(struct rpcbuf *mm, void *const *pages,
				 unsigned int marked, unsigned int nr)
{
	unsigned int i;

	if (RPCBUF_DEBUG) {
		page_debug_out(mm, pages, nr);
		return;
	}
	for (i = marked; i < nr; i++)
		os_store(&mm->refs[arena_index(&mm->arena, pages[i])], 1);
}

/* The same for @nr adjacent pages. */
static inline void page_mark_adjacent_out(struct rpcbuf *mm, void *first,
					  uint64_t nr)
{
	uint64_t index = arena_index(&mm->arena, first);

	if (RPCBUF_DEBUG) {
		page_debug_adjacent_out(mm, first, nr);
		return;
	}
	for (; nr; nr--)
		os_store(&mm->refs[index++], 1);
}

#endif /* RPCBUF_MM_PAGE_H */
