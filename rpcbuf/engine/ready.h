/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ready.h - pages that a reply will be written into.
 *
 * The call's own come first.  Then they are allocated in growing batches, and
 * without free memory, one at a time from a reserve.  Never waits.  One thread
 * at a time.
 */
#ifndef RPCBUF_ENGINE_READY_H
#define RPCBUF_ENGINE_READY_H

#include <rpcbuf/writer.h>

/* @pool: of @mm.  @respages: see rpcbuf_writer_begin(). */
void ready_init(struct rpcbuf_ready *ready, struct rpcbuf *mm,
		struct rpcbuf_mempool *pool, struct rpcbuf_respages *respages);

/* Returns a page, which the caller owns; or NULL, and sets ->out_of_pages. */
void *ready_take(struct rpcbuf_ready *ready);

/* Unused pages become respages, or are freed. */
void ready_exit(struct rpcbuf_ready *ready);

#endif /* RPCBUF_ENGINE_READY_H */
