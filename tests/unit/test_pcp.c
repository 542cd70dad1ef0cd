/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: caches return the latest released pages first, keep runs and single
 * pages apart, stay within their limits, and never keep a page from a thread
 * that needs it.
 * Method: pin the thread to one CPU and examine the caches; release on one CPU
 * and allocate on another; budgets from 16 pages up; a thousand threads that
 * come and go.
 */
#include <pthread.h>
#include <sched.h>

#include "mm_util.h"

static struct rpcbuf *mm;

static uint64_t cached(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_cached;
}

/* False where the machine has no such CPU. */
static bool run_on(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)cpu, &set);
	return sched_setaffinity(0, sizeof(set), &set) == 0;
}

static void fill(void **pages, unsigned int nr)
{
	memset(pages, 0, nr * sizeof(*pages));
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, nr, pages), nr);
}

START_TEST(released_last_comes_first)
{
	static const unsigned int sizes[] = {1, 7, 15, 16, 17, 100, 257, 300};
	void *pages[300], *again[300];
	unsigned int i, n;

	run_on(0);
	mm = test_create(16384);
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = sizes[i];
		fill(pages, n);
		memcpy(again, pages, n * sizeof(*pages));
		rpcbuf_free_bulk_array(mm, n, again);
		fill(again, n);
		ck_assert_int_eq(memcmp(pages, again, n * sizeof(*pages)), 0);
		rpcbuf_free_bulk_array(mm, n, again);
	}
	test_destroy(mm);
}
END_TEST

START_TEST(runs_are_kept_whole)
{
	struct pcp *pcp;
	void *pages[64];

	run_on(0);
	mm = test_create(16384);
	fill(pages, 64);
	pcp = &mm->pcps[0];
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 0);
	rpcbuf_free_bulk_array(mm, 64, pages);
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 4);
	ck_assert_uint_eq(os_load(&pcp->nr_singles), 0);

	/* Shifted by a page: runs begin at slots 15, 31 and 47. The zone has
	 * the rest of the fourth, except for the page that came alone. */
	fill(pages, 64);
	rpcbuf_free_bulk_array(mm, 1, pages);
	rpcbuf_free_bulk_array(mm, 63, pages + 1);
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 3);
	ck_assert_uint_eq(os_load(&pcp->nr_singles), 1);
	test_is_valid(mm);
	test_destroy(mm);
}
END_TEST

START_TEST(small_requests_leave_runs_alone)
{
	void *pages[512], *small[200];
	struct pcp *pcp;
	unsigned int i;

	run_on(0);
	mm = test_create(16384);
	fill(pages, 512);
	rpcbuf_free_bulk_array(mm, 512, pages);
	pcp = &mm->pcps[0];
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 32);
	for (i = 0; i < 200; i++)
		small[i] = rpcbuf_alloc_page(mm, 0);
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 32);
	rpcbuf_free_bulk_array(mm, 200, small);
	test_destroy(mm);
}
END_TEST

START_TEST(caches_are_bounded)
{
	void **pages = calloc(16384, sizeof(*pages));
	unsigned int i;

	run_on(0);
	mm = test_create(16384);
	fill(pages, 16384);
	/* Single pages, in an order without runs. */
	for (i = 0; i < 8192; i++)
		rpcbuf_free_page(mm, pages[i * 2]);
	ck_assert_uint_le(cached(), os_load(&mm->pcp_singles) + PCP_CHUNK +
					    DEPOT_ENTRIES);
	test_is_valid(mm);
	for (i = 0; i < 8192; i++)
		rpcbuf_free_page(mm, pages[i * 2 + 1]);
	fill(pages, 16384);
	rpcbuf_free_bulk_array(mm, 16384, pages);
	ck_assert_uint_le(os_load(&mm->pcps[0].nr_runs),
			  os_load(&mm->pcp_runs) + PCP_CHUNK / RUN_PAGES);
	test_is_valid(mm);
	ck_assert_uint_gt(pcp_drain_all(mm), 0);
	ck_assert_uint_eq(cached(), 0);
	ck_assert_uint_eq(pcp_drain_all(mm), 0);
	test_destroy(mm);
	free(pages);
}
END_TEST

/* Every page of the budget can be allocated, whichever CPU's cache it is in. */
START_TEST(nothing_is_hoarded)
{
	static const unsigned int budgets[] = {16,  17,	 40,   100,
					       258, 260, 1000, 10000};
	void **pages = calloc(10000, sizeof(*pages));
	unsigned int i, k, nr;

	for (i = 0; i < sizeof(budgets) / sizeof(budgets[0]); i++) {
		nr = budgets[i];
		mm = test_create(nr);
		for (k = 0; k < 6; k++) {
			run_on(k % 2);
			fill(pages, nr);
			ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
			run_on(1 - k % 2);
			if (k < 3)
				rpcbuf_free_bulk_array(mm, nr, pages);
			else
				while (nr)
					rpcbuf_free_page(mm, pages[--nr]);
			nr = budgets[i];
			ck_assert_uint_le(cached(), nr / 2 + 2 * PCP_CHUNK);
			run_on(k % 2);
		}
		test_destroy(mm);
	}
	free(pages);
}
END_TEST

