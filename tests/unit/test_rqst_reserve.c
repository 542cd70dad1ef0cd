/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: of the waiting vectors, the first that shares a reserve is filled from
 * it, for all missing pages or none; the reserve is refilled when pages are
 * plenty and by pages that vectors release; any number of fills finish, and one
 * that can never be served fails.
 * Method: one thread uses up the instance and tries to fill; then 64 threads
 * fill on a budget of one vector and a page, all but one page of it in the
 * reserve.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>

#include <rpcbuf/budget.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/rqst.h>
#include <rpcbuf/why.h>

#include "mm_util.h"

#define MAXPAGES 100u
#define NR_PAGES (3 * MAXPAGES)

static struct rpcbuf *mm;
static struct rpcbuf_mempool *reserve;
static struct rpcbuf_rqst *first, *second;
static void *hog[NR_PAGES];

static struct rpcbuf_rqst *make_vector(void)
{
	struct rpcbuf_rqst *rqst;

	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, MAXPAGES), 0);
	ck_assert_int_eq(rpcbuf_rqst_reserve(rqst, reserve), 0);
	return rqst;
}

static void setup_pages(unsigned int nr)
{
	mm = test_create(nr);
	ck_assert_int_eq(rpcbuf_mempool_create(&reserve, mm, MAXPAGES), 0);
	first = make_vector();
	second = make_vector();
}

static void setup(void)
{
	setup_pages(NR_PAGES);
}

static void teardown(void)
{
	rpcbuf_rqst_destroy(first);
	rpcbuf_rqst_destroy(second);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	ck_assert_int_eq(rpcbuf_mempool_destroy(reserve), 0);
	test_destroy(mm);
}

static uint64_t reserved(void)
{
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;

	rpcbuf_mempool_stats(reserve, &stats);
	return stats.curr_nr;
}

/* Leaves @free pages in the allocator. */
static void use_up(unsigned int free)
{
	unsigned int got = rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, hog);

	rpcbuf_free_bulk_array(mm, free, hog + got - free);
}

START_TEST(too_small)
{
	struct rpcbuf_mempool *small;

	ck_assert_int_eq(rpcbuf_mempool_create(&small, mm, MAXPAGES - 1), 0);
	ck_assert_int_eq(rpcbuf_rqst_reserve(first, small), -EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_destroy(small), 0);
	ck_assert_int_eq(rpcbuf_rqst_reserve(first, NULL), 0);
	use_up(10);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	ck_assert_uint_eq(reserved(), MAXPAGES);
}
END_TEST

START_TEST(plenty_leaves_it_alone)
{
	use_up(MAXPAGES);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
	ck_assert_uint_eq(reserved(), MAXPAGES);
}
END_TEST

START_TEST(head_takes_what_is_missing)
{
	void *pages[MAXPAGES] = {NULL};

	use_up(30);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
	ck_assert_uint_eq(rpcbuf_rqst_populated(first), MAXPAGES);
	ck_assert_uint_eq(reserved(), 30);
	/* The next has to wait: 30 are not enough, and stay in the reserve. */
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), -EAGAIN);
	ck_assert_uint_eq(reserved(), 30);
	/* Pages that are released to the reserve wake it. */
	rpcbuf_rqst_take(first, 70, pages);
	rpcbuf_mempool_free_bulk_array(reserve, 70, pages);
	ck_assert_int_eq(rpcbuf_rqst_fill(second), 0);
	ck_assert_uint_eq(reserved(), 0);
	ck_assert(!rpcbuf_wait_pending(mm));

	/* Refilled by the next fill that finds enough. */
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	ck_assert_uint_eq(reserved(), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
	ck_assert_uint_eq(reserved(), MAXPAGES);
}
END_TEST

/* The reserve serves its vectors, even with earlier waiters of the instance. */
START_TEST(first_of_those_that_share)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;
	void *pages[MAXPAGES];

	use_up(0);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
	ck_assert_uint_eq(reserved(), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), -EAGAIN);
	/* It waits for the reserve: requests of the pool are behind it. */
	rpcbuf_mempool_stats(reserve, &stats);
	ck_assert_uint_eq(stats.waiting, 1);
	rpcbuf_rqst_take(first, MAXPAGES, pages);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	rpcbuf_mempool_free_bulk_array(reserve, MAXPAGES, pages);
	ck_assert_ptr_null(rpcbuf_mempool_alloc_page(reserve, 0));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), 0);
	/* Pages that it releases return to the reserve, the stranger gets
	 * none. */
	rpcbuf_rqst_release(second);
	ck_assert_uint_eq(reserved(), MAXPAGES);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	/* Without the reserve it has no place in the queue any more. */
	ck_assert_int_eq(rpcbuf_rqst_reserve(first, NULL), 0);
	rpcbuf_mempool_stats(reserve, &stats);
	ck_assert_uint_eq(stats.waiting, 0);
	rpcbuf_wait_leave(&waiter);
	ck_assert(!rpcbuf_wait_pending(mm));
}
END_TEST

