/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Taking pages out of other CPUs' caches: all of them in a shortage or for a
 * waiter, the idle ones as time goes by.
 *
 * A cache is closed, one membarrier settles all that are closed, and each is
 * then emptied and opened again: it is frozen for the time of a copy, and the
 * zone gets the pages afterwards.  `freezing` is held to the end, so that
 * a thread that finds caches and zone empty can wait for pages that are on
 * their way between them.
 */
#include <string.h>

#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>
#include <rpcbuf/mm/stats.h>

/* What was taken out of a cache. */
struct taken {
	unsigned int nr_singles, nr_runs;
	void *runs[PCP_RUNS_ROOM];
	void *singles[PCP_SINGLES_ROOM];
};

/* Puts it in the zone. */
static uint64_t pour(struct rpcbuf *mm, const struct taken *copy)
{
	uint32_t i, n;

	pcp_give_runs(mm, copy->runs, copy->nr_runs);
	for (i = 0; i < copy->nr_singles; i += n) {
		n = rpcbuf_min(copy->nr_singles - i, PCP_CHUNK);
		mm_give(mm, copy->singles + i, n);
	}
	return (uint64_t)copy->nr_runs * RUN_PAGES + copy->nr_singles;
}

/* Takes what is over the given numbers, the coldest, out of a frozen cache. */
static void empty(struct pcp *pcp, uint32_t singles, uint32_t runs,
		  struct taken *copy)
{
	unsigned int nr_runs = os_own(&pcp->nr_runs);
	unsigned int nr_singles = os_own(&pcp->nr_singles);

	copy->nr_runs = copy->nr_singles = 0;
	if (nr_runs > runs)
		copy->nr_runs = pcp_cut_stack(pcp_runs(pcp), &pcp->nr_runs,
					      copy->runs, nr_runs - runs);
	if (nr_singles > singles)
		copy->nr_singles =
			pcp_cut_stack(pcp_singles(pcp), &pcp->nr_singles,
				      copy->singles, nr_singles - singles);
}

static uint64_t give_entries(struct rpcbuf *mm, const struct depot *depot,
			     void *const *entries, unsigned int nr)
{
	unsigned int i, n;

	if (depot->each == RUN_PAGES)
		pcp_give_runs(mm, entries, nr);
	for (i = 0; depot->each == 1 && i < nr; i += n) {
		n = rpcbuf_min(nr - i, PCP_CHUNK);
		mm_give(mm, entries + i, n);
	}
	return (uint64_t)nr * depot->each;
}

static uint64_t drain_depot(struct rpcbuf *mm, struct depot *depot)
{
	void *entries[DEPOT_ENTRIES];
	unsigned int n;

	depot_freeze(depot);
	n = depot_take_frozen(depot, entries, DEPOT_ENTRIES);
	depot_thaw(depot);
	return give_entries(mm, depot, entries, n);
}

static uint64_t drain_depots(struct rpcbuf *mm)
{
	uint64_t drained = 0;
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++)
		drained += drain_depot(mm, &mm->nodes[node].runs) +
			   drain_depot(mm, &mm->nodes[node].loose);
	return drained;
}

uint64_t pcp_drain_all(struct rpcbuf *mm)
{
	uint64_t drained = 0;
	unsigned int cpu;
	struct taken copy;

	if (os_load(&mm->forked))
		return 0;
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++)
		os_cpulock_close(&mm->pcps[cpu].lock, mm->rseq);
	os_cpulock_settle(mm->rseq);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];

		os_cpulock_wait(&pcp->lock, mm->rseq);
		empty(pcp, 0, 0, &copy);
		os_cpulock_open(&pcp->lock, mm->rseq);
		drained += pour(mm, &copy);
	}
	/* After the caches: what they were trimmed of is there by now, or goes
	 * to the zone. */
	drained += drain_depots(mm);
	os_unlock(&mm->freezing);
	stats_add(mm, STAT_drains, 1);
	stats_add(mm, STAT_drained_pages, drained);
	return drained;
}

