/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fills the reply half of a request's vector (struct rpcbuf_respages): a few pages
 * that are there before the call is run, so that no call is run whose reply then
 * finds none.
 *
 * The thread that has the call has them; what its reply does not use is there for
 * the next call.
 */
#ifndef RPCBUF_ENGINE_RESPAGES_H
#define RPCBUF_ENGINE_RESPAGES_H

#include <rpcbuf/mempool.h>
#include <rpcbuf/reply.h>

/*
 * When there is no page, takes as many as fit from @mm in bulk; where that has none,
 * one of @reserve.  Returns 0, or -ENOMEM: there is none either.  Never waits.
 */
int respages_fill(struct rpcbuf_respages *respages, struct rpcbuf *mm,
		  struct rpcbuf_mempool *reserve);

/* Gives them back: to @reserve while that is short, else to its instance. */
void respages_release(struct rpcbuf_respages *respages,
		      struct rpcbuf_mempool *reserve);

#endif /* RPCBUF_ENGINE_RESPAGES_H */
