/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Bulk allocation for a callback.
 */
#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/bulk.h>

unsigned int rpcbuf_alloc_bulk_callback(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
					unsigned int nr, rpcbuf_page_fn fn,
					void *opaque)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled = bulk_take_each(mm, gfp, nr, fn, opaque);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}
