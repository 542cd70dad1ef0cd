/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/counts.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/ticks.h>

/* Under these locks nothing is on its way. */
uint64_t counts_at_home(struct rpcbuf *mm, uint64_t *cached)
{
	bool lock = !os_load(&mm->forked); /* nobody there to let go of them */
	uint64_t sum;

	if (lock) {
		os_lock(&mm->report.giving);
		os_guard(&mm->budget.balloon);
		os_lock(&mm->freezing);
	}
	*cached = pcp_nr_cached(mm);
	sum = *cached + node_nr_free(mm) + os_load(&mm->budget.withheld) +
	      os_load(&mm->report.isolated);
	if (lock) {
		os_unlock(&mm->freezing);
		os_unguard(&mm->budget.balloon);
		os_unlock(&mm->report.giving);
	}
	return sum;
}

int rpcbuf_mm_counts(struct rpcbuf *mm, struct rpcbuf_mm_counts *given)
{
	struct rpcbuf_mm_counts known = {0}, *counts = &known;
	uint64_t total = mm->arena.nr_pages, cached, reserved, home;
	uint64_t longest = 0;
	unsigned int i;

	node_flush(mm);
	reserved = os_load(&mm->reserved);
	home = counts_at_home(mm, &cached) + reserved;

	/* While pages move, one may be seen twice. */
	counts->pages_total = os_load(&mm->budget.pages);
	counts->pages_cached = cached;
	counts->pages_reserved = reserved;
	counts->pages_out = total - rpcbuf_min(home, total);
	counts->refused = os_load(&mm->refusals.nr);
	for (i = 0; i < mm->nr_nodes; i++) {
		counts->refused += os_load(&mm->nodes[i].zone.refused);
		longest = rpcbuf_max(longest,
				     os_load(&mm->nodes[i].zone.longest));
	}
	counts->longest_hold_ns =
		os_ticks_ns(longest, mm->made_ticks, mm->made_ns);
	return sized_write(given, counts, sizeof(*counts));
}
