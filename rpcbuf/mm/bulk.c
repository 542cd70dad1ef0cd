/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The bulk calls.
 *
 * Arrays of 16 slots and more are worked on in chunks (bulk_chunks.h), by
 * code that is compiled twice, for AVX2 and without.  Smaller arrays have a
 * path of their own, and single pages one that calls nothing.
 */
#include <rpcbuf/mm/bulk_chunks.h>

static __attribute__((noinline)) unsigned int
fill_plain(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr, void **pages)
{
	return fill_chunks(mm, gfp, nr, pages, false);
}

static __attribute__((noinline)) unsigned int
fill_empty_plain(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr,
		 void **pages)
{
	return fill_chunks(mm, gfp, nr, pages, true);
}

static __attribute__((noinline)) void put_plain(struct rpcbuf *mm,
						unsigned int nr, void **pages)
{
	put_chunks(mm, nr, pages);
}

unsigned int bulk_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
		       unsigned int want)
{
	return mm->wide ? bulk_take_wide(mm, gfp, pages, want)
			: fill_slots(mm, gfp, pages, want);
}

/* What the cache does not have, or a page that is to be zeroed. */
static __attribute__((noinline)) unsigned int
finish_few(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages, unsigned int nr,
	   unsigned int got)
{
	unsigned int cached = got;

	if (got < nr)
		got += miss_take_here(mm, gfp, pages + got, nr - got);
	page_mark_out(mm, pages, cached, got);
	if (rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		page_prepare(gfp, pages, got);
	return got;
}

SLOTS_INLINE unsigned int take_few(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				   unsigned int nr, void **pages)
{
	unsigned int got = 0;
	struct pcp *pcp;

	pcp = pcp_trylock(mm);
	if (rpcbuf_likely(pcp != NULL)) {
		got = rpcbuf_min(nr, os_own(&pcp->nr_singles));
		slots_copy_few(
			pages,
			pcp_singles(pcp) + os_own(&pcp->nr_singles) - got, got);
		pcp_mark_out(pcp, pages, got);
		os_store(&pcp->nr_singles, os_own(&pcp->nr_singles) - got);
		os_cpulock_release(&pcp->lock);
	}
	if (rpcbuf_unlikely(got < nr) || RPCBUF_DEBUG ||
	    rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		return finish_few(mm, gfp, pages, nr, got);
	return got;
}

static __attribute__((noinline)) unsigned int
fill_few(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr, void **pages)
{
	if (rpcbuf_unlikely(!slots_few_null(pages, nr)))
		return fill_holes(mm, gfp, pages, nr);
	return take_few(mm, gfp, nr, pages);
}

static __attribute__((noinline)) unsigned int
fill_empty_few(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr,
	       void **pages)
{
	return slots_few_null(pages, nr) ? take_few(mm, gfp, nr, pages) : 0;
}

static __attribute__((noinline)) void put_few(struct rpcbuf *mm,
					      unsigned int nr, void **pages)
{
	struct pcp *pcp = pcp_trylock_put(mm);

	if (rpcbuf_unlikely(!pcp)) {
		miss_put(mm, pages, nr);
		return;
	}
	pcp_pushed(mm, pcp, pages, nr, pcp_push_singles(mm, pcp, pages, nr));
}

SLOTS_INLINE unsigned int alloc_array(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				      unsigned int nr, void **pages)
{
	if (nr == 1 && bulk_fill_one(mm, gfp, pages))
		return 1;
	if (nr < RUN_PAGES)
		return fill_few(mm, gfp, nr, pages);
	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	return mm->wide ? bulk_fill_wide(mm, gfp, nr, pages)
			: fill_plain(mm, gfp, nr, pages);
}

unsigned int bulk_fill_empty(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			     unsigned int nr, void **pages)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled;

	if (nr == 1 && bulk_fill_one(mm, gfp, pages))
		filled = 1;
	else if (nr < RUN_PAGES)
		filled = fill_empty_few(mm, gfp, nr, pages);
	else if (mm->wide)
		filled = bulk_fill_empty_wide(mm, gfp, nr, pages);
	else
		filled = fill_empty_plain(mm, gfp, nr, pages);
	bulk_fill_end(mm, nr, filled, began);
	return filled;
}

SLOTS_INLINE void free_array(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	if (nr == 1 && bulk_put_one(mm, pages))
		return;
	if (nr < RUN_PAGES) {
		put_few(mm, nr, pages);
	} else if (mm->wide) {
		bulk_put_wide(mm, nr, pages);
	} else {
		put_plain(mm, nr, pages);
	}
}

/* The probed paths are functions of their own, so that the others save no
 * registers for them. */
static __attribute__((noinline, cold)) unsigned int
fill_probed(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr, void **pages)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled = alloc_array(mm, gfp, nr, pages);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}

static __attribute__((noinline, cold)) void
put_probed(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	uint64_t began = bulk_free_begin();

	free_array(mm, nr, pages);
	bulk_free_end(mm, nr, began);
}

unsigned int rpcbuf_alloc_bulk_array(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     unsigned int nr, void **pages)
{
	if (probe_bulk_fill_on())
		return fill_probed(mm, gfp, nr, pages);
	return alloc_array(mm, gfp, nr, pages);
}

void rpcbuf_free_bulk_array(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	if (probe_bulk_free_on())
		put_probed(mm, nr, pages);
	else
		free_array(mm, nr, pages);
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
