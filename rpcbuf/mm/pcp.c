/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Caches that came up empty, are full, or are to give everything back.
 */
#include <string.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/os/numa.h>
#include <rpcbuf/os/stat.h>

static unsigned int node_of_cpu(const struct rpcbuf *mm, unsigned int cpu,
				bool fake)
{
	if (mm->nr_nodes == 1)
		return 0;
	return (fake ? cpu : os_node_of_cpu(cpu)) % mm->nr_nodes;
}

/* Caches hold a quarter of the budget at most, over all CPUs; a third of that
 * as single pages. */
void pcp_limits(struct rpcbuf *mm, uint64_t nr_pages)
{
	uint64_t share = nr_pages / 4 / mm->nr_cpus;
	unsigned int singles, runs;

	singles = (unsigned int)rpcbuf_min((share + 2) / 3,
					   (uint64_t)PCP_SINGLES_MAX);
	runs = (unsigned int)rpcbuf_min(share * 2 / 3 / RUN_PAGES,
					(uint64_t)PCP_RUNS_MAX);
	os_store(&mm->pcp_singles, singles);
	os_store(&mm->pcp_runs, runs);
	os_store(&mm->batch, rpcbuf_min(singles / 2, PCP_CHUNK));
}

void pcp_init(struct rpcbuf *mm, bool fake)
{
	/* None when even the largest budget is too small for them. */
	unsigned int nr = mm->arena.nr_pages / 4 / mm->nr_cpus ? mm->nr_cpus
							       : 0;
	unsigned int singles, runs, cpu;

	os_store(&mm->nr_pcps, nr);
	os_store(&mm->nr_pcps_rseq, mm->rseq ? nr : 0);
	pcp_limits(mm, os_load(&mm->budget.pages));
	singles = rpcbuf_min(os_load(&mm->pcp_singles), PCP_SINGLES_MIN);
	runs = rpcbuf_min(os_load(&mm->pcp_runs), PCP_RUNS_MIN);
	for (cpu = 0; cpu < mm->nr_cpus; cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];

		os_store(&pcp->high_singles, singles);
		os_store(&pcp->high_runs, runs);
		pcp->node = (uint16_t)node_of_cpu(mm, cpu, fake);
		pcp->slice = mm->nodes[pcp->node].slice;
		pcp->refs = mm->refs + mm->nodes[pcp->node].first;
		pcp->refs_of_0 = (uintptr_t)mm->refs -
				 (mm->arena.base >> RPCBUF_PAGE_SHIFT) *
					 sizeof(*mm->refs);
	}
}

static void widen(struct os_u32 *high, uint32_t most)
{
	uint32_t wider = rpcbuf_max(os_own(high) * 2, 1u);

	os_store(high, rpcbuf_min(wider, most));
}

static void double_limits(const struct rpcbuf *mm, struct pcp *pcp)
{
	stat_add(pcp->misses, 1);
	widen(&pcp->high_singles, os_load(&mm->pcp_singles));
	widen(&pcp->high_runs, os_load(&mm->pcp_runs));
}

/* This CPU's cache with its lock, to be filled with pages of a node. */
static struct pcp *trylock_surplus(struct rpcbuf *mm, unsigned int node)
{
	struct pcp *pcp = pcp_trylock_put(mm);

	if (!pcp)
		return NULL;
	if (pcp->node != node) {
		os_cpulock_release(&pcp->lock);
		return NULL;
	}
	double_limits(mm, pcp);
	return pcp;
}

void pcp_give_runs(struct rpcbuf *mm, void *const *runs, unsigned int nr)
{
	void *pages[RUN_PAGES];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		slots_expand_run(pages, runs[i]);
		mm_give(mm, pages, RUN_PAGES);
	}
}

void pcp_put_surplus_runs(struct rpcbuf *mm, unsigned int node,
			  void *const *runs, unsigned int nr)
{
	struct pcp *pcp = trylock_surplus(mm, node);
	unsigned int n = 0, had, high;

	if (pcp) {
		had = os_own(&pcp->nr_runs);
		high = os_own(&pcp->high_runs);
		if (had < high)
			n = rpcbuf_min(nr, high - had);
		memcpy(pcp_runs(pcp) + had, runs, n * sizeof(*runs));
		os_store(&pcp->nr_runs, had + n);
		os_cpulock_release(&pcp->lock);
	}
	n += depot_put(mm, &mm->nodes[node].runs, runs + n, nr - n);
	pcp_give_runs(mm, runs + n, nr - n);
}