/* A reserve that was shrunk below the vector does not serve it. */
START_TEST(shrunk_below)
{
	ck_assert_int_eq(rpcbuf_mempool_resize(reserve, MAXPAGES / 2), 0);
	use_up(0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	ck_assert_uint_eq(reserved(), MAXPAGES / 2);
	rpcbuf_free_bulk_array(mm, MAXPAGES, hog);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
}
END_TEST

/* No wait for pages that can never come: a vector without a reserve that is
 * larger than the budget without promises is refused, also when it becomes so
 * during the wait. */
START_TEST(larger_than_what_is_left)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t value;

	ck_assert_int_eq(rpcbuf_rqst_reserve(first, NULL), 0);
	rpcbuf_rqst_notify(first, fd);
	use_up(0);
	ck_assert_int_eq(
		rpcbuf_mempool_resize(reserve, NR_PAGES - MAXPAGES + 1), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -ENOMEM);
	ck_assert_int_eq(rpcbuf_rqst_fill(first), -ENOMEM);
	ck_assert_ptr_nonnull(strstr(rpcbuf_why(), "100 pages for a vector"));
	ck_assert(!rpcbuf_wait_pending(mm));
	/* With as much as it needs it waits; and the promise wakes it. */
	ck_assert_int_eq(rpcbuf_mempool_resize(reserve, NR_PAGES - MAXPAGES),
			 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	ck_assert_int_eq(
		rpcbuf_mempool_resize(reserve, NR_PAGES - MAXPAGES + 1), 0);
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -ENOMEM);
	/* So does a budget that shrinks. */
	ck_assert_int_eq(rpcbuf_mempool_resize(reserve, MAXPAGES), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -EAGAIN);
	ck_assert_int_eq(
		rpcbuf_budget_set(mm, (2 * MAXPAGES - 1) * RPCBUF_PAGE_SIZE),
		0);
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), -ENOMEM);
	ck_assert(!rpcbuf_wait_pending(mm));
	/* Free pages are given to it, whatever was promised. */
	ck_assert_int_eq(rpcbuf_budget_set(mm, NR_PAGES * RPCBUF_PAGE_SIZE), 0);
	ck_assert_int_eq(
		rpcbuf_mempool_resize(reserve, NR_PAGES - MAXPAGES + 1), 0);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(first), 0);
	ck_assert_int_eq(rpcbuf_mempool_resize(reserve, MAXPAGES), 0);
	close(fd);
}
END_TEST

static void *fill_in_vain(void *unused)
{
	require(rpcbuf_rqst_fill(first) == -ENOMEM);
	require(strstr(rpcbuf_why(), "100 pages for a vector"));
	return unused;
}

START_TEST(promised_while_it_sleeps)
{
	pthread_t thread;

	ck_assert_int_eq(rpcbuf_rqst_reserve(first, NULL), 0);
	use_up(20);
	pthread_create(&thread, NULL, fill_in_vain, NULL);
	while (!rpcbuf_wait_pending(mm))
		sched_yield();
	ck_assert_int_eq(
		rpcbuf_mempool_resize(reserve, NR_PAGES - MAXPAGES + 1), 0);
	pthread_join(thread, NULL);
	ck_assert_int_eq(rpcbuf_mempool_resize(reserve, MAXPAGES), 0);
}
END_TEST

static void *filler(void *arg)
{
	struct rpcbuf_rqst *rqst = arg;
	void *pages[MAXPAGES];
	unsigned int round;

	for (round = 0; round < 20; round++) {
		require(rpcbuf_rqst_fill(rqst) == 0);
		rpcbuf_rqst_take(rqst, MAXPAGES, pages);
		sched_yield();
		if (round % 2)
			rpcbuf_mempool_free_bulk_array(reserve, MAXPAGES,
						       pages);
		else
			rpcbuf_free_bulk_array(mm, MAXPAGES, pages);
	}
	rpcbuf_rqst_release(rqst);
	return NULL;
}

START_TEST(sixty_four_fillers)
{
	struct rpcbuf_rqst *vectors[64];
	pthread_t threads[64];
	unsigned int i;

	teardown();
	setup_pages(MAXPAGES + 1);
	for (i = 0; i < 64; i++) {
		vectors[i] = make_vector();
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, filler, vectors[i]),
			0);
	}
	for (i = 0; i < 64; i++) {
		pthread_join(threads[i], NULL);
		rpcbuf_rqst_destroy(vectors[i]);
	}
	ck_assert(!rpcbuf_wait_pending(mm));
	rpcbuf_mempool_refill(reserve);
	ck_assert_uint_eq(reserved(), MAXPAGES);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("rqst_reserve");
	TCase *tcase = tcase_create("rqst_reserve");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, too_small);
	tcase_add_test(tcase, plenty_leaves_it_alone);
	tcase_add_test(tcase, head_takes_what_is_missing);
	tcase_add_test(tcase, first_of_those_that_share);
	tcase_add_test(tcase, shrunk_below);
	tcase_add_test(tcase, larger_than_what_is_left);
	tcase_add_test(tcase, promised_while_it_sleeps);
	tcase_add_test(tcase, sixty_four_fillers);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
