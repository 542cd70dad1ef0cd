/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bulk calls over chunks of an array: inlined into bulk.c, and into bulk_wide.c, which is
 * compiled for AVX2.
 *
 * Arrays of 16 slots and more are worked on in chunks of 64, one hold of a
 * cache each.  The holes of a chunk are looked for before the hold, and its
 * pages are zeroed after it.  Releases go from the last chunk to the first,
 * because the caches are stacks: a vector that is filled again then gets its
 * pages in the order in which it had them.
 */
#ifndef RPCBUF_MM_BULK_CHUNKS_H
#define RPCBUF_MM_BULK_CHUNKS_H

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>

/* A single page, if that is as simple as most are; false: nothing was done. */
SLOTS_INLINE bool bulk_fill_one(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				void **page)
{
	return !RPCBUF_DEBUG && !*page &&
	       rpcbuf_likely(!(gfp & RPCBUF_GFP_ZERO)) &&
	       rpcbuf_likely(pcp_pop_one(mm, page));
}

SLOTS_INLINE bool bulk_put_one(struct rpcbuf *mm, void **page)
{
	return !RPCBUF_DEBUG && rpcbuf_likely(pcp_push_one(mm, page));
}

/* Fills @want (up to PCP_CHUNK) empty slots; returns how many. */
SLOTS_INLINE unsigned int fill_slots(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     void **pages, unsigned int want)
{
	struct pcp *pcp = pcp_trylock(mm);
	unsigned int got = 0, cached;

	if (rpcbuf_likely(pcp != NULL)) {
		got = want < RUN_PAGES ? pcp_pop_singles(pcp, pages, want)
				       : pcp_pop(pcp, pages, want);
		os_cpulock_release(&pcp->lock);
	}
	cached = got;
	if (rpcbuf_unlikely(got < want))
		got += miss_take_here(mm, gfp, pages + got, want - got);
	if (rpcbuf_unlikely(cached < got) || RPCBUF_DEBUG)
		page_mark_out(mm, pages, cached, got);
	if (rpcbuf_unlikely(gfp & RPCBUF_GFP_ZERO))
		page_prepare(gfp, pages, got);
	return got;
}

/* A chunk with pages in it: returns how many slots from the front are full. */
static __attribute__((noinline, unused)) unsigned int
fill_holes(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages, unsigned int nr)
{
	unsigned int holes = bulk_holes(pages, nr), got = 0;
	void *fresh[PCP_CHUNK];

	if (holes)
		got = fill_slots(mm, gfp, fresh, holes);
	return bulk_merge(pages, nr, fresh, got);
}

SLOTS_INLINE unsigned int fill_chunk(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     void **pages, unsigned int nr,
				     bool only_empty)
{
	if (rpcbuf_unlikely(!slots_all_null(pages, nr)))
		return only_empty ? 0 : fill_holes(mm, gfp, pages, nr);
	return fill_slots(mm, gfp, pages, nr);
}

/* The chunk to come next: arrays that another CPU worked on last are in that
 * one's caches. */
SLOTS_INLINE void prefetch_chunk(void **pages)
{
	unsigned int i;

#pragma GCC unroll 8
	for (i = 0; i < PCP_CHUNK; i += MM_CACHE_LINE / sizeof(*pages))
		__builtin_prefetch(pages + i, 1);
}

/* @only_empty: only up to a chunk with pages in it. */
SLOTS_INLINE unsigned int fill_chunks(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				      unsigned int nr, void **pages,
				      bool only_empty)
{
	unsigned int done, n, got;

	for (done = 0; done < nr; done += n) {
		n = rpcbuf_min(nr - done, PCP_CHUNK);
		if (n == 1 && bulk_fill_one(mm, gfp, pages + done))
			return nr;
		if (nr - done > PCP_CHUNK)
			prefetch_chunk(pages + done + PCP_CHUNK);
		got = fill_chunk(mm, gfp, pages + done, n, only_empty);
		if (rpcbuf_unlikely(got < n))
			return done + got;
	}
	return nr;
}

SLOTS_INLINE void put_chunks(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	/* Vectors are often a power of two and one. */
	if (nr % PCP_CHUNK == 1 && node_is_single(mm, pages[nr - 1]) &&
	    bulk_put_one(mm, pages + nr - 1))
		nr--;
	while (nr) {
		unsigned int n = (nr - 1) % PCP_CHUNK + 1;
		struct pcp *pcp = pcp_trylock_put(mm);

		nr -= n;
		if (nr >= PCP_CHUNK)
			prefetch_chunk(pages + nr - PCP_CHUNK);
		if (rpcbuf_unlikely(!pcp)) {
			miss_put(mm, pages + nr, n);
			continue;
		}
		pcp_pushed(mm, pcp, pages + nr, n,
			   pcp_push(mm, pcp, pages + nr, n));
	}
}

#endif /* RPCBUF_MM_BULK_CHUNKS_H */
