/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: pages come from the preferred node while it has enough, then from other
 * nodes of the mask, and go back to their node from any CPU; watermarks keep a
 * reserve and trigger reclaim.
 * Method: fake nodes on any machine, CPUs by affinity, the node of every page
 * is checked; exhaust one node, then all.
 */
#include <errno.h>
#include <sched.h>

#include "mm_util.h"
#include <rpcbuf/mm/kick.h>
#include <rpcbuf/os/numa.h>
#include <rpcbuf/stats.h>

#define NODE_PAGES 2048u

static struct rpcbuf *mm;

static int create(uint64_t nr_pages, unsigned int nodes)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = nr_pages * RPCBUF_PAGE_SIZE;
	options.nodes = nodes;
	options.no_thread = true; /* the test is the reclaimer */
	return rpcbuf_create(&mm, &options);
}

static bool run_on(unsigned int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static unsigned int of_node(void *const *pages, unsigned int nr, int node)
{
	unsigned int i, count = 0;

	for (i = 0; i < nr; i++)
		count += rpcbuf_page_node(mm, pages[i]) == node;
	return count;
}

/* Near nodes first, and different second choices. */
START_TEST(order_of_nodes)
{
	static const unsigned int same[4] = {0};
	static const unsigned int table[4][4] = {
		{10, 20, 40, 30}, {20, 10, 20, 20},
		{40, 20, 10, 12}, {30, 30, 30, 10}};
	static const uint8_t expected[4][4] = {
		{0, 1, 3, 2}, {1, 2, 3, 0}, {2, 3, 1, 0}, {3, 0, 1, 2}};
	unsigned int i, n, distances[RPCBUF_NODES_MAX];
	uint8_t order[4];

	for (n = 0; n < 4; n++) {
		node_order(order, 4, n, table[n]);
		ck_assert_mem_eq(order, expected[n], 4);
		node_order(order, 4, n, same);
		for (i = 0; i < 4; i++)
			ck_assert_uint_eq(order[i], (n + i) % 4);
	}
	/* This machine's: no node is nearer to another than to itself. */
	n = rpcbuf_min(os_node_count(), RPCBUF_NODES_MAX);
	os_node_distances(0, n, distances);
	for (i = 1; i < n; i++)
		ck_assert_uint_ge(distances[i], distances[0]);
	/* No machine has as many: a list that ends early is rejected. */
	os_node_distances(0, RPCBUF_NODES_MAX, distances);
	if (n < RPCBUF_NODES_MAX)
		ck_assert_uint_eq(distances[0], 0);
}
END_TEST

START_TEST(options_are_checked)
{
	ck_assert_int_eq(create(1024, 3), -EINVAL);
	ck_assert_int_eq(create(1 << 20, RPCBUF_NODES_MAX + 1), -EINVAL);
	ck_assert_int_eq(create(1536, 3), 0);
	ck_assert_uint_eq(rpcbuf_nr_nodes(mm), 3);
	test_destroy(mm);
	ck_assert_int_eq(create(1 << 20, RPCBUF_NODES_MAX), 0);
	ck_assert_uint_eq(rpcbuf_nr_nodes(mm), RPCBUF_NODES_MAX);
	test_destroy(mm);
	/* Too small to be split by default. */
	ck_assert_int_eq(create(16, 0), 0);
	ck_assert_uint_eq(rpcbuf_nr_nodes(mm), 1);
	test_destroy(mm);
}
END_TEST

/* The last node has the remainder. */
START_TEST(every_page_has_a_node)
{
	static const unsigned int nodes[] = {1, 2, 3, 5};
	unsigned int i, n, nr = 5000, count;
	void **pages = calloc(nr, sizeof(*pages));

	for (i = 0; i < 4; i++) {
		ck_assert_int_eq(create(nr, nodes[i]), 0);
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, nr, pages),
				  nr);
		ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
		for (n = count = 0; n < nodes[i]; n++)
			count += of_node(pages, nr, (int)n);
		ck_assert_uint_eq(count, nr);
		ck_assert_int_eq(rpcbuf_page_node(mm, &nr), -EINVAL);
		rpcbuf_free_bulk_array(mm, nr, pages);
		test_destroy(mm);
	}
	free(pages);
}
END_TEST