static void halve_limits(struct pcp *pcp)
{
	uint32_t misses = os_own(&pcp->misses);
	uint32_t singles = os_own(&pcp->high_singles);
	uint32_t runs = os_own(&pcp->high_runs);

	if (misses == os_own(&pcp->misses_before)) {
		if (singles > PCP_SINGLES_MIN)
			os_store(&pcp->high_singles, singles / 2);
		if (runs > PCP_RUNS_MIN)
			os_store(&pcp->high_runs, runs / 2);
	}
	os_store(&pcp->misses_before, misses);
}

/* True when there is something to do about a cache: decided without its lock,
 * so that busy ones are not frozen for nothing. */
static bool has_decayed(struct pcp *pcp)
{
	bool wide = os_load(&pcp->high_runs) > PCP_RUNS_MIN ||
		    os_load(&pcp->high_singles) > PCP_SINGLES_MIN;
	uint32_t singles = os_load(&pcp->nr_singles);
	uint32_t runs = os_load(&pcp->nr_runs);
	uint32_t misses = os_load(&pcp->misses);
	bool quiet = misses == os_own(&pcp->misses_before);
	bool idle = os_cpulock_unused(&pcp->lock);

	os_store(&pcp->scattered, 0); /* the zone is to be asked again */
	os_store(&pcp->idle, idle);
	if (idle)
		return singles || runs || wide;
	if (!quiet) {
		os_store(&pcp->misses_before, misses);
		return false;
	}
	return wide;
}

static uint64_t decay_depot(struct rpcbuf *mm, struct depot *depot)
{
	void *entries[DEPOT_BATCH];
	uint64_t drained = 0;
	unsigned int n;

	do {
		n = depot_decay(depot, entries);
		drained += give_entries(mm, depot, entries, n);
	} while (n == DEPOT_BATCH);
	return drained;
}

static uint64_t decay_depots(struct rpcbuf *mm)
{
	uint64_t drained = 0;
	unsigned int node;

	for (node = 0; node < mm->nr_nodes; node++)
		drained += decay_depot(mm, &mm->nodes[node].runs) +
			   decay_depot(mm, &mm->nodes[node].loose);
	return drained;
}

uint64_t pcp_decay(struct rpcbuf *mm)
{
	unsigned int cpu, closed = 0, idle;
	uint64_t drained = 0;
	struct taken copy;

	if (os_load(&mm->forked))
		return 0;
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++) {
		if (!has_decayed(&mm->pcps[cpu]))
			continue;
		os_cpulock_close(&mm->pcps[cpu].lock, mm->rseq);
		closed++;
	}
	if (closed)
		os_cpulock_settle(mm->rseq);
	for (cpu = 0; closed && cpu < os_own(&mm->nr_pcps); cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];

		if (!os_load(&pcp->lock.closed))
			continue;
		os_cpulock_wait(&pcp->lock, mm->rseq);
		halve_limits(pcp);
		idle = os_own(&pcp->idle);
		empty(pcp, idle ? 0 : os_own(&pcp->high_singles),
		      idle ? 0 : os_own(&pcp->high_runs), &copy);
		os_cpulock_open(&pcp->lock, mm->rseq);
		drained += pour(mm, &copy);
	}
	drained += decay_depots(mm);
	os_unlock(&mm->freezing);
	stats_add(mm, STAT_drained_pages, drained);
	return drained;
}

uint64_t pcp_nr_cached(struct rpcbuf *mm)
{
	unsigned int i, nr_pcps = os_load(&mm->nr_pcps);
	uint64_t cached = 0, runs = 0;

	for (i = 0; i < nr_pcps; i++) {
		cached += os_load(&mm->pcps[i].nr_singles);
		runs += os_load(&mm->pcps[i].nr_runs);
	}
	for (i = 0; i < mm->nr_nodes; i++) {
		cached += depot_nr(&mm->nodes[i].loose);
		runs += depot_nr(&mm->nodes[i].runs);
	}
	return cached + runs * RUN_PAGES;
}
