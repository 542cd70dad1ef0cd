/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The fast paths: a fill and a release that the cache of this CPU can serve.
 * Misses go to the functions of pcp_slow.c.
 */
#include <rpcbuf/mm/pcp_internal.h>

unsigned int pcp_take(struct rpcbuf *mm, void **pages, unsigned int want)
{
	struct pcp *pcp = pcp_trylock(mm);
	unsigned int taken = 0;

	if (rpcbuf_likely(pcp != NULL)) {
		taken = pcp_pop(pcp, pages, want);
		os_cpulock_release(&pcp->lock);
	}
	if (rpcbuf_unlikely(taken < want))
		taken += pcp_take_slow(mm, pages + taken, want - taken);
	page_mark_out(mm, pages, taken);
	return taken;
}

void pcp_put(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	struct pcp *pcp = pcp_trylock(mm);
	void *cold[PCP_WINDOW];
	unsigned int nr_cold = 0;

	if (rpcbuf_unlikely(pcp == NULL)) {
		pcp_put_slow(mm, pages, nr);
		return;
	}
	/* Asked inside the lock, see wait.c. */
	if (rpcbuf_unlikely(wait_pending(mm) || !pcp_has_room(pcp))) {
		os_cpulock_release(&pcp->lock);
		pcp_put_slow(mm, pages, nr);
		return;
	}
	pcp_push(mm, pcp, pages, nr);
	if (rpcbuf_unlikely(pcp->nr_singles > mm->pcp_singles ||
			    pcp->nr_runs > mm->pcp_runs))
		nr_cold = pcp_trim(mm, pcp, cold);
	os_cpulock_release(&pcp->lock);
	if (rpcbuf_unlikely(nr_cold))
		mm_give(mm, cold, nr_cold);
}
