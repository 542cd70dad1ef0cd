/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The pages that a call has for its reply.
 */
#include <errno.h>
#include <string.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/engine/respages.h"
#include "rpcbuf/os/bits.h"

/* A page of the reserve is for the next reply alone. */
static __attribute__((noinline)) int
fill_reserved(struct rpcbuf_respages *respages, struct rpcbuf_mempool *reserve)
{
	respages->nr = respages->reserved =
		reply_reserved_page(reserve, &respages->pages[0]);
	return respages->nr ? 0 : -ENOMEM;
}

int respages_fill(struct rpcbuf_respages *respages, struct rpcbuf *mm,
		  struct rpcbuf_mempool *reserve)
{
	if (respages->nr)
		return 0;
	rpcbuf_mempool_refill(reserve);
	memset(respages->pages, 0, sizeof(respages->pages));
	respages->reserved = 0;
	respages->nr = rpcbuf_alloc_bulk_array(
		mm, RPCBUF_GFP_NOWAIT, RPCBUF_RESPAGES, respages->pages);
	return rpcbuf_likely(respages->nr) ? 0
					   : fill_reserved(respages, reserve);
}

void respages_release(struct rpcbuf_respages *respages,
		      struct rpcbuf_mempool *reserve)
{
	if (respages->nr)
		rpcbuf_mempool_free_bulk_array(reserve, respages->nr,
					       respages->pages);
	respages->nr = respages->reserved = 0;
}
