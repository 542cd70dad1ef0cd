/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page is freed when its last reference is dropped, on any thread and
 * in any array; an address that is no page is refused; debug builds name a page
 * that is released twice.
 * Method: count allocated pages around every step; two threads drop the last
 * two references at the same moment, often.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>

#include "mm_util.h"

static struct rpcbuf *mm;

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

START_TEST(last_reference_frees)
{
	void *page, *array[20] = {NULL};
	unsigned int i;

	mm = test_create(1024);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), 0);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), 0);
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(out(), 1);
	array[7] = page;
	rpcbuf_free_bulk_array(mm, 20, array);
	ck_assert_uint_eq(out(), 1);
	for (i = 0; i < 20; i++)
		ck_assert_ptr_null(array[i]);
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(out(), 0);
	test_destroy(mm);
}
END_TEST

/* A shared page inside of a run of 16. */
START_TEST(shared_page_in_a_run)
{
	void *pages[64] = {NULL}, *shared;
	unsigned int i;

	mm = test_create(4096);
	for (i = 0; i < 64; i++) {
		ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, pages),
				  64);
		ck_assert_uint_eq(test_nr_runs(pages, 64), 1);
		shared = pages[i];
		ck_assert_int_eq(rpcbuf_page_get(mm, shared), 0);
		rpcbuf_free_bulk_array(mm, 64, pages);
		ck_assert_uint_eq(out(), 1);
		test_is_valid(mm);
		rpcbuf_free_page(mm, shared);
		ck_assert_uint_eq(out(), 0);
		/* Whole again for the next round. */
		pcp_drain_all(mm);
	}
	test_destroy(mm);
}
END_TEST

START_TEST(both_references_in_one_array)
{
	void *pages[40] = {NULL};

	mm = test_create(1024);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 20, pages), 20);
	ck_assert_int_eq(rpcbuf_page_get(mm, pages[3]), 0);
	ck_assert_int_eq(rpcbuf_page_get(mm, pages[3]), 0);
	pages[25] = pages[39] = pages[3];
	rpcbuf_free_bulk_array(mm, 40, pages);
	ck_assert_uint_eq(out(), 0);
	test_destroy(mm);
}
END_TEST

START_TEST(count_is_full)
{
	void *page;
	unsigned int i;

	mm = test_create(1024);
	page = rpcbuf_alloc_page(mm, 0);
	for (i = 0; i < UINT16_MAX - 1; i++)
		require(rpcbuf_page_get(mm, page) == 0);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EOVERFLOW);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EOVERFLOW);
	for (i = 0; i < UINT16_MAX - 1; i++)
		rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(out(), 1);
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(out(), 0);
	test_destroy(mm);
}
END_TEST

static pthread_barrier_t together;
static void *shared_page;

static void *drop(void *unused)
{
	int round;

	for (round = 0; round < TEST_ROUNDS(20000); round++) {
		pthread_barrier_wait(&together);
		rpcbuf_free_page(mm, shared_page);
		pthread_barrier_wait(&together);
	}
	return unused;
}

START_TEST(two_threads_drop_the_last_two)
{
	pthread_t thread;
	int round;

	mm = test_create(64);
	pthread_barrier_init(&together, NULL, 2);
	require(pthread_create(&thread, NULL, drop, NULL) == 0);
	for (round = 0; round < TEST_ROUNDS(20000); round++) {
		shared_page = rpcbuf_alloc_page(mm, 0);
		require(rpcbuf_page_get(mm, shared_page) == 0);
		pthread_barrier_wait(&together);
		rpcbuf_free_page(mm, shared_page);
		pthread_barrier_wait(&together);
		require(out() == 0);
	}
	pthread_join(thread, NULL);
	test_destroy(mm);
}
END_TEST

START_TEST(owns)
{
	char *page;

	mm = test_create(100);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert(rpcbuf_owns(mm, page));
	ck_assert(rpcbuf_owns(mm, page + 4095));
	ck_assert(!rpcbuf_owns(mm, &page));
	ck_assert(!rpcbuf_owns(mm, NULL));
	ck_assert(!rpcbuf_owns(mm, (char *)mm->arena.base - 1));
	ck_assert(rpcbuf_owns(mm, (char *)mm->arena.base + 100 * 4096 - 1));
	ck_assert(!rpcbuf_owns(mm, (char *)mm->arena.base + 100 * 4096));
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

#if RPCBUF_DEBUG
#define MISUSE(name, ...)                        \
	START_TEST(name)                         \
	{                                        \
		void *page;                      \
                                                 \
		mm = test_create(1024);          \
		page = rpcbuf_alloc_page(mm, 0); \
		__VA_ARGS__;                     \
	}                                        \
	END_TEST

MISUSE(double_release, rpcbuf_free_page(mm, page); rpcbuf_free_page(mm, page))
MISUSE(get_of_a_free_page, rpcbuf_free_page(mm, page);
       rpcbuf_page_get(mm, page))
MISUSE(foreign_release, rpcbuf_free_page(mm, &page))
MISUSE(release_of_an_offset, rpcbuf_free_page(mm, (char *)page + 8))

static void add_misuse(TCase *tcase)
{
	tcase_add_test_raise_signal(tcase, double_release, SIGABRT);
	tcase_add_test_raise_signal(tcase, get_of_a_free_page, SIGABRT);
	tcase_add_test_raise_signal(tcase, foreign_release, SIGABRT);
	tcase_add_test_raise_signal(tcase, release_of_an_offset, SIGABRT);
}
#else
START_TEST(foreign_pages_are_refused)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *pages[32] = {NULL};

	mm = test_create(1024);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 30, pages), 30);
	pages[30] = &mm;
	pages[31] = (char *)pages[3] + 512;
	ck_assert_int_eq(rpcbuf_page_get(mm, &mm), -EINVAL);
	rpcbuf_free_bulk_array(mm, 32, pages);
	ck_assert_ptr_null(pages[30]);
	rpcbuf_free_page(mm, &counts);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.refused, 4);
	ck_assert_uint_eq(counts.pages_out, 0);
	test_destroy(mm);
}
END_TEST

static void add_misuse(TCase *tcase)
{
	tcase_add_test(tcase, foreign_pages_are_refused);
}
#endif

int main(int argc, char **argv)
{
	Suite *suite = suite_create("page");
	TCase *tcase = tcase_create("page");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, last_reference_frees);
	tcase_add_test(tcase, shared_page_in_a_run);
	tcase_add_test(tcase, both_references_in_one_array);
	tcase_add_test(tcase, count_is_full);
	tcase_add_test(tcase, two_threads_drop_the_last_two);
	tcase_add_test(tcase, owns);
	add_misuse(tcase);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
