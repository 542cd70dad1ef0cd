/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bulk calls.
 *
 * Arrays of 16 slots and more are worked on in windows of 64, one hold of a
 * cache each.  The holes of a window are looked for before the hold, and its
 * pages are zeroed after it.  Releases go from the last window to the first,
 * because the caches are stacks: a vector that is filled again then gets its
 * pages in the order in which it had them.  Smaller arrays have a path of their
 * own without vectors, and single pages one that calls nothing.
 *
 * The two functions over windows are compiled twice, for AVX2 and without.
 */
#include <string.h>

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/pcp_fast.h>

void bulk_prepare(rpcbuf_gfp_t gfp, void *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; gfp & RPCBUF_GFP_ZERO && i < nr; i++)
		memset(pages[i], 0, RPCBUF_PAGE_SIZE);
}

/* Fills @want (up to PCP_WINDOW) empty slots; returns how many. */
SLOTS_INLINE unsigned int take(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			       void **pages, unsigned int want)
{
	struct pcp *pcp = pcp_trylock(mm);
	unsigned int got = 0;

	if (rpcbuf_likely(pcp != NULL)) {
		got = want < RUN_PAGES ? pcp_pop_singles(pcp, pages, want)
				       : pcp_pop(pcp, pages, want);
		os_cpulock_release(&pcp->lock);
	}
	if (rpcbuf_unlikely(got < want))
		got += pcp_take_slow(mm, gfp, pages + got, want - got);
	page_mark_out(mm, pages, got);
	if (rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		bulk_prepare(gfp, pages, got);
	return got;
}

/* A window with pages in it: returns how many slots from the front are full. */
static unsigned int __attribute__((noinline))
fill_holes(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages, unsigned int nr)
{
	unsigned int holes = bulk_holes(pages, nr), got = 0;
	void *fresh[PCP_WINDOW];

	if (holes)
		got = take(mm, gfp, fresh, holes);
	return bulk_merge(pages, nr, fresh, got);
}

SLOTS_INLINE unsigned int fill_window(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				      void **pages, unsigned int nr)
{
	if (rpcbuf_unlikely(!slots_all_null(pages, nr)))
		return fill_holes(mm, gfp, pages, nr);
	return take(mm, gfp, pages, nr);
}

/* The window to come next: arrays that another CPU worked on last are in that
 * one's caches. */
SLOTS_INLINE void prefetch_window(void **pages)
{
	unsigned int i;

#pragma GCC unroll 8
	for (i = 0; i < PCP_WINDOW; i += MM_CACHE_LINE / sizeof(*pages))
		__builtin_prefetch(pages + i, 1);
}

SLOTS_INLINE unsigned int fill_windows(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				       unsigned int nr, void **pages)
{
	unsigned int done, n, got;

	for (done = 0; done < nr; done += n) {
		n = rpcbuf_min(nr - done, PCP_WINDOW);
		if (nr - done > PCP_WINDOW)
			prefetch_window(pages + done + PCP_WINDOW);
		got = fill_window(mm, gfp, pages + done, n);
		if (rpcbuf_unlikely(got < n))
			return done + got;
	}
	return nr;
}

SLOTS_INLINE void put_windows(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	while (nr) {
		unsigned int n = (nr - 1) % PCP_WINDOW + 1;
		struct pcp *pcp = pcp_trylock_put(mm);

		nr -= n;
		if (nr >= PCP_WINDOW)
			prefetch_window(pages + nr - PCP_WINDOW);
		if (rpcbuf_unlikely(!pcp)) {
			pcp_put_slow(mm, pages + nr, n);
			continue;
		}
		pcp_pushed(mm, pcp, pages + nr, n,
			   pcp_push(mm, pcp, pages + nr, n));
	}
}

#ifdef __x86_64__
#define WIDE __attribute__((noinline, target("avx2")))
#else
#define WIDE __attribute__((noinline))
#endif

static WIDE unsigned int fill_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				   unsigned int nr, void **pages)
{
	return fill_windows(mm, gfp, nr, pages);
}

static WIDE void put_wide(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	put_windows(mm, nr, pages);
}

static WIDE unsigned int take_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				   void **pages, unsigned int want)
{
	return take(mm, gfp, pages, want);
}

static __attribute__((noinline)) unsigned int
fill_plain(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr, void **pages)
{
	return fill_windows(mm, gfp, nr, pages);
}

static __attribute__((noinline)) void put_plain(struct rpcbuf *mm,
						unsigned int nr, void **pages)
{
	put_windows(mm, nr, pages);
}

unsigned int bulk_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
		       unsigned int want)
{
	return mm->wide ? take_wide(mm, gfp, pages, want)
			: take(mm, gfp, pages, want);
}

static __attribute__((noinline)) unsigned int
fill_few(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr, void **pages)
{
	return rpcbuf_likely(nr) ? fill_window(mm, gfp, pages, nr) : 0;
}

static __attribute__((noinline)) void put_few(struct rpcbuf *mm,
					      unsigned int nr, void **pages)
{
	struct pcp *pcp = pcp_trylock_put(mm);

	if (rpcbuf_unlikely(!pcp)) {
		pcp_put_slow(mm, pages, nr);
		return;
	}
	pcp_pushed(mm, pcp, pages, nr, pcp_push_singles(mm, pcp, pages, nr));
}

unsigned int rpcbuf_alloc_bulk_array(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     unsigned int nr, void **pages)
{
	if (nr < RUN_PAGES) {
		if (nr == 1 && !RPCBUF_DEBUG && !*pages &&
		    rpcbuf_likely(!(gfp & RPCBUF_GFP_ZERO)) &&
		    rpcbuf_likely(pcp_pop_one(mm, pages)))
			return 1;
		return fill_few(mm, gfp, nr, pages);
	}
	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	return mm->wide ? fill_wide(mm, gfp, nr, pages)
			: fill_plain(mm, gfp, nr, pages);
}

void rpcbuf_free_bulk_array(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	if (nr < RUN_PAGES) {
		if (nr == 1 && !RPCBUF_DEBUG &&
		    rpcbuf_likely(pcp_push_one(mm, pages)))
			return;
		put_few(mm, nr, pages);
	} else if (mm->wide) {
		put_wide(mm, nr, pages);
	} else {
		put_plain(mm, nr, pages);
	}
}

void *rpcbuf_alloc_page(struct rpcbuf *mm, rpcbuf_gfp_t gfp)
{
	void *page = NULL;

	rpcbuf_alloc_bulk_array(mm, gfp, 1, &page);
	return page;
}

void rpcbuf_free_page(struct rpcbuf *mm, void *page)
{
	rpcbuf_free_bulk_array(mm, 1, &page);
}
