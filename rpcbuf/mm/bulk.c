/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bulk calls: arrays of any length, in windows of 64 slots.
 *
 * A window is one hold of a cache.  Its holes are looked for before and
 * its pages are zeroed after the hold.  Releases go from the last window to
 * the first, because the caches are stacks: a vector that is filled again then
 * gets its pages in the order in which it had them.
 */
#include <string.h>

#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

static void zero_pages(void *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		memset(pages[i], 0, RPCBUF_PAGE_SIZE);
}

static inline bool all_null(void *const *pages, unsigned int nr)
{
	uintptr_t any = 0;
	unsigned int i;

	for (i = 0; i < nr; i++)
		any |= (uintptr_t)pages[i];
	return any == 0;
}

/* A window with pages in it: returns how many slots from the front are full. */
static unsigned int __attribute__((noinline))
fill_holes(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages, unsigned int nr)
{
	void *fresh[PCP_WINDOW];
	unsigned int i, holes = 0, got = 0, used = 0;

	for (i = 0; i < nr; i++)
		holes += pages[i] == NULL;
	if (holes)
		got = pcp_take(mm, fresh, holes);
	if (gfp & RPCBUF_GFP_ZERO)
		zero_pages(fresh, got);
	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		if (used == got)
			break;
		pages[i] = fresh[used++];
	}
	return i;
}

static inline unsigned int fill_window(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				       void **pages, unsigned int nr)
{
	unsigned int got;

	if (rpcbuf_unlikely(!all_null(pages, nr)))
		return fill_holes(mm, gfp, pages, nr);
	got = pcp_take(mm, pages, nr);
	if (rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		zero_pages(pages, got);
	return got;
}

unsigned int rpcbuf_alloc_bulk_array(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     unsigned int nr, void **pages)
{
	unsigned int done, n, got;

	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	for (done = 0; done < nr; done += n) {
		n = rpcbuf_min(nr - done, PCP_WINDOW);
		got = fill_window(mm, gfp, pages + done, n);
		if (rpcbuf_unlikely(got < n))
			return done + got;
	}
	return nr;
}

void rpcbuf_free_bulk_array(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	unsigned int n;

	while (nr) {
		n = (nr - 1) % PCP_WINDOW + 1;
		nr -= n;
		pcp_put(mm, pages + nr, n);
	}
}

void *rpcbuf_alloc_page(struct rpcbuf *mm, rpcbuf_gfp_t gfp)
{
	void *page = NULL;

	if (rpcbuf_unlikely(!pcp_take(mm, &page, 1)))
		return NULL;
	if (rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		memset(page, 0, RPCBUF_PAGE_SIZE);
	return page;
}

void rpcbuf_free_page(struct rpcbuf *mm, void *page)
{
	pcp_put(mm, &page, 1);
}