START_TEST(each_cpu_has_its_node)
{
	void *pages[600];
	unsigned int cpu;

	ck_assert_int_eq(create(2 * NODE_PAGES, 2), 0);
	for (cpu = 0; cpu < 2 && run_on(cpu); cpu++) {
		memset(pages, 0, sizeof(pages));
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 600, pages),
				  600);
		ck_assert_uint_eq(of_node(pages, 600, (int)cpu), 600);
		rpcbuf_free_bulk_array(mm, 600, pages);
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 7, pages), 7);
		ck_assert_uint_eq(of_node(pages, 7, (int)cpu), 7);
		rpcbuf_free_bulk_array(mm, 7, pages);
	}
	test_destroy(mm);
}
END_TEST

START_TEST(preferred_node_first)
{
	void **pages = calloc(3 * NODE_PAGES, sizeof(*pages));
	unsigned int nr = 2 * NODE_PAGES, got;
	void *page;

	ck_assert_int_eq(create(3 * NODE_PAGES, 3), 0);
	run_on(0);
	got = rpcbuf_alloc_bulk_array_node(mm, 0, 1, RPCBUF_NODES_ALL, nr,
					   pages);
	ck_assert_uint_eq(got, nr);
	ck_assert_uint_eq(of_node(pages, nr, 1), NODE_PAGES);
	ck_assert_uint_eq(of_node(pages, nr, 2), NODE_PAGES);
	/* Never outside of the mask, short or not. */
	ck_assert_ptr_null(rpcbuf_alloc_page_node(mm, 0, 1, 1 << 1 | 1 << 2));
	ck_assert_ptr_null(
		rpcbuf_alloc_pages_node(mm, 0, 4, 2, 1 << 1 | 1 << 2));
	page = rpcbuf_alloc_page_node(mm, 0, 1, 1 << 0);
	ck_assert_int_eq(rpcbuf_page_node(mm, page), 0);
	rpcbuf_free_page(mm, page);
	page = rpcbuf_alloc_pages_node(mm, 0, 5, 2, RPCBUF_NODES_ALL);
	ck_assert_int_eq(rpcbuf_page_node(mm, page), 0);
	rpcbuf_free_pages(mm, page, 5);
	rpcbuf_free_bulk_array(mm, nr, pages);
	/* No such node, an empty mask. */
	ck_assert_ptr_null(rpcbuf_alloc_page_node(mm, 0, 3, RPCBUF_NODES_ALL));
	ck_assert_ptr_null(rpcbuf_alloc_pages_node(mm, 0, 2, 3,
						   RPCBUF_NODES_ALL));
	ck_assert_ptr_null(rpcbuf_alloc_page_node(mm, 0, 0, 0));
	page = rpcbuf_alloc_page_node(mm, 0, RPCBUF_NODE_HERE,
				      RPCBUF_NODES_ALL);
	ck_assert_int_eq(rpcbuf_page_node(mm, page), 0);
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
	free(pages);
}
END_TEST

