/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The walker of pcp.h: every cached page is in range, free, and in one place. */
#include <stdlib.h>

#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/pcp_fast.h>

#define CHECK(condition, sentence)       \
	do {                             \
		if (!(condition))        \
			return sentence; \
	} while (0)

static const char *check_page(const struct rpcbuf *mm, const struct pcp *pcp,
			      void *page, uint8_t *seen)
{
	uint64_t index = arena_index(&mm->arena, page);
	const struct zone_block *block;
	const struct mm_node *node;
	uint64_t number;

	CHECK(index < mm->arena.nr_pages,
	      "pcp: an address in a cache is not a page of the instance");
	CHECK(node_of(mm, index) == pcp->node,
	      "pcp: a cache has a page of another node");
	CHECK(!seen[index], "pcp: a page is in the caches twice");
	seen[index] = 1;
	CHECK(os_load(&mm->refs[index]) == 0,
	      "pcp: a cached page has references");

	node = &mm->nodes[node_of(mm, index)];
	number = (index - node->first) >> ZONE_BLOCK_ORDER;
	block = &os_guarded(&node->zone.lists)->blocks[number];
	CHECK(number < os_own(&node->zone.fresh) &&
		      !(block->free[index / 64 % ZONE_BLOCK_WORDS] >>
				index % 64 &
			1),
	      "pcp: a cached page is free in the zone as well");
	return NULL;
}

static const char *check_cache(const struct rpcbuf *mm, struct pcp *pcp,
			       uint8_t *seen)
{
	uint32_t nr_singles = os_own(&pcp->nr_singles);
	uint32_t nr_runs = os_own(&pcp->nr_runs);
	void **runs = pcp_runs(pcp);
	const char *wrong = NULL;
	uint32_t i, k;

	CHECK(os_own(&pcp->high_singles) <= PCP_SINGLES_MAX &&
		      os_own(&pcp->high_runs) <= PCP_RUNS_MAX,
	      "pcp: a cache may keep more than it has room for");
	CHECK(nr_singles <= PCP_SINGLES_ROOM && nr_runs <= PCP_RUNS_ROOM,
	      "pcp: a cache has more than it has room for");
	for (i = 0; i < nr_singles && !wrong; i++)
		wrong = check_page(mm, pcp, pcp_singles(pcp)[i], seen);
	for (i = 0; i < nr_runs && !wrong; i++) {
		CHECK((uintptr_t)runs[i] % (RUN_PAGES * RPCBUF_PAGE_SIZE) == 0,
		      "pcp: a run is not aligned");
		for (k = 0; k < RUN_PAGES && !wrong; k++)
			wrong = check_page(
				mm, pcp, (char *)runs[i] + k * RPCBUF_PAGE_SIZE,
				seen);
	}
	return wrong;
}

/* Depots belong to no CPU: any cache of the node stands in. */
static const char *check_depot(struct rpcbuf *mm, unsigned int node,
			       struct depot *depot, uint8_t *seen)
{
	struct pcp owner = {.node = (uint16_t)node};
	const char *wrong = NULL;
	unsigned int i, k, nr;

	depot_freeze(depot);
	nr = os_own(&depot->nr);
	if (nr > depot->most || depot->most > DEPOT_ENTRIES)
		wrong = "depot: it has more than it may";
	for (i = 0; i < nr && !wrong; i++)
		for (k = 0; k < depot->each && !wrong; k++)
			wrong = check_page(
				mm, &owner,
				(char *)depot_stack(depot)->entries[i] +
					k * RPCBUF_PAGE_SIZE,
				seen);
	depot_thaw(depot);
	return wrong;
}

const char *pcp_is_valid(struct rpcbuf *mm)
{
	uint8_t *seen = calloc(mm->arena.nr_pages, 1);
	const char *wrong = NULL;
	unsigned int cpu, i;

	if (!seen)
		return "pcp: no memory for the check";
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++)
		os_cpulock_close(&mm->pcps[cpu].lock, mm->rseq);
	os_cpulock_settle(mm->rseq);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++)
		os_cpulock_wait(&mm->pcps[cpu].lock, mm->rseq);
	for (i = 0; i < mm->nr_nodes; i++)
		os_guard(&mm->nodes[i].zone.lists);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps) && !wrong; cpu++)
		wrong = check_cache(mm, &mm->pcps[cpu], seen);
	for (i = 0; i < mm->nr_nodes && !wrong; i++)
		wrong = check_depot(mm, i, &mm->nodes[i].runs, seen);
	for (i = 0; i < mm->nr_nodes && !wrong; i++)
		wrong = check_depot(mm, i, &mm->nodes[i].loose, seen);
	for (i = 0; i < mm->nr_nodes; i++)
		os_unguard(&mm->nodes[i].zone.lists);
	for (cpu = 0; cpu < os_own(&mm->nr_pcps); cpu++)
		os_cpulock_open(&mm->pcps[cpu].lock, mm->rseq);
	os_unlock(&mm->freezing);
	free(seen);
	return wrong;
}
