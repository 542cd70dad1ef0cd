/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Making and unmaking an instance.
 *
 * An instance belongs to the process that made it, see fork.h.
 */
#include <errno.h>
#include <string.h>

#include <rpcbuf/mm/counts.h>
#include <rpcbuf/mm/fault.h>
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/harden.h>
#include <rpcbuf/mm/maintain.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/poison.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/numa.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/sized.h>
#include <rpcbuf/os/ticks.h>
#include <rpcbuf/os/why.h>

static int read_options(struct rpcbuf_options *known,
			const struct rpcbuf_options *given)
{
	int err;

	if (!given)
		return -EINVAL;
	*known = (struct rpcbuf_options)RPCBUF_OPTIONS_INIT;
	err = sized_read(known, sizeof(*known), given);
	if (err)
		return err;
	if (!known->memory_max)
		known->memory_max = known->memory;
	if (known->memory < RPCBUF_MEMORY_MIN ||
	    known->memory > known->memory_max ||
	    known->memory_max > RPCBUF_MEMORY_MAX)
		return -EINVAL;
	if (known->nodes > RPCBUF_NODES_MAX ||
	    known->nodes * (uint64_t)OS_HUGE_SIZE > known->memory)
		return -EINVAL;
	if (known->harden & ~RPCBUF_HARDEN_ALL)
		return -EINVAL;
	return 0;
}

static size_t align_up(size_t n, size_t align)
{
	return (n + align - 1) & ~(align - 1);
}

/* Carves the bookkeeping out of one mapping; `refs` in multiples of four counts,
 * as runs are read, and on a line's edge: what two CPUs take from a zone in
 * chunks then has its counts in lines of its own. */
static int map_bookkeeping(struct rpcbuf **mm, uint64_t nr_pages,
			   unsigned int nr_cpus, unsigned int nr_nodes)
{
	size_t nodes, pcps, blocks, refs, links, length;
	char *map;
	void *address;
	int err;

	nodes = align_up(sizeof(struct rpcbuf), 128);
	pcps = align_up(nodes + nr_nodes * sizeof(struct mm_node), 128);
	blocks = align_up(pcps + nr_cpus * sizeof(struct pcp), 128);
	refs = align_up(blocks + zone_footprint(nr_pages), 128);
	links = refs + align_up((size_t)nr_pages * sizeof(uint16_t), 8);
	length = align_up(links + (size_t)nr_pages * sizeof(uint32_t),
			  RPCBUF_PAGE_SIZE);

	err = os_map(&address, length, RPCBUF_PAGE_SIZE);
	if (err) {
		os_why(err,
		       "no %zu bytes of address space for the bookkeeping of "
		       "%llu pages",
		       length, (unsigned long long)nr_pages);
		return err;
	}
	os_advise_huge(address, length, false);
	map = address;
	*mm = address;
	(*mm)->footprint = length;
	(*mm)->nr_cpus = nr_cpus;
	(*mm)->nr_nodes = nr_nodes;
	(*mm)->nodes = (struct mm_node *)(void *)(map + nodes);
	(*mm)->pcps = (struct pcp *)(void *)(map + pcps);
	(*mm)->blocks = map + blocks;
	(*mm)->refs = (struct os_u16 *)(void *)(map + refs);
	(*mm)->links = (struct os_u32 *)(void *)(map + links);
	return 0;
}

/* A slice for each node, whole blocks; small budgets are not worth a split. */
#define NODE_PAGES_MIN ((uint64_t)4096)

static unsigned int choose_nodes(const struct rpcbuf_options *options)
{
	unsigned int nodes = options->nodes;

	if (nodes)
		return nodes;
	nodes = os_node_count();
	return options->memory >> RPCBUF_PAGE_SHIFT < nodes * NODE_PAGES_MIN
		       ? 1
		       : nodes;
}

static void init_nodes(struct rpcbuf *mm, bool real)
{
	uint64_t slice = mm->arena.nr_pages / mm->nr_nodes;
	unsigned int i, distances[RPCBUF_NODES_MAX] = {0};

	mm->slice_pages = slice - slice % ZONE_BLOCK_PAGES;
	for (i = 0; i < mm->nr_nodes; i++) {
		struct mm_node *node = &mm->nodes[i];
		uint64_t first = i * mm->slice_pages;

		node->first = first;
		if (real)
			os_node_distances(i, mm->nr_nodes, distances);
		node_order(node->order, mm->nr_nodes, i, distances);
		node->slice.base = (uintptr_t)arena_page(&mm->arena, first);
		node->slice.nr_pages = i + 1 == mm->nr_nodes
					       ? mm->arena.nr_pages - first
					       : mm->slice_pages;
		zone_init(&node->zone, &node->slice,
			  (char *)mm->blocks + zone_footprint(first),
			  mm->links + first);
		depot_init(&node->runs, node->slice.nr_pages, RUN_PAGES);
		depot_init(&node->loose, node->slice.nr_pages, 1);
		if (real)
			os_prefer_node((void *)node->slice.base,
				       (size_t)node->slice.nr_pages
					       << RPCBUF_PAGE_SHIFT,
				       i);
	}
}

