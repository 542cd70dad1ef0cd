/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the holder of a CPU's cache does with it, inlined into the bulk calls.
 * Functions that take a struct pcp want its lock held.
 */
#ifndef RPCBUF_MM_PCP_FAST_H
#define RPCBUF_MM_PCP_FAST_H

#include <rpcbuf/mm/miss.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/mm/wait.h>

/*
 * May be read while guard.c shuts the caches: a thread that sees the old number
 * finds them closed.  An atomic load where that is checked; elsewhere it would
 * only keep the compiler from comparing in memory.
 */
SLOTS_INLINE unsigned int pcp_nr(const struct rpcbuf *mm)
{
#ifdef OS_HIDES_ASM
	return os_load(&mm->nr_pcps);
#else
	return os_own(&mm->nr_pcps);
#endif
}

/* The cache of this CPU with its lock, or NULL: then use the zone. */
SLOTS_INLINE struct pcp *pcp_trylock(struct rpcbuf *mm)
{
	unsigned int cpu;

#ifdef OS_HAVE_RSEQ
	if (rpcbuf_likely(mm->rseq)) {
		struct rseq *area = os_rseq_area();
		struct pcp *pcp;

		cpu = os_cpu_rseq(area);
		if (rpcbuf_unlikely(cpu >= os_own(&mm->nr_pcps)))
			return NULL;
		pcp = &mm->pcps[cpu];
		if (rpcbuf_unlikely(
			    !os_cpulock_try_rseq(area, cpu, &pcp->lock)))
			return pcp_missed(mm);
		if (!pcp) /* the compiler cannot know */
			__builtin_unreachable();
		return pcp;
	}
#endif
	cpu = os_cpu();
	if (cpu >= pcp_nr(mm))
		return NULL;
	if (rpcbuf_unlikely(!os_cpulock_try_atomic(&mm->pcps[cpu].lock)))
		return pcp_missed(mm);
	return &mm->pcps[cpu];
}

/*
 * The same for a release of up to PCP_CHUNK pages, of whatever mix: NULL also
 * when a waiter is queued (asked inside the lock, see wait.c) and when
 * there is no room.
 */
SLOTS_INLINE struct pcp *pcp_trylock_put(struct rpcbuf *mm)
{
	struct pcp *pcp = pcp_trylock(mm);

	if (rpcbuf_unlikely(!pcp))
		return NULL;
	if (rpcbuf_unlikely(wait_pending(mm) ||
			    os_own(&pcp->nr_singles) >
				    PCP_SINGLES_ROOM - PCP_CHUNK ||
			    os_own(&pcp->nr_runs) >
				    PCP_RUNS_ROOM - PCP_CHUNK / RUN_PAGES)) {
		os_cpulock_release(&pcp->lock);
		return NULL;
	}
	return pcp;
}

/* The count of a page that this cache had. */
SLOTS_INLINE struct os_u16 *pcp_refs(uintptr_t refs_of_0, const void *page)
{
	return (struct os_u16 *)(refs_of_0 +
				 ((uintptr_t)page >> RPCBUF_PAGE_SHIFT) *
					 sizeof(uint16_t));
}

/* Single pages go to a caller; debug builds do that in page_mark_out(). */
SLOTS_INLINE void pcp_mark_out(const struct pcp *pcp, void *const *pages,
			       unsigned int nr)
{
	uintptr_t refs_of_0 = pcp->refs_of_0;
	unsigned int i;

	for (i = 0; !RPCBUF_DEBUG && i < nr; i++)
		os_store(pcp_refs(refs_of_0, pages[i]), 1);
}

SLOTS_INLINE unsigned int pcp_pop_unmarked(struct pcp *pcp, void **pages,
					   unsigned int want)
{
	unsigned int nr = rpcbuf_min(want, os_own(&pcp->nr_singles));
	unsigned int left = os_own(&pcp->nr_singles) - nr;

	slots_copy(pages, pcp_singles(pcp) + left, nr);
	os_store(&pcp->nr_singles, left);
	return nr;
}

SLOTS_INLINE unsigned int pcp_pop_singles(struct pcp *pcp, void **pages,
					  unsigned int want)
{
	unsigned int nr = pcp_pop_unmarked(pcp, pages, want);

	pcp_mark_out(pcp, pages, nr);
	return nr;
}

/* Up to PCP_CHUNK.  Less than @want when runs are missing, though there are
 * singles: the zone may have runs, unless it lately had none. */
