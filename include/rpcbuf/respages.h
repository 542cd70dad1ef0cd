/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/respages.h - the pages that a reply begins in.
 *
 * The reply half of a request's vector: a few pages that are there before the
 * call is run, so that no call is run whose reply then finds none.  Whoever has
 * the call has them; what its reply does not use is there for the next call.  A
 * writer takes more when it needs them (rpcbuf/writer.h).
 * (The kernel's rq_respages, svc_alloc_arg() in net/sunrpc/svc_xprt.c.)
 */
#ifndef RPCBUF_RESPAGES_H
#define RPCBUF_RESPAGES_H

#include <rpcbuf/mempool.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_RESPAGES 4u

/* Zero-initialised there are none. */
struct rpcbuf_respages {
	unsigned int nr;       /* those in front are there */
	unsigned int reserved; /* ... and so many of them are of the reserve */
	void *pages[RPCBUF_RESPAGES];
};

/*
 * rpcbuf_respages_fill - is there a page?
 *
 * When there is none, as many as fit come from @mm in bulk; where that has none,
 * one of @reserve.  False: there is none either.  Never waits.
 */
bool rpcbuf_respages_fill(struct rpcbuf_respages *respages, struct rpcbuf *mm,
			  struct rpcbuf_mempool *reserve);

/* Gives them back: to @reserve while that is short, else to its instance. */
void rpcbuf_respages_release(struct rpcbuf_respages *respages,
			     struct rpcbuf_mempool *reserve);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_RESPAGES_H */
