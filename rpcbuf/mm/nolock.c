/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Releases that never wait, for signal handlers among others.
 *
 * Every lock is only tried for: that of the CPU's cache, which fails when the
 * interrupted thread holds it, then the zone's; what finds neither goes on the
 * zone's list of deferred pages.  Requests that never wait are a branch in
 * the refill of the cache, pcp_refill.c.
 */
#include <errno.h>

#include <rpcbuf/mm/pcp_fast.h>

/* Drops a reference on what is left in the slots, past the caches. */
static void put_rest(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	void *batch[PCP_CHUNK];
	unsigned int last = miss_drop(mm, pages, nr, batch);

	if (last)
		mm_give_nolock(mm, batch, last);
}

static void put_chunk(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	struct pcp *pcp = pcp_trylock_put(mm);
	void *cold[PCP_CHUNK];
	unsigned int n = 0;
	bool left = true;

	if (pcp) {
		left = pcp_push(mm, pcp, pages, nr);
		if (pcp_is_over(pcp))
			n = pcp_cut(pcp, cold);
		os_cpulock_release(&pcp->lock);
	}
	if (n)
		mm_give_nolock(mm, cold, n);
	if (left)
		put_rest(mm, pages, nr);
}

void rpcbuf_free_bulk_array_nolock(struct rpcbuf *mm, unsigned int nr,
				   void **pages)
{
	int saved = errno; /* of the code that a signal interrupted */

	while (nr) {
		unsigned int n = (nr - 1) % PCP_CHUNK + 1;

		nr -= n;
		put_chunk(mm, pages + nr, n);
	}
	errno = saved;
}

void rpcbuf_free_page_nolock(struct rpcbuf *mm, void *page)
{
	rpcbuf_free_bulk_array_nolock(mm, 1, &page);
}