SLOTS_INLINE unsigned int pcp_pop(struct pcp *pcp, void **pages,
				  unsigned int want)
{
	unsigned int nr = rpcbuf_min(want / RUN_PAGES, os_own(&pcp->nr_runs));
	unsigned int left = os_own(&pcp->nr_runs) - nr;
	uintptr_t refs_of_0 = pcp->refs_of_0;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		void *run = pcp_runs(pcp)[left + i];

		slots_expand_run(pages + i * RUN_PAGES, run);
		if (!RPCBUF_DEBUG)
			slots_store_refs(pcp_refs(refs_of_0, run), 1);
	}
	os_store(&pcp->nr_runs, left);
	i *= RUN_PAGES;
	if (want != i && (want - i < RUN_PAGES || os_load(&pcp->scattered)))
		i += pcp_pop_singles(pcp, pages + i, want - i);
	return i;
}

/* True when a run of this cache could begin with the page. */
SLOTS_INLINE bool pcp_may_be_run(const struct arena *slice, uint64_t index)
{
	return index % RUN_PAGES == 0 && index + RUN_PAGES <= slice->nr_pages;
}

/* When 16 slots hold the pages of a run that this cache may keep, and each has
 * a single owner: drops their references, true. */
SLOTS_INLINE bool pcp_drop_run(struct rpcbuf *mm, const struct arena *slice,
			       struct os_u16 *refs, void *const *pages)
{
	uint64_t index = arena_index(slice, pages[0]);
	slots_quad differ, one = SLOTS_REFS(1);
	unsigned int i;

	if (!pcp_may_be_run(slice, index))
		return false;
	/* Acquire: pairs with the release in page_drop_index(). */
	slots_load_refs(refs + index, &differ);
	differ ^= one;
	slots_compare_run(pages, &differ);
	if (slots_quad_any(differ))
		return false;
	if (!RPCBUF_DEBUG)
		slots_store_refs(refs + index, 0);
	for (i = 0; RPCBUF_DEBUG && i < RUN_PAGES; i++)
		page_drop_index(mm, arena_index(&mm->arena, pages[i]));
	return true;
}

/*
 * Drops a reference on the page of a slot, clears it, keeps the page if it is
 * free.  True when it was left alone, of another node or no page, or there is a
 * refusal to tell of.  @slice and @refs: the caller's copies of the cache's,
 * which a store to a slot does not make the compiler load again.
 */
SLOTS_INLINE bool pcp_push_single(struct rpcbuf *mm, struct pcp *pcp,
				  const struct arena *slice,
				  struct os_u16 *refs, void **slot,
				  unsigned int *nr_singles)
{
	void *page = *slot;
	uint64_t index = arena_index(slice, page);

	if (rpcbuf_unlikely(index >= slice->nr_pages))
		return page != NULL;
	*slot = NULL;
	/* Acquire: pairs with the release in page_drop_index(). */
	if (RPCBUF_DEBUG ||
	    rpcbuf_unlikely(os_load_acquire(&refs[index]) != 1)) {
		if (!page_drop_index(mm, arena_index(&mm->arena, page)))
			return page_has_unlogged(mm);
	} else {
		os_store(&refs[index], 0);
	}
	pcp_singles(pcp)[(*nr_singles)++] = page;
	return false;
}

SLOTS_INLINE bool pcp_push_singles(struct rpcbuf *mm, struct pcp *pcp,
				   void **pages, unsigned int nr)
{
	unsigned int nr_singles = os_own(&pcp->nr_singles), i;
	const struct arena slice = pcp->slice;
	struct os_u16 *refs = pcp->refs;
	bool left = false;

	for (i = 0; i < nr; i++)
		left |= pcp_push_single(mm, pcp, &slice, refs, pages + i,
					&nr_singles);
	os_store(&pcp->nr_singles, nr_singles);
	return left;
}

/* Of an array of 16 and more, what is not a run: kept if single pages come from its
 * block, else it is left alone, as the zone needs it to have runs again.  (Where the
 * zone has none at all, vectors are made of what is kept.) */
SLOTS_INLINE bool pcp_push_rest(struct rpcbuf *mm, struct pcp *pcp,
				const struct arena *slice, struct os_u16 *refs,
				void **slot, unsigned int *nr_singles)
{
	uint64_t index = arena_index(slice, *slot);

	if (index < slice->nr_pages && !os_load(&pcp->scattered) &&
	    rpcbuf_unlikely(!zone_is_single(&mm->nodes[pcp->node].zone, index)))
		return true;
	return pcp_push_single(mm, pcp, slice, refs, slot, nr_singles);
}

