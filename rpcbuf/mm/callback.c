/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The callback face of the bulk allocator.  Pages are taken a window at a time
 * into a local array; the callback runs when the hold of the cache is over.
 */
#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/pcp.h>

static unsigned int fill(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int nr,
			 rpcbuf_page_fn fn, void *opaque)
{
	unsigned int done, want, got, i;
	void *pages[PCP_WINDOW];

	nr = rpcbuf_min(nr, RPCBUF_BULK_MAX);
	for (done = 0; done < nr; done += got) {
		want = rpcbuf_min(nr - done, PCP_WINDOW);
		got = bulk_take(mm, gfp, pages, want);
		for (i = 0; i < got; i++) {
			if (fn(pages[i], opaque))
				continue;
			rpcbuf_free_bulk_array(mm, got - i, pages + i);
			return done + i;
		}
		if (got < want)
			return done + got;
	}
	return nr;
}

unsigned int rpcbuf_alloc_bulk_callback(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					unsigned int nr, rpcbuf_page_fn fn,
					void *opaque)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled = fill(mm, gfp, nr, fn, opaque);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}
