/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/respages.h - the pages that a reply begins in.
 *
 * A call gets a few pages for its reply before it runs, so that no call runs
 * whose reply then finds no page.  They belong to the call; what its reply does
 * not use stays for the next call.  A writer allocates more when it needs them
 * (rpcbuf/writer.h).  (The kernel's rq_respages, svc_alloc_arg() in
 * net/sunrpc/svc_xprt.c.)
 */
#ifndef RPCBUF_RESPAGES_H
#define RPCBUF_RESPAGES_H

#include <rpcbuf/mempool.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_RESPAGES 4u

/* Zero-initialised it is empty. */
struct rpcbuf_respages {
	unsigned int nr;       /* the first @nr of `pages` are set */
	unsigned int reserved; /* ... of which so many came from a reserve */
	void *pages[RPCBUF_RESPAGES];
};

/*
 * rpcbuf_respages_fill - gets pages if there are none.
 *
 * Allocates as many as fit from @mm, in bulk; if there are none, one page of
 * @reserve.  Returns true when there is a page.  Never waits.
 */
bool rpcbuf_respages_fill(struct rpcbuf_respages *respages, struct rpcbuf *mm,
			  struct rpcbuf_mempool *reserve);

/* Frees the pages: to @reserve until it is full, then to its instance. */
void rpcbuf_respages_release(struct rpcbuf_respages *respages,
			     struct rpcbuf_mempool *reserve);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_RESPAGES_H */