/* The same, and whole runs are kept as such. */
SLOTS_INLINE bool pcp_push(struct rpcbuf *mm, struct pcp *pcp, void **pages,
			   unsigned int nr)
{
	unsigned int nr_singles = os_own(&pcp->nr_singles),
		     nr_runs = os_own(&pcp->nr_runs);
	const struct arena slice = pcp->slice;
	struct os_u16 *refs = pcp->refs;
	unsigned int i = 0;
	bool left = false;

	while (nr - i >= RUN_PAGES) {
		if (pcp_drop_run(mm, &slice, refs, pages + i)) {
			pcp_runs(pcp)[nr_runs++] = pages[i];
			slots_clear_run(pages + i);
			i += RUN_PAGES;
		} else {
			left |= pcp_push_rest(mm, pcp, &slice, refs,
					      pages + i++, &nr_singles);
		}
	}
	for (; i < nr; i++)
		left |= pcp_push_rest(mm, pcp, &slice, refs, pages + i,
				      &nr_singles);
	os_store(&pcp->nr_runs, nr_runs);
	os_store(&pcp->nr_singles, nr_singles);
	return left;
}

/* True when a release made it keep more than it should. */
SLOTS_INLINE bool pcp_is_over(const struct pcp *pcp)
{
	return rpcbuf_unlikely(os_own(&pcp->nr_singles) >
				       os_own(&pcp->high_singles) ||
			       os_own(&pcp->nr_runs) > os_own(&pcp->high_runs));
}

/* After a push: lets go of the cache, and sees to what it could not keep. */
SLOTS_INLINE void pcp_pushed(struct rpcbuf *mm, struct pcp *pcp, void **pages,
			     unsigned int nr, bool left)
{
	if (pcp_is_over(pcp))
		pcp_trim_unlock(mm, pcp);
	else
		os_cpulock_release(&pcp->lock);
	if (rpcbuf_unlikely(left))
		miss_put(mm, pages, nr);
}

/*
 * One page, from or to the cache of this CPU: the most common request of all.
 * False when it is not as simple as that; nothing was done then.  Nothing is
 * called here, so a caller that passes what is left on keeps no registers.
 */
SLOTS_INLINE bool pcp_pop_one(struct rpcbuf *mm, void **page)
{
#ifdef OS_HAVE_RSEQ
	struct rseq *area = os_rseq_area();
	unsigned int cpu = os_cpu_rseq(area);
	struct pcp *pcp = &mm->pcps[cpu];
	uint32_t nr;

	if (rpcbuf_unlikely(cpu >= os_own(&mm->nr_pcps_rseq)) ||
	    rpcbuf_unlikely(!os_cpulock_try_rseq(area, cpu, &pcp->lock)))
		return false;
	nr = os_own(&pcp->nr_singles);
	if (rpcbuf_likely(nr != 0)) {
		void *one = pcp_singles(pcp)[nr - 1];

		*page = one;
		os_store(pcp_refs(pcp->refs_of_0, one), 1);
		os_store(&pcp->nr_singles, nr - 1);
	}
	os_cpulock_release(&pcp->lock);
	return nr != 0;
#else
	(void)mm;
	(void)page;
	return false;
#endif
}

SLOTS_INLINE bool pcp_push_one(struct rpcbuf *mm, void **page)
{
#ifdef OS_HAVE_RSEQ
	struct rseq *area = os_rseq_area();
	unsigned int cpu = os_cpu_rseq(area);
	struct pcp *pcp = &mm->pcps[cpu];
	uint64_t index;
	uint32_t nr;

	if (rpcbuf_unlikely(cpu >= os_own(&mm->nr_pcps_rseq)) ||
	    rpcbuf_unlikely(!os_cpulock_try_rseq(area, cpu, &pcp->lock)))
		return false;
	nr = os_own(&pcp->nr_singles);
	index = arena_index(&pcp->slice, *page);
	/* Acquire: as in page_drop(). */
	if (rpcbuf_unlikely(wait_pending(mm) ||
			    nr >= os_own(&pcp->high_singles) ||
			    index >= pcp->slice.nr_pages ||
			    os_load_acquire(&pcp->refs[index]) != 1)) {
		os_cpulock_release(&pcp->lock);
		return false;
	}
	os_store(&pcp->refs[index], 0);
	pcp_singles(pcp)[nr] = *page;
	*page = NULL;
	os_store(&pcp->nr_singles, nr + 1);
	os_cpulock_release(&pcp->lock);
	return true;
#else
	(void)mm;
	(void)page;
	return false;
#endif
}

#endif /* RPCBUF_MM_PCP_FAST_H */
