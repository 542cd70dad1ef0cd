/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The core that all faces of the bulk allocator share. */
#ifndef RPCBUF_MM_BULK_H
#define RPCBUF_MM_BULK_H

#include <rpcbuf/mm/instance.h>

/*
 * Writes up to @want (at most PCP_WINDOW) pages to @pages, whatever is in
 * there, prepared as @gfp asks; returns how many.  No lock is held on return.
 */
unsigned int bulk_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
		       unsigned int want);

/* The same and the calls for arrays of 16 slots and more, on machines that have
 * AVX2 (mm->wide). */
unsigned int bulk_take_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			    unsigned int want);
unsigned int bulk_fill_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			    unsigned int nr, void **pages);
void bulk_put_wide(struct rpcbuf *mm, unsigned int nr, void **pages);

/* The second pass over pages that were taken, after all locks are dropped. */
void bulk_prepare(rpcbuf_gfp_t gfp, void *const *pages, unsigned int nr);

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

#endif /* RPCBUF_MM_BULK_H */
