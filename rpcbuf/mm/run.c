/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs: adjacent pages, straight from the zone and straight back.  The caches
 * would cut them up.  Any thread; what it costs is the zone's lock once per
 * take and block, and once per block or chunk of a release.
 */
#include <string.h>

#include <rpcbuf/mm/bulk.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp_fast.h>
#include <rpcbuf/mm/stats.h>

static unsigned int alloc_adjacent(struct rpcbuf *mm, unsigned int nr,
				   void **pages)
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
	unsigned int filled = alloc_adjacent(mm, nr, pages);

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

/* How many slots at the front of an array are pages of one stretch and block, 16
 * and 16 of them, with a single owner each: these are free then.  0 for any
 * other. */
static unsigned int drop_stretch(struct rpcbuf *mm, void *const *pages,
				 unsigned int nr)
{
	uint64_t index = arena_index(&mm->arena, pages[0]);
	unsigned int done = 0;

	while (nr - done >= RUN_PAGES &&
	       (!done || (rpcbuf_adjacent(pages[done - 1], pages[done]) &&
			  (index + done) % ZONE_BLOCK_PAGES)) &&
	       pcp_drop_run(mm, &mm->arena, mm->refs, pages + done))
		done += RUN_PAGES;
	return done;
}

static void give_stretch(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	stats_add(mm, STAT_zone_puts, 1);
	stats_add(mm, STAT_zone_put_pages, nr);
	mm_give_run(mm, pages[0], nr);
	memset(pages, 0, nr * sizeof(*pages));
}

/* How many slots at the front of an array, up to PCP_CHUNK, lie before one from
 * which drop_stretch() may do better. */
static unsigned int before_stretch(const struct rpcbuf *mm, void *const *pages,
				   unsigned int nr)
{
	unsigned int most = rpcbuf_min(nr, PCP_CHUNK), i;

	for (i = 1; i < most && nr - i >= RUN_PAGES; i++)
		if (arena_index(&mm->arena, pages[i]) % RUN_PAGES == 0 &&
		    rpcbuf_adjacent(pages[i], pages[i + 1]))
			return i;
	return most;
}

void rpcbuf_free_run(struct rpcbuf *mm, unsigned int nr, void **pages)
{
	bool whole = !guard_on(mm) && !fork_is_child(mm);
	uint64_t began = bulk_free_begin();
	unsigned int done, n;

	for (done = 0; done < nr; done += n) {
		n = whole ? drop_stretch(mm, pages + done, nr - done) : 0;
		if (n) {
			give_stretch(mm, n, pages + done);
			continue;
		}
		n = before_stretch(mm, pages + done, nr - done);
		miss_put(mm, pages + done, n);
	}
	bulk_free_end(mm, nr, began);
}