/* One page left, in the other CPU's cache. */
START_TEST(the_last_page_is_found)
{
	void *pages[1000], *page;

	mm = test_create(1000);
	run_on(0);
	fill(pages, 1000);
	if (!run_on(1))
		return;
	rpcbuf_free_page(mm, pages[77]);
	ck_assert_uint_eq(cached(), 1);
	run_on(0);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_eq(page, pages[77]);
	rpcbuf_free_bulk_array(mm, 1000, pages);
	test_destroy(mm);
}
END_TEST

/* A cache whose lock is held is skipped, not waited for. */
START_TEST(held_cache_is_bypassed)
{
	void *pages[257];
	unsigned int cpu;

	mm = test_create(4096);
	fill(pages, 257);
	rpcbuf_free_bulk_array(mm, 257, pages);
	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.held, 1);
	fill(pages, 257);
	rpcbuf_free_bulk_array(mm, 257, pages);
	fill(pages, 3);
	rpcbuf_free_bulk_array(mm, 3, pages);
	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.held, 0);
	test_destroy(mm);
}
END_TEST

/* Use raises the limits to those of the instance; quiet periods lower them, and
 * pages above them are released. */
START_TEST(limits_adapt)
{
	void *pages[1024], *few[16];
	struct pcp *pcp;
	unsigned int i;

	run_on(0);
	mm = test_create(65536);
	pcp = &mm->pcps[0];
	ck_assert_uint_eq(os_load(&pcp->high_runs), PCP_RUNS_MIN);
	ck_assert_uint_eq(os_load(&pcp->high_singles), PCP_SINGLES_MIN);
	fill(pages, 1024);
	rpcbuf_free_bulk_array(mm, 1024, pages);
	ck_assert_uint_eq(os_load(&pcp->high_runs), PCP_RUNS_MAX);
	for (i = 0; i < 6; i++) {
		pcp_decay(mm);
		/* Not idle, and no miss. */
		fill(few, 16);
		rpcbuf_free_bulk_array(mm, 16, few);
		ck_assert_uint_le(os_load(&pcp->nr_runs),
				  os_load(&pcp->high_runs));
		test_is_valid(mm);
	}
	ck_assert_uint_eq(os_load(&pcp->high_runs), PCP_RUNS_MIN);
	ck_assert_uint_eq(os_load(&pcp->high_singles), PCP_SINGLES_MIN);
	ck_assert_uint_eq(os_load(&pcp->nr_runs), PCP_RUNS_MIN);
	test_destroy(mm);
}
END_TEST

/* A CPU that does nothing for a period keeps nothing; the others do. */
START_TEST(idle_cpus_are_drained)
{
	void *pages[128];

	mm = test_create(16384);
	run_on(0);
	fill(pages, 128);
	rpcbuf_free_bulk_array(mm, 128, pages);
	if (!run_on(1))
		return;
	fill(pages, 64);
	rpcbuf_free_bulk_array(mm, 64, pages);
	pcp_decay(mm);
	ck_assert_uint_eq(os_load(&mm->pcps[0].nr_runs), 8);
	fill(pages, 64);
	rpcbuf_free_bulk_array(mm, 64, pages);
	pcp_decay(mm);
	ck_assert_uint_eq(os_load(&mm->pcps[0].nr_runs), 0);
	ck_assert_uint_eq(os_load(&mm->pcps[1].nr_runs), 4);
	pcp_decay(mm);
	ck_assert_uint_eq(cached(), 0);
	ck_assert_uint_eq(pcp_decay(mm), 0);
	test_destroy(mm);
}
END_TEST

/* Fills on one CPU and releases on another until the depot has pages; false
 * where there is no other CPU. */
static bool fill_depot(struct depot *depot)
{
	void *pages[256];
	unsigned int i;

	for (i = 0; i < 40 && !depot_nr(depot); i++) {
		run_on(0);
		fill(pages, 256);
		if (!run_on(1))
			return false;
		rpcbuf_free_bulk_array(mm, 256, pages);
		test_is_valid(mm);
	}
	ck_assert_uint_gt(depot_nr(depot), 0);
	ck_assert_uint_le(depot_nr(depot), depot->most);
	return true;
}

