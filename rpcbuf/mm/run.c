/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs: adjacent pages, straight from the zone and straight back.  The caches
 * would cut them up.  Any thread; what it costs is the zone's lock once per
 * take, and once per window of a release.
 */
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

_Static_assert(RPCBUF_RUN_MAX == ZONE_BLOCK_PAGES, "a run lies in one block");

unsigned int rpcbuf_alloc_run(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	if (!nr || nr > RPCBUF_RUN_MAX ||
	    !zone_take_run(&mm->zone, pages, nr))
		return 0;
	page_mark_out(mm, pages, nr);
	return nr;
}

void rpcbuf_free_run(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	while (nr) {
		unsigned int n = rpcbuf_min(nr, PCP_WINDOW);

		pcp_put_slow(mm, pages, n);
		pages += n;
		nr -= n;
	}
}
