/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What bulk.c does over chunks, compiled for AVX2 where there is such a thing:
 * called only on machines that have it. */
#include <rpcbuf/mm/bulk_chunks.h>

unsigned int bulk_fill_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			    unsigned int nr, void **pages)
{
	return fill_chunks(mm, gfp, nr, pages, false);
}

unsigned int bulk_fill_empty_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				  unsigned int nr, void **pages)
{
	return fill_chunks(mm, gfp, nr, pages, true);
}

void bulk_put_wide(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	put_chunks(mm, nr, pages);
}

unsigned int bulk_take_wide(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			    unsigned int want)
{
	return fill_slots(mm, gfp, pages, want);
}
