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

/* The second pass over pages that were taken, after all locks are dropped. */
void bulk_prepare(rpcbuf_gfp_t gfp, void *const *pages, unsigned int nr);

#endif /* RPCBUF_MM_BULK_H */
