/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs: adjacent pages, straight from the zone and straight back.  The caches
 * would cut them up.  Any thread; what it costs is the zone's lock once per
 * take and block, and once per window of a release.
 */
#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>

static unsigned int fill(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	unsigned int i;
	char *first;

	if (!nr || nr > RPCBUF_RUN_MAX)
		return 0;
	first = bulk_take_adjacent(mm, RPCBUF_GFP_NOWAIT, nr);
	if (!first)
		return 0;
	for (i = 0; i < nr; i++)
		pages[i] = first + i * RPCBUF_PAGE_SIZE;
	page_mark_adjacent_out(mm, first, nr);
	return nr;
}

unsigned int rpcbuf_alloc_run(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	uint64_t began = bulk_fill_begin();
	unsigned int filled = fill(mm, nr, pages);

	bulk_fill_end(mm, nr, filled, began);
	return filled;
}

unsigned int rpcbuf_bulk_runs(unsigned int nr, void *const *pages)
{
	const char *next = NULL;
	unsigned int i, runs = 0;

	for (i = 0; i < nr; i++) {
		if (!pages[i])
			continue;
		runs += pages[i] != next;
		next = (const char *)pages[i] + RPCBUF_PAGE_SIZE;
	}
	return runs;
}

void rpcbuf_free_run(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	uint64_t began = bulk_free_begin();
	unsigned int done, n;

	for (done = 0; done < nr; done += n) {
		n = rpcbuf_min(nr - done, PCP_WINDOW);
		pcp_put_slow(mm, pages + done, n);
	}
	bulk_free_end(mm, nr, began);
}
