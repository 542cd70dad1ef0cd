/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a run is adjacent or not had at all, its pages are ordinary ones, and
 * what is given back as a run can be taken as one again.
 * Method: runs of every length, on fresh memory and after other traffic, with
 * some of their pages released by other calls.
 */
#include "mm_util.h"

static struct rpcbuf *mm;

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

START_TEST(every_length)
{
	void *pages[RPCBUF_RUN_MAX];
	unsigned int nr, i;

	mm = test_create(2048);
	for (nr = 1; nr <= RPCBUF_RUN_MAX; nr++) {
		ck_assert_uint_eq(rpcbuf_alloc_run(mm, nr, pages), nr);
		ck_assert_uint_eq(test_nr_runs(pages, nr), 1);
		ck_assert_uint_eq(out(), nr);
		rpcbuf_free_run(mm, nr, pages);
		for (i = 0; i < nr; i++)
			require(pages[i] == NULL);
		ck_assert_uint_eq(out(), 0);
	}
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
		/* Only the page that another call released is in a cache. */
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

int main(int argc, char **argv)
{
	Suite *suite = suite_create("run");
	TCase *tcase = tcase_create("run");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, every_length);
	tcase_add_test(tcase, refusals_change_nothing);
	tcase_add_test(tcase, pages_are_ordinary);
	tcase_add_test(tcase, whoever_waits_is_woken);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
