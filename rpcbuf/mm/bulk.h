/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The core that all faces of the bulk allocator share. */
#ifndef RPCBUF_MM_BULK_H
#define RPCBUF_MM_BULK_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

/*
 * Writes up to @want (at most PCP_CHUNK) pages to @pages, whatever is in
 * there, prepared as @gfp asks; returns how many.  No lock is held on return.
 */
unsigned int bulk_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
		       unsigned int want);

/*
 * Hands up to @nr pages to @sink, one by one and with no lock held.  Once that
 * returns false, the page and those behind it are released.  Returns how many
 * pages it accepted.
 */
SLOTS_INLINE unsigned int bulk_take_each(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					 unsigned int nr, rpcbuf_page_fn sink,
					 void *opaque)
{
	unsigned int done, want, got, i;
	void *pages[PCP_CHUNK];

	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	for (done = 0; done < nr; done += got) {
		want = rpcbuf_min(nr - done, PCP_CHUNK);
		got = bulk_take(mm, gfp, pages, want);
		for (i = 0; i < got; i++) {
			if (sink(pages[i], opaque))
				continue;
			rpcbuf_free_bulk_array(mm, got - i, pages + i);
			return done + i;
		}
		if (got < want)
			return done + got;
	}
	return nr;
}

/*
 * As rpcbuf_alloc_bulk_array(), @nr up to RPCBUF_BULK_MAX, but not beyond slots
 * that are not NULL: returns how many from the front it filled, and none
 * behind these is touched.
 */
unsigned int bulk_fill_empty(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			     unsigned int nr, void **pages);

/* The same and the calls for arrays of 16 slots and more, on machines that have
 * AVX2 (mm->wide). */
unsigned int bulk_take_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			    unsigned int want);
unsigned int bulk_fill_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			    unsigned int nr, void **pages);
unsigned int bulk_fill_empty_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				  unsigned int nr, void **pages);
void bulk_put_wide(struct rpcbuf *mm, unsigned int nr, void **pages);

/* The first of @nr adjacent pages, not marked as out yet; or NULL. */
void *bulk_take_adjacent(struct rpcbuf *mm, rpcbuf_gfp_t gfp, uint64_t nr);

/* Drops a reference on each of @nr adjacent pages, if that of the first, which
 * has the references of all, is its last; gives those back that are free. */
void contig_release(struct rpcbuf *mm, void *first, uint64_t nr);

/* The empty slots of an array. */
static inline unsigned int bulk_holes(void *const *pages, unsigned int nr)
{
	unsigned int i, holes = 0;

	for (i = 0; i < nr; i++)
		holes += pages[i] == NULL;
	return holes;
}

/* Puts fresh pages in the holes, from the front; returns how many slots from
 * the front are full then. */
static inline unsigned int bulk_merge(void **pages, unsigned int nr,
				      void *const *fresh, unsigned int got)
{
	unsigned int i, used = 0;

	for (i = 0; i < nr; i++) {
		if (pages[i])
			continue;
		if (used == got)
			break;
		pages[i] = fresh[used++];
	}
	return i;
}

/* Around a fill, for its probe: a test each while no probe is attached. */
static inline uint64_t bulk_fill_begin(void)
{
	return probe_bulk_fill_on() ? os_now() : 0;
}

static inline void bulk_fill_end(const struct rpcbuf *mm, unsigned int asked,
				 unsigned int filled, uint64_t began)
{
	if (probe_bulk_fill_on())
		probe_bulk_fill(mm, asked, filled, began ? os_now() - began : 0);
}

static inline uint64_t bulk_free_begin(void)
{
	return probe_bulk_free_on() ? os_now() : 0;
}

static inline void bulk_free_end(const struct rpcbuf *mm, unsigned int slots,
				 uint64_t began)
{
	if (probe_bulk_free_on())
		probe_bulk_free(mm, slots, began ? os_now() - began : 0);
}

#endif /* RPCBUF_MM_BULK_H */