void pcp_put_surplus(struct rpcbuf *mm, unsigned int node, void **pages,
		     unsigned int nr, bool adjacent)
{
	struct pcp *pcp = trylock_surplus(mm, node);
	unsigned int i = 0, nr_singles, nr_runs;

	if (!pcp) {
		mm_give(mm, pages, nr);
		return;
	}
	nr_singles = os_own(&pcp->nr_singles);
	nr_runs = os_own(&pcp->nr_runs);
	while (i < nr) {
		if (adjacent && nr - i >= RUN_PAGES &&
		    pcp_may_be_run(&pcp->slice,
				   arena_index(&pcp->slice, pages[i])) &&
		    slots_adjacent_run(pages + i)) {
			pcp_runs(pcp)[nr_runs++] = pages[i];
			i += RUN_PAGES;
		} else {
			pcp_singles(pcp)[nr_singles++] = pages[i++];
		}
	}
	os_store(&pcp->nr_singles, nr_singles);
	os_store(&pcp->nr_runs, nr_runs);
	os_cpulock_release(&pcp->lock);
}

void pcp_note_scattered(struct rpcbuf *mm, bool scattered)
{
	unsigned int cpu = os_cpu();

	if (cpu < pcp_nr(mm) && os_load(&mm->pcps[cpu].scattered) != scattered)
		os_store(&mm->pcps[cpu].scattered, scattered);
}

unsigned int pcp_take_singles(struct rpcbuf *mm, unsigned int node,
			      void **pages, unsigned int want)
{
	struct pcp *pcp = pcp_trylock(mm);
	unsigned int got = 0;

	if (!pcp)
		return 0;
	if (pcp->node == node)
		got = pcp_pop_unmarked(pcp, pages, want);
	os_cpulock_release(&pcp->lock);
	return got;
}

unsigned int pcp_node(const struct rpcbuf *mm)
{
	unsigned int cpu;

	if (mm->nr_nodes == 1)
		return 0;
	cpu = os_cpu();
	return cpu < mm->nr_cpus ? mm->pcps[cpu].node : 0;
}

struct pcp *pcp_missed(struct rpcbuf *mm)
{
	stats_add(mm, STAT_trylock_misses, 1);
	return NULL;
}

unsigned int pcp_cut_stack(void **stack, struct os_u32 *nr, void **cold,
			   unsigned int most)
{
	unsigned int had = os_own(nr), n = rpcbuf_min(had, most);

	memcpy(cold, stack, n * sizeof(*stack));
	os_store(nr, had - n);
	memmove(stack, stack + n, (had - n) * sizeof(*stack));
	return n;
}

static unsigned int cut_runs(struct pcp *pcp, void **cold)
{
	void *runs[PCP_CHUNK / RUN_PAGES];
	unsigned int n, i;

	n = pcp_cut_stack(pcp_runs(pcp), &pcp->nr_runs, runs,
			  PCP_CHUNK / RUN_PAGES);
	for (i = 0; i < n; i++)
		slots_expand_run(cold + i * RUN_PAGES, runs[i]);
	return n * RUN_PAGES;
}

unsigned int pcp_cut(struct pcp *pcp, void **cold)
{
	if (os_own(&pcp->nr_singles) > os_own(&pcp->high_singles))
		return pcp_cut_stack(pcp_singles(pcp), &pcp->nr_singles, cold,
				     PCP_CHUNK);
	return cut_runs(pcp, cold);
}

/* Half of what it may keep leaves at once: by the time that the next batch has
 * to, as many runs were released. */
static void trim_runs_unlock(struct rpcbuf *mm, struct pcp *pcp)
{
	unsigned int half =
		rpcbuf_min(os_own(&pcp->high_runs) / 2, DEPOT_BATCH / 2);
	unsigned int most = rpcbuf_max(half, PCP_CHUNK / RUN_PAGES);
	struct depot *depot = &mm->nodes[pcp->node].runs;
	void *cold[PCP_RUNS_ROOM];
	unsigned int n, kept;

	n = pcp_cut_stack(pcp_runs(pcp), &pcp->nr_runs, cold, most);
	os_cpulock_release(&pcp->lock);
	kept = depot_put(mm, depot, cold, n);
	pcp_give_runs(mm, cold + kept, n - kept);
}

void pcp_trim_unlock(struct rpcbuf *mm, struct pcp *pcp)
{
	void *cold[PCP_CHUNK];
	unsigned int n, kept;

	double_limits(mm, pcp);
	if (os_own(&pcp->nr_singles) > os_own(&pcp->high_singles)) {
		n = pcp_cut_stack(pcp_singles(pcp), &pcp->nr_singles, cold,
				  PCP_CHUNK);
		os_cpulock_release(&pcp->lock);
		kept = depot_put(mm, &mm->nodes[pcp->node].loose, cold, n);
		if (n > kept)
			mm_give(mm, cold + kept, n - kept);
	} else if (os_own(&pcp->nr_runs) > os_own(&pcp->high_runs)) {
		trim_runs_unlock(mm, pcp);
	} else {
		os_cpulock_release(&pcp->lock);
	}
}