static void unmap_all(struct rpcbuf *mm)
{
	poison_destroy(mm);
	harden_destroy(mm);
	stats_destroy(mm);
	if (mm->window_fd >= 0)
		os_close(mm->window_fd);
	arena_unmap(&mm->arena);
	os_unmap(mm, mm->footprint);
}

/* What options and environment ask for. */
static int create_guards(struct rpcbuf *mm,
			 const struct rpcbuf_options *options)
{
	uint32_t bits;
	int err = harden_create(mm, options->harden, &bits);

	if (err)
		return err;
	if (bits)
		guard_change(mm, bits, 0);
	return fault_create(mm);
}

/* What has mappings of its own. */
static int create_more(struct rpcbuf *mm, const struct rpcbuf_options *options)
{
	int err = stats_create(mm);

	if (err)
		return os_why(err,
			      "no address space for the statistics of %u "
			      "CPUs",
			      mm->nr_cpus);
	err = poison_create(mm);
	if (err)
		return os_why(err,
			      "no address space for the owners of %llu "
			      "pages",
			      (unsigned long long)mm->arena.nr_pages);
	err = create_guards(mm, options);
	if (err)
		return os_why(err,
			      "RPCBUF_HARDEN or RPCBUF_FAULT cannot be "
			      "had for %llu pages",
			      (unsigned long long)mm->arena.nr_pages);
	err = fork_watch(mm);
	if (err)
		os_why(err, "cannot register fork handlers");
	return err;
}

int rpcbuf_create(struct rpcbuf **mm, const struct rpcbuf_options *options)
{
	unsigned int nr_cpus = os_cpu_count();
	struct rpcbuf_options known;
	struct rpcbuf *new;
	uint64_t nr_pages;
	int err;

	err = read_options(&known, options);
	if (err)
		return os_why(err, "an option of the instance is out of range");
	nr_pages = known.memory_max >> RPCBUF_PAGE_SHIFT;
	err = map_bookkeeping(&new, nr_pages, nr_cpus, choose_nodes(&known));
	if (err)
		return err;
	new->window_fd = -1;
	new->log = known.log;
	new->refusals.limit = (struct ratelimit)RATELIMIT_INIT;
	if (known.windows)
		err = arena_map_shared(&new->arena, nr_pages, &new->window_fd);
	else
		err = arena_map(&new->arena, nr_pages, !known.no_hugepages);
	if (err) {
		os_unmap(new, new->footprint);
		return os_why(err, "no %llu bytes of %s for the pages",
			      (unsigned long long)nr_pages << RPCBUF_PAGE_SHIFT,
			      known.windows ? "shared memory"
					    : "address space");
	}
	init_nodes(new, !known.nodes && new->nr_nodes > 1);
	new->made_ticks = os_ticks();
	new->made_ns = os_now();
	new->rseq = os_cpulock_rseq();
	new->wide = os_cpu_has_avx2();
	budget_init(new, known.memory >> RPCBUF_PAGE_SHIFT);
	pcp_init(new, known.nodes != 0);
	err = create_more(new, &known);
	if (err) {
		unmap_all(new);
		return err;
	}
	if (!known.no_thread)
		err = maintain_start(new, !known.no_pressure);
	if (err) {
		fork_unwatch(new);
		unmap_all(new);
		return err;
	}
	*mm = new;
	return 0;
}

int rpcbuf_destroy(struct rpcbuf *mm)
{
	uint64_t cached;
	bool busy;

	if (!os_load(&mm->forked)) {
		os_guard(&mm->maintain.pass);
		node_flush(mm);
		busy = wait_pending(mm) ||
		       counts_at_home(mm, &cached) != mm->arena.nr_pages;
		os_unguard(&mm->maintain.pass);
		if (busy)
			return -EBUSY;
	}
	maintain_close(mm);
	fork_unwatch(mm);
	unmap_all(mm);
	return 0;
}

const char *mm_is_valid(struct rpcbuf *mm)
{
	const char *wrong = NULL;
	unsigned int i;

	for (i = 0; i < mm->nr_nodes && !wrong; i++)
		wrong = zone_is_valid(&mm->nodes[i].zone);
	return wrong ? wrong : pcp_is_valid(mm);
}