/* Runs circulate through the depot, which releases unused ones. */
START_TEST(depot_carries_runs)
{
	struct depot *depot;
	unsigned int nr, i;
	void *pages[256];

	mm = test_create(16384);
	depot = &mm->nodes[0].runs;
	if (!fill_depot(depot))
		return;
	nr = depot_nr(depot);
	run_on(0);
	for (i = 0; i < 5 && depot_nr(depot) == nr; i++) {
		fill(pages, 256);
		rpcbuf_free_run(mm, 256, pages);
	}
	ck_assert_uint_lt(depot_nr(depot), nr);
	for (i = 0; i < 3; i++)
		pcp_decay(mm);
	ck_assert_uint_eq(depot_nr(depot), 0);
	ck_assert_uint_eq(cached(), 0);

	/* With a waiter it keeps nothing. */
	fill_depot(depot);
	os_store(&mm->waiting, 1);
	ck_assert_uint_gt(pcp_drain_all(mm), 0);
	ck_assert_uint_eq(cached(), 0);
	pages[0] = (void *)mm->arena.base;
	ck_assert_uint_eq(depot_put(mm, depot, pages, 1), 0);
	os_store(&mm->waiting, 0);
	test_destroy(mm);
}
END_TEST

/* Only single pages are free: vectors come from cached ones, and from runs
 * again when there are some. */
START_TEST(scattered_zone)
{
	void **all = calloc(8192, sizeof(*all)), *pages[64];
	struct pcp *pcp;
	unsigned int i;

	run_on(0);
	mm = test_create(8192);
	pcp = &mm->pcps[0];
	fill(all, 8192);
	for (i = 0; i < 8192; i += 2)
		rpcbuf_free_run(mm, 1, all + i);
	fill(pages, 64);
	ck_assert_uint_eq(os_load(&pcp->scattered), 1);
	rpcbuf_free_bulk_array(mm, 64, pages);
	ck_assert_uint_ge(os_load(&pcp->nr_singles), 64);
	for (i = 0; i < 100; i++) {
		fill(pages, 64);
		rpcbuf_free_bulk_array(mm, 64, pages);
	}
	test_is_valid(mm);
	rpcbuf_free_run(mm, 8192, all);
	pcp_drain_all(mm);
	pcp_decay(mm);
	ck_assert_uint_eq(os_load(&pcp->scattered), 0);
	fill(pages, 64);
	ck_assert_uint_eq(test_nr_runs(pages, 64), 1);
	rpcbuf_free_bulk_array(mm, 64, pages);
	ck_assert_uint_eq(os_load(&pcp->nr_runs), 4);
	test_destroy(mm);
	free(all);
}
END_TEST

#define THREADS	     1000u
#define THREADS_TURN 20u

/* Leaves single pages and runs in the cache of its current CPU. */
static void *short_life(void *arg)
{
	uint64_t seed = (uintptr_t)arg * 2654435761u | 1;
	void *pages[300] = {NULL};
	unsigned int i;

	for (i = 0; i < 8; i++) {
		unsigned int nr = test_below(&seed, 300) + 1;

		rpcbuf_alloc_bulk_array(mm, 0, i & 1 ? nr : nr % 8, pages);
		rpcbuf_free_bulk_array(mm, 300, pages);
	}
	return NULL;
}

/* A request that is short of pages afterwards gets each of them. */
START_TEST(threads_leave_nothing)
{
	void **all = calloc(8192, sizeof(*all));
	pthread_t threads[THREADS_TURN];
	uintptr_t started, i;

	mm = test_create(8192);
	for (started = 0; started < THREADS; started += THREADS_TURN) {
		for (i = 0; i < THREADS_TURN; i++)
			require(!pthread_create(&threads[i], NULL, short_life,
						(void *)(started + i)));
		for (i = 0; i < THREADS_TURN; i++)
			pthread_join(threads[i], NULL);
	}
	ck_assert_uint_gt(cached(), 0);
	for (i = 0; i < 8192; i++)
		require((all[i] = rpcbuf_alloc_page(mm, 0)) != NULL);
	ck_assert_uint_eq(cached(), 0);
	rpcbuf_free_bulk_array(mm, 8192, all);
	test_destroy(mm);
	free(all);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("pcp");
	TCase *tcase = tcase_create("pcp");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, released_last_comes_first);
	tcase_add_test(tcase, runs_are_kept_whole);
	tcase_add_test(tcase, small_requests_leave_runs_alone);
	tcase_add_test(tcase, caches_are_bounded);
	tcase_add_test(tcase, nothing_is_hoarded);
	tcase_add_test(tcase, the_last_page_is_found);
	tcase_add_test(tcase, held_cache_is_bypassed);
	tcase_add_test(tcase, limits_adapt);
	tcase_add_test(tcase, idle_cpus_are_drained);
	tcase_add_test(tcase, depot_carries_runs);
	tcase_add_test(tcase, scattered_zone);
	tcase_add_test(tcase, threads_leave_nothing);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
