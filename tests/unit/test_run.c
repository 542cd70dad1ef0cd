/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a run is adjacent or not allocated at all, its pages are ordinary ones,
 * a released run can be allocated as one again, and a few long-lived pages
 * prevent neither runs nor reporting.
 * Method: runs of every length, on fresh memory and after other traffic, with
 * some of their pages released by other functions; a server's mix of calls
 * beside pages that are kept a hundred times as long.
 */
#include "mm_util.h"

static struct rpcbuf *mm;

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

static void check_run(unsigned int nr)
{
	void *pages[RPCBUF_RUN_MAX];
	unsigned int i;

	ck_assert_uint_eq(rpcbuf_alloc_run(mm, nr, pages), nr);
	ck_assert_uint_eq(test_nr_runs(pages, nr), 1);
	ck_assert_uint_eq(out(), nr);
	rpcbuf_free_run(mm, nr, pages);
	for (i = 0; i < nr; i++)
		require(pages[i] == NULL);
	ck_assert_uint_eq(out(), 0);
}

START_TEST(every_length)
{
	unsigned int nr;

	mm = test_create(2 * RPCBUF_RUN_MAX);
	for (nr = 1; nr <= 1030; nr++)
		check_run(nr);
	for (; nr < RPCBUF_RUN_MAX; nr += 101)
		check_run(nr);
	check_run(RPCBUF_RUN_MAX);
	test_destroy(mm);
}
END_TEST

/* Longer than a block: where free blocks are adjacent; the rest behind the last
 * page is not kept. */
START_TEST(runs_of_blocks)
{
	static void *blocks[8][512], *run[3][1000], *rest[5000];
	unsigned int i, nr;

	mm = test_create(8 * 512);
	for (i = 0; i < 8; i++)
		ck_assert_uint_eq(rpcbuf_alloc_run(mm, 512, blocks[i]), 512);
	for (i = 0; i < 8; i++)
		if (i != 2 && i != 5)
			rpcbuf_free_run(mm, 512, blocks[i]);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 1025, rest), 0);
	for (i = 0; i < 3; i++) {
		ck_assert_uint_eq(rpcbuf_alloc_run(mm, 1000, run[i]), 1000);
		ck_assert_uint_eq(test_nr_runs(run[i], 1000), 1);
	}
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 513, rest), 0);
	nr = rpcbuf_alloc_bulk_array(mm, 0, 5000, rest);
	ck_assert_uint_eq(nr, 3 * 24);
	rpcbuf_free_bulk_array(mm, nr, rest);
	for (i = 0; i < 3; i++)
		rpcbuf_free_run(mm, 1000, run[i]);
	rpcbuf_free_run(mm, 512, blocks[2]);
	rpcbuf_free_run(mm, 512, blocks[5]);
	test_destroy(mm);
}
END_TEST

START_TEST(refusals_change_nothing)
{
	void *pages[RPCBUF_RUN_MAX + 1], *all[2048] = {NULL};

	mm = test_create(2048);
	pages[0] = &mm;
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 0, pages), 0);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, RPCBUF_RUN_MAX + 1, pages), 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 2048, all), 2048);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 1, pages), 0);
	ck_assert_ptr_eq(pages[0], &mm);
	rpcbuf_free_bulk_array(mm, 2048, all);
	test_destroy(mm);
}
END_TEST

/* Consumed from the front, released piece by piece, one page shared. */
START_TEST(pages_are_ordinary)
{
	void *pages[257], *shared;
	int round;

	mm = test_create(1024);
	for (round = 0; round < 100; round++) {
		ck_assert_uint_eq(rpcbuf_alloc_run(mm, 257, pages), 257);
		shared = pages[16];
		ck_assert_int_eq(rpcbuf_page_get(mm, shared), 0);
		rpcbuf_free_run(mm, 17, pages);
		ck_assert_uint_eq(out(), 241);
		rpcbuf_free_run(mm, 60, pages + 17);
		rpcbuf_free_page(mm, shared);
		rpcbuf_free_run(mm, 180, pages + 77);
		ck_assert_uint_eq(out(), 0);
		/* Only the page that another function released is in a
		 * cache. */
		ck_assert_uint_eq(node_nr_free(mm), 1023);
		ck_assert_uint_eq(pcp_drain_all(mm), 1);
	}
	test_destroy(mm);
}
END_TEST

START_TEST(whoever_waits_is_woken)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	void *pages[64];

	mm = test_create(64);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 64, pages), 64);
	rpcbuf_wait_join(mm, &waiter);
	rpcbuf_free_run(mm, 64, pages);
	ck_assert_uint_gt(rpcbuf_wait_count(&waiter), 0);
	rpcbuf_wait_leave(&waiter);
	test_destroy(mm);
}
END_TEST

#define AGE_PAGES  65536u
#define AGE_CALLS  200u
#define AGE_KEPT   (AGE_PAGES / 100)
#define AGE_LENGTH 257u

static struct {
	unsigned int nr;
	void *pages[AGE_LENGTH];
} calls[AGE_CALLS];

static void end_call(unsigned int k, bool as_run)
{
	if (as_run)
		rpcbuf_free_run(mm, calls[k].nr, calls[k].pages);
	else
		rpcbuf_free_bulk_array(mm, calls[k].nr, calls[k].pages);
	calls[k].nr = 0;
}

/* Seven in ten calls take a page or two, the others 17 or a vector; every
 * second of these requests a run. */
static unsigned int length_of_call(uint64_t *seed)
{
	if (test_below(seed, 10) < 7)
		return 1 + test_below(seed, 2);
	return test_below(seed, 3) ? AGE_LENGTH : 17;
}

static void begin_call(unsigned int k, unsigned int nr, bool as_run)
{
	calls[k].nr = nr;
	if (as_run)
		require(rpcbuf_alloc_run(mm, nr, calls[k].pages) == nr);
	else
		require(rpcbuf_alloc_bulk_array(mm, 0, nr, calls[k].pages) ==
			nr);
}

START_TEST(few_kept_pages)
{
	static void *kept[AGE_KEPT];
	uint64_t seed = test_seed();
	unsigned int i, k, nr;
	bool as_run;

	mm = test_create(AGE_PAGES);
	for (i = 0; i < TEST_ROUNDS(200000); i++) {
		k = test_below(&seed, AGE_CALLS);
		end_call(k, test_below(&seed, 2));
		nr = length_of_call(&seed);
		as_run = nr == AGE_LENGTH && test_below(&seed, 2);
		begin_call(k, nr, as_run);
		if (i % 50)
			continue;
		k = test_below(&seed, AGE_KEPT);
		rpcbuf_free_page(mm, kept[k]);
		kept[k] = rpcbuf_alloc_page(mm, 0);
		require(kept[k] != NULL);
	}
	for (k = 0; k < AGE_CALLS; k++)
		end_call(k, false);
	/* They would fit in two blocks; an eighth of the 128 may have one. */
	ck_assert_uint_le(test_nr_blocks(mm, kept, AGE_KEPT), 16);
	rpcbuf_free_bulk_array(mm, AGE_KEPT, kept);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("run");
	TCase *tcase = tcase_create("run");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, every_length);
	tcase_add_test(tcase, runs_of_blocks);
	tcase_add_test(tcase, refusals_change_nothing);
	tcase_add_test(tcase, pages_are_ordinary);
	tcase_add_test(tcase, whoever_waits_is_woken);
	tcase_add_test(tcase, few_kept_pages);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
