/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ready.h - the pages that a reply is written into, before they are used.
 *
 * The call's own come first, then more and more at a time, and where there are
 * none, one at a time from a reserve.  Does not wait.  One thread at a time.
 */
#ifndef RPCBUF_ENGINE_READY_H
#define RPCBUF_ENGINE_READY_H

#include <rpcbuf/writer.h>

/* @pool: of @mm.  @respages: see rpcbuf_writer_begin(). */
void ready_init(struct rpcbuf_ready *ready, struct rpcbuf *mm,
		struct rpcbuf_mempool *pool, struct rpcbuf_respages *respages);

/* A page, which is the caller's; or NULL, and ->out_of_pages says so. */
void *ready_take(struct rpcbuf_ready *ready);

/* What was not used goes back, or to the respages. */
void ready_exit(struct rpcbuf_ready *ready);

#endif /* RPCBUF_ENGINE_READY_H */
