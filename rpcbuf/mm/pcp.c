/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Caches that came up empty, are full, or are to give everything back.
 */
#include <string.h>

#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>
#include <rpcbuf/os/numa.h>

static unsigned int node_of_cpu(const struct rpcbuf *mm, unsigned int cpu,
				bool fake)
{
	if (mm->nr_nodes == 1)
		return 0;
	return (fake ? cpu : os_node_of_cpu(cpu)) % mm->nr_nodes;
}

/* Caches hold a quarter of the budget at most, over all CPUs; a third of that
 * as single pages. */
void pcp_init(struct rpcbuf *mm, bool fake)
{
	uint64_t share = mm->arena.nr_pages / 4 / mm->nr_cpus;
	unsigned int cpu;

	mm->nr_pcps = share ? mm->nr_cpus : 0;
	mm->nr_pcps_rseq = mm->rseq ? mm->nr_pcps : 0;
	mm->pcp_singles = (unsigned int)rpcbuf_min((share + 2) / 3,
						   (uint64_t)PCP_SINGLES_MAX);
	mm->pcp_runs = (unsigned int)rpcbuf_min(share * 2 / 3 / RUN_PAGES,
						(uint64_t)PCP_RUNS_MAX);
	mm->batch = rpcbuf_min(mm->pcp_singles / 2, PCP_WINDOW);
	for (cpu = 0; cpu < mm->nr_cpus; cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];

		pcp->high_singles = mm->pcp_singles;
		pcp->high_runs = mm->pcp_runs;
		pcp->node = node_of_cpu(mm, cpu, fake);
		pcp->slice = mm->nodes[pcp->node].slice;
		pcp->extra = mm->extra + mm->nodes[pcp->node].first;
	}
}

void pcp_stock(struct rpcbuf *mm, unsigned int node, void **pages,
	       unsigned int nr, bool adjacent)
{
	struct pcp *pcp = pcp_trylock_put(mm);
	unsigned int i = 0, nr_singles, nr_runs;

	if (pcp && pcp->node != node) {
		os_cpulock_release(&pcp->lock);
		pcp = NULL;
	}
	if (!pcp) {
		mm_give(mm, pages, nr);
		return;
	}
	nr_singles = pcp->nr_singles;
	nr_runs = pcp->nr_runs;
	while (i < nr) {
		if (adjacent && nr - i >= RUN_PAGES &&
		    pcp_is_run(pcp, pages + i)) {
			pcp->runs[nr_runs++] = pages[i];
			i += RUN_PAGES;
		} else {
			pcp->singles[nr_singles++] = pages[i++];
		}
	}
	os_store(&pcp->nr_singles, nr_singles);
	os_store(&pcp->nr_runs, nr_runs);
	os_cpulock_release(&pcp->lock);
}

unsigned int pcp_take_slow(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void **pages,
			   unsigned int want)
{
	return node_take(mm, gfp, node_here(mm), RPCBUF_NODES_ALL, pages, want);
}

void pcp_put_slow(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	void *batch[PCP_WINDOW];
	unsigned int i, kept = 0;

	for (i = 0; i < nr; i++) {
		void *page = pages[i];

		pages[i] = NULL;
		if (page && page_drop(mm, page))
			batch[kept++] = page;
	}
	if (kept)
		mm_give(mm, batch, kept);
}

static unsigned int cut(void **stack, uint32_t *nr, void **cold,
			unsigned int most)
{
	unsigned int n = rpcbuf_min(*nr, most);

	memcpy(cold, stack, n * sizeof(*stack));
	os_store(nr, *nr - n);
	memmove(stack, stack + n, *nr * sizeof(*stack));
	return n;
}

static unsigned int cut_runs(struct pcp *pcp, void **cold)
{
	void *runs[PCP_WINDOW / RUN_PAGES];
	unsigned int n, i;

	n = cut(pcp->runs, &pcp->nr_runs, runs, PCP_WINDOW / RUN_PAGES);
	for (i = 0; i < n; i++)
		slots_expand_run(cold + i * RUN_PAGES, runs[i]);
	return n * RUN_PAGES;
}

unsigned int pcp_cut(struct pcp *pcp, void **cold)
{
	if (pcp->nr_singles > pcp->high_singles)
		return cut(pcp->singles, &pcp->nr_singles, cold, PCP_WINDOW);
	return cut_runs(pcp, cold);
}

void pcp_trim_unlock(struct rpcbuf *mm, struct pcp *pcp)
{
	void *cold[PCP_WINDOW];
	unsigned int n = pcp_cut(pcp, cold);

	os_cpulock_release(&pcp->lock);
	mm_give(mm, cold, n);
}

/* Empties a copy of a cache into the zone. */
static uint64_t pour(struct rpcbuf *mm, const struct pcp *copy)
{
	void *run[RUN_PAGES];
	uint32_t i, n;

	for (i = 0; i < copy->nr_runs; i++) {
		slots_expand_run(run, copy->runs[i]);
		mm_give(mm, run, RUN_PAGES);
	}
	for (i = 0; i < copy->nr_singles; i += n) {
		n = rpcbuf_min(copy->nr_singles - i, PCP_WINDOW);
		mm_give(mm, copy->singles + i, n);
	}
	return (uint64_t)copy->nr_runs * RUN_PAGES + copy->nr_singles;
}

/*
 * Freezes all caches with one membarrier, then empties them one by one.  Each
 * is frozen for the time of a copy; the zone gets the pages when it is
 * open again.  `freezing` is held to the end, so that whoever finds caches and
 * zone empty can wait for pages that are on their way between them.
 */
uint64_t pcp_drain_all(struct rpcbuf *mm)
{
	uint64_t drained = 0;
	unsigned int cpu;
	struct pcp copy;

	os_lock(&mm->freezing);
	for (cpu = 0; cpu < mm->nr_pcps; cpu++)
		os_cpulock_close(&mm->pcps[cpu].lock, mm->rseq);
	os_cpulock_settle(mm->rseq);
	for (cpu = 0; cpu < mm->nr_pcps; cpu++) {
		struct pcp *pcp = &mm->pcps[cpu];

		os_cpulock_wait(&pcp->lock, mm->rseq);
		copy.nr_runs = pcp->nr_runs;
		copy.nr_singles = pcp->nr_singles;
		memcpy(copy.runs, pcp->runs, copy.nr_runs * sizeof(*copy.runs));
		memcpy(copy.singles, pcp->singles,
		       copy.nr_singles * sizeof(*copy.singles));
		os_store(&pcp->nr_runs, 0);
		os_store(&pcp->nr_singles, 0);
		os_cpulock_open(&pcp->lock, mm->rseq);
		drained += pour(mm, &copy);
	}
	os_unlock(&mm->freezing);
	return drained;
}

uint64_t pcp_nr_cached(struct rpcbuf *mm)
{
	uint64_t cached = 0;
	unsigned int cpu;

	for (cpu = 0; cpu < mm->nr_pcps; cpu++)
		cached += os_load(&mm->pcps[cpu].nr_singles) +
			  (uint64_t)os_load(&mm->pcps[cpu].nr_runs) * RUN_PAGES;
	return cached;
}
