/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/ready.h"

#include <rpcbuf/mempool.h>
#include <string.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/os/bits.h"

/* Takes the call's own pages. */
static void take_respages(struct rpcbuf_ready *ready)
{
	struct rpcbuf_respages *respages = ready->respages;

	memcpy(ready->pages, respages->pages, sizeof(respages->pages));
	ready->nr = respages->nr;
	ready->nr_reserved = respages->reserved;
	respages->nr = respages->reserved = 0;
}

void ready_init(struct rpcbuf_ready *ready, struct rpcbuf *mm,
		struct rpcbuf_mempool *pool, struct rpcbuf_respages *respages)
{
	ready->mm = mm;
	ready->pool = pool;
	ready->respages = respages;
	ready->out_of_pages = false;
	ready->nr = ready->next = ready->nr_reserved = 0;
	ready->grow = respages ? RPCBUF_RESPAGES : 1;
	if (respages)
		take_respages(ready);
}

/* What is not needed at once is not for a reserve to give. */
static __attribute__((noinline)) void use_reserve(struct rpcbuf_ready *ready)
{
	ready->nr = reply_reserved_page(ready->pool, &ready->pages[0]);
	ready->nr_reserved += ready->nr;
}

void *ready_take(struct rpcbuf_ready *ready)
{
	if (ready->next == ready->nr) {
		memset(ready->pages, 0, sizeof(ready->pages));
		ready->next = 0;
		ready->nr = rpcbuf_alloc_bulk_array(ready->mm,
						    RPCBUF_GFP_NOWAIT,
						    ready->grow, ready->pages);
		ready->grow = rpcbuf_min(4 * ready->grow, RPCBUF_WRITER_PAGES);
		if (rpcbuf_unlikely(!ready->nr))
			use_reserve(ready);
	}
	ready->out_of_pages = ready->next == ready->nr;
	return ready->out_of_pages ? NULL : ready->pages[ready->next++];
}

/* Leaves pages for the next reply, unless they came from a reserve. */
void ready_exit(struct rpcbuf_ready *ready)
{
	unsigned int left = ready->nr - ready->next, kept = 0;
	void **rest = ready->pages + ready->next;

	if (ready->respages && !ready->nr_reserved) {
		kept = rpcbuf_min(left, RPCBUF_RESPAGES);
		memcpy(ready->respages->pages, rest, kept * sizeof(*rest));
		ready->respages->nr = kept;
	}
	if (left > kept)
		rpcbuf_mempool_free_bulk_array(ready->pool, left - kept,
					       rest + kept);
}