/* An array with holes, shared pages and pages of three nodes is released. */
START_TEST(mixed_release)
{
	unsigned int round, i, node;
	uint64_t seed = test_seed();
	void *pages[300], *shared[300];

	ck_assert_int_eq(create(3 * NODE_PAGES, 3), 0);
	for (round = 0; round < 200; round++) {
		struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

		run_on(round % 2);
		for (i = 0; i < 300; i++) {
			shared[i] = NULL;
			node = test_below(&seed, 4);
			pages[i] = node == 3
					   ? NULL
					   : rpcbuf_alloc_page_node(
						     mm, 0, (int)node,
						     1u << node);
			if (!pages[i] || test_below(&seed, 10))
				continue;
			require(rpcbuf_page_get(mm, pages[i]) == 0);
			shared[i] = pages[i];
		}
		if (round % 3)
			rpcbuf_free_bulk_array(mm, 300, pages);
		else
			rpcbuf_free_bulk_array_nolock(mm, 300, pages);
		for (i = 0; i < 300; i++)
			require(!pages[i]);
		test_is_valid(mm);
		rpcbuf_free_bulk_array(mm, 300, shared);
		rpcbuf_mm_counts(mm, &counts);
		ck_assert_uint_eq(counts.pages_out, 0);
	}
	test_destroy(mm);
}
END_TEST

/* As often as the maintenance was kicked. */
static uint64_t reclaim_wakes(void)
{
	static uint64_t kicks;
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;
	uint64_t more;

	if (read(mm->maintain.pressure.kick_fd, &more, sizeof(more)) ==
	    sizeof(more))
		kicks += more;
	ck_assert_int_eq(rpcbuf_stats_read(mm, &stats), 0);
	ck_assert_uint_eq(stats.reclaim_wakes, kicks);
	return kicks;
}

START_TEST(watermarks)
{
	uint64_t nr = 65536, min, got;
	void **pages = calloc(nr, sizeof(*pages)), *page;

	ck_assert_int_eq(create(nr, 0), 0);
	if (mm->nr_nodes > 1) {
		test_destroy(mm);
		free(pages);
		return;
	}
	ck_assert_int_eq(kick_open(mm, false), 0);
	min = os_load(&mm->nodes[0].zone.min);
	ck_assert_uint_gt(min, 0);
	ck_assert_uint_gt(os_load(&mm->nodes[0].zone.low), min);
	ck_assert_uint_gt(os_load(&mm->nodes[0].zone.high),
			  os_load(&mm->nodes[0].zone.low));

	/* Far above the low watermark the reclaimer is not called; the reserve
	 * stays. */
	got = rpcbuf_alloc_bulk_array(mm, 0, (unsigned int)nr / 2, pages);
	ck_assert_uint_eq(reclaim_wakes(), 0);
	got += rpcbuf_alloc_bulk_array(mm, 0, (unsigned int)nr / 2,
				       pages + got);
	ck_assert_uint_eq(got, nr - min);
	ck_assert_uint_eq(reclaim_wakes(), 1);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK));
	ck_assert_ptr_null(rpcbuf_alloc_pages(mm, 0, 1));
	ck_assert_uint_eq(reclaim_wakes(), 1);
	os_store(&mm->reclaim_asked, 0);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	ck_assert_uint_eq(reclaim_wakes(), 2);
	/* A request that must not wait does not wake the reclaimer. */
	os_store(&mm->reclaim_asked, 0);
	page = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK | RPCBUF_GFP_RESERVE);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(reclaim_wakes(), 2);
	rpcbuf_free_page(mm, page);
	got += rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_RESERVE,
				       (unsigned int)(nr - got), pages + got);
	ck_assert_uint_eq(got, nr);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, RPCBUF_GFP_RESERVE));
	rpcbuf_free_bulk_array(mm, (unsigned int)nr / 2, pages);
	rpcbuf_free_bulk_array(mm, (unsigned int)nr / 2, pages + nr / 2);
	test_destroy(mm);
	free(pages);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("node");
	TCase *tcase = tcase_create("node");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, order_of_nodes);
	tcase_add_test(tcase, options_are_checked);
	tcase_add_test(tcase, every_page_has_a_node);
	tcase_add_test(tcase, each_cpu_has_its_node);
	tcase_add_test(tcase, preferred_node_first);
	tcase_add_test(tcase, mixed_release);
	tcase_add_test(tcase, watermarks);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
