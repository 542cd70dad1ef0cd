/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What a holder of a CPU's cache does with it; for pcp.c and pcp_slow.c.
 * Every function that takes a struct pcp wants its lock held.
 */
#ifndef RPCBUF_MM_PCP_INTERNAL_H
#define RPCBUF_MM_PCP_INTERNAL_H

#include <string.h>

#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/wait.h>

unsigned int pcp_take_slow(struct rpcbuf *mm, void **pages, unsigned int want)
	__attribute__((cold, noinline));
void pcp_put_slow(struct rpcbuf *mm, void **pages, unsigned int nr)
	__attribute__((cold, noinline));

/* Moves the coldest pages, those at the bottom, to @cold: PCP_WINDOW at most,
 * singles before runs.  Returns how many. */
unsigned int pcp_trim(struct rpcbuf *mm, struct pcp *pcp, void **cold)
	__attribute__((cold, noinline));

/* The cache of this CPU with its lock, or NULL: then use the zone. */
static inline struct pcp *pcp_trylock(struct rpcbuf *mm)
{
	unsigned int cpu;

#ifdef OS_HAVE_RSEQ
	if (rpcbuf_likely(mm->rseq)) {
		struct rseq *area = os_rseq_area();

		cpu = os_cpu_rseq(area);
		if (rpcbuf_unlikely(cpu >= mm->nr_pcps))
			return NULL;
		return rpcbuf_likely(os_cpulock_try_rseq(area, cpu,
							 &mm->pcps[cpu].lock))
			       ? &mm->pcps[cpu]
			       : NULL;
	}
#endif
	cpu = os_cpu();
	if (cpu >= mm->nr_pcps || !os_cpulock_try_atomic(&mm->pcps[cpu].lock))
		return NULL;
	return &mm->pcps[cpu];
}

/* Room for one more window, whatever mix of runs and singles it is. */
static inline bool pcp_has_room(const struct pcp *pcp)
{
	return pcp->nr_singles <= PCP_SINGLES_ROOM - PCP_WINDOW &&
	       pcp->nr_runs <= PCP_RUNS_ROOM - PCP_WINDOW / PCP_RUN_PAGES;
}

static inline void pcp_expand_run(void **pages, void *run)
{
	uintptr_t first = (uintptr_t)run;
	unsigned int i;

	for (i = 0; i < PCP_RUN_PAGES; i++)
		pages[i] = (void *)(first + i * RPCBUF_PAGE_SIZE);
}

/* Less than @want when runs are missing: the zone may have some. */
static inline unsigned int pcp_pop(struct pcp *pcp, void **pages,
				   unsigned int want)
{
	unsigned int nr, i, taken = 0;

	nr = rpcbuf_min(want / PCP_RUN_PAGES, pcp->nr_runs);
	if (nr) {
		os_store(&pcp->nr_runs, pcp->nr_runs - nr);
		for (i = 0; i < nr; i++)
			pcp_expand_run(pages + i * PCP_RUN_PAGES,
				       pcp->runs[pcp->nr_runs + i]);
		taken = nr * PCP_RUN_PAGES;
		want -= taken;
	}
	if (want < PCP_RUN_PAGES) {
		nr = rpcbuf_min(want, pcp->nr_singles);
		os_store(&pcp->nr_singles, pcp->nr_singles - nr);
		for (i = 0; i < nr; i++)
			pages[taken + i] = pcp->singles[pcp->nr_singles + i];
		taken += nr;
	}
	return taken;
}

/* True when 16 slots hold the pages of a run, each with a single owner. */
static inline bool pcp_is_run(struct rpcbuf *mm, void *const *pages)
{
	uint64_t index = arena_index(&mm->arena, pages[0]);
	uintptr_t first = (uintptr_t)pages[0], differ = 0;
	const uint64_t *extra;
	unsigned int i;

	if (index % PCP_RUN_PAGES || index + PCP_RUN_PAGES > mm->arena.nr_pages)
		return false;
	for (i = 0; i < PCP_RUN_PAGES; i++)
		differ |= (uintptr_t)pages[i] ^ (first + i * RPCBUF_PAGE_SIZE);
	if (differ)
		return false;
	/* Four counts at a time. Acquire: as in page_drop(). */
	extra = (const uint64_t *)(const void *)&mm->extra[index];
	return !(os_load_acquire(&extra[0]) | os_load_acquire(&extra[1]) |
		 os_load_acquire(&extra[2]) | os_load_acquire(&extra[3]));
}

static inline void pcp_push_run(struct pcp *pcp, void *run)
{
	pcp->runs[pcp->nr_runs] = run;
	os_store(&pcp->nr_runs, pcp->nr_runs + 1);
}

static inline void pcp_push_single(struct pcp *pcp, void *page)
{
	pcp->singles[pcp->nr_singles] = page;
	os_store(&pcp->nr_singles, pcp->nr_singles + 1);
}

/* Drops a reference on the page of each slot, clears it, keeps the free. */
static inline void pcp_push(struct rpcbuf *mm, struct pcp *pcp, void **pages,
			    unsigned int nr)
{
	unsigned int i = 0, k;

	while (i < nr) {
		void *page = pages[i];

		if (nr - i >= PCP_RUN_PAGES && pcp_is_run(mm, pages + i)) {
			for (k = 0; RPCBUF_DEBUG && k < PCP_RUN_PAGES; k++)
				page_mark_free(mm, arena_index(&mm->arena,
							       pages[i + k]));
			memset(pages + i, 0, PCP_RUN_PAGES * sizeof(*pages));
			pcp_push_run(pcp, page);
			i += PCP_RUN_PAGES;
			continue;
		}
		pages[i++] = NULL;
		if (page && page_drop(mm, page))
			pcp_push_single(pcp, page);
	}
}

#endif /* RPCBUF_MM_PCP_INTERNAL_H */
