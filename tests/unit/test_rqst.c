/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page vector is full when it says so, keeps what was not used, waits
 * in its turn when pages are short, never for ever, and gives all of it back.
 * Method: every slot is looked at after each call; shortages are made by taking
 * the pages of a small instance; 64 threads share a budget of one vector and a
 * page.
 */
#include <poll.h>
#include <pthread.h>
#include <rpcbuf/rqst.h>
#include <sys/eventfd.h>

#include "wire_util.h"

#define VECTOR 40u
#define FILLERS 64

static struct rpcbuf *mm;
static struct rpcbuf_rqst *rqst;
static struct rpcbuf_service service;
static void *held[4096]; /* what the test itself keeps */
static unsigned int nr_held;

static void setup_pages(unsigned int nr)
{
	mm = test_create(nr);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, &service, VECTOR), 0);
}

static void setup(void)
{
	setup_pages(1024);
}

/* A budget of one vector and a page. */
static void setup_small(void)
{
	setup_pages(VECTOR + 1);
}

static void teardown(void)
{
	rpcbuf_free_bulk_array(mm, nr_held, held);
	rpcbuf_rqst_destroy(rqst);
	ck_assert(!rpcbuf_wait_pending(mm));
	test_destroy(mm);
}

/* Takes all pages but @left. */
static void leave(unsigned int left)
{
	nr_held += rpcbuf_alloc_bulk_array(mm, 0, 4096 - nr_held,
					   held + nr_held);
	ck_assert_uint_ge(nr_held, left);
	nr_held -= left;
	rpcbuf_free_bulk_array(mm, left, held + nr_held);
}

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

/* Full: every slot has a page of its own, then comes the sentinel. */
static void check_full(struct rpcbuf_rqst *r)
{
	void **pages = rpcbuf_rqst_pages(r);
	unsigned int nr = rpcbuf_rqst_maxpages(r);

	require(rpcbuf_rqst_populated(r) == nr);
	for (unsigned int i = 0; i < nr; i++) {
		require(rpcbuf_owns(mm, pages[i]));
		for (unsigned int j = 0; j < i; j++)
			require(pages[i] != pages[j]);
	}
	require(pages[nr] == NULL);
}

START_TEST(create)
{
	struct rpcbuf_rqst *r = (void *)&r, *untouched = r;

	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, 0), -EINVAL);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL,
					    RPCBUF_RQST_MAXPAGES_MAX + 1),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, UINT32_MAX), -EINVAL);
	ck_assert_ptr_eq(r, untouched);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL,
					    RPCBUF_RQST_MAXPAGES_MAX),
			 0);
	ck_assert_uint_eq(rpcbuf_rqst_maxpages(r), RPCBUF_RQST_MAXPAGES_MAX);
	ck_assert_uint_eq(rpcbuf_rqst_populated(r), 0);
	ck_assert_ptr_null(rpcbuf_rqst_pages(r)[0]);
	ck_assert_uint_eq(out(), 0);
	rpcbuf_rqst_destroy(r);
	rpcbuf_rqst_destroy(NULL);
}
END_TEST

START_TEST(smallest_vector)
{
	struct rpcbuf_rqst *r;
	void *page;

	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, 1), 0);
	ck_assert_int_eq(rpcbuf_rqst_fill(r), 0);
	check_full(r);
	rpcbuf_rqst_take(r, 1, &page);
	ck_assert_ptr_null(rpcbuf_rqst_pages(r)[0]);
	ck_assert_int_eq(rpcbuf_rqst_fill(r), 0);
	check_full(r);
	ck_assert_ptr_ne(page, rpcbuf_rqst_pages(r)[0]);
	rpcbuf_free_page(mm, page);
	rpcbuf_rqst_destroy(r);
}
END_TEST

/* A full vector is left as it is, and costs no bulk call. */
START_TEST(full_vector)
{
	void *before[VECTOR];
	struct rpcbuf_rqst_stats stats, again;

	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	check_full(rqst);
	memcpy(before, rpcbuf_rqst_pages(rqst), sizeof(before));
	rpcbuf_rqst_stats(rqst, &stats);
	ck_assert_uint_eq(stats.pages_filled, VECTOR);
	ck_assert_uint_eq(stats.fills, 1);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	rpcbuf_rqst_stats(rqst, &again);
	ck_assert_int_eq(memcmp(&stats, &again, sizeof(stats)), 0);
	ck_assert_int_eq(memcmp(before, rpcbuf_rqst_pages(rqst),
				sizeof(before)),
			 0);
	ck_assert_uint_eq(out(), VECTOR);
	rpcbuf_rqst_release(rqst);
	ck_assert_uint_eq(out(), 0);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), 0);
}
END_TEST

/* What is not taken stays, in order; only what was taken is filled again. */
START_TEST(only_consumed_slots)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < TEST_ROUNDS(20000); round++) {
		unsigned int nr = test_below(&seed, VECTOR + 1), i, kept = 0;
		void *taken[VECTOR], *before[VECTOR];
		struct rpcbuf_rqst_stats s, t;

		require(rpcbuf_rqst_fill(rqst) == 0);
		memcpy(before, rpcbuf_rqst_pages(rqst), sizeof(before));
		rpcbuf_rqst_take(rqst, nr, taken);
		require(memcmp(taken, before, nr * sizeof(void *)) == 0);
		require(rpcbuf_rqst_populated(rqst) == VECTOR - nr);
		require(memcmp(rpcbuf_rqst_pages(rqst), before + nr,
			       (VECTOR - nr) * sizeof(void *)) == 0);
		require(rpcbuf_rqst_pages(rqst)[VECTOR - nr] == NULL);
		rpcbuf_rqst_stats(rqst, &s);
		require(rpcbuf_rqst_fill(rqst) == 0);
		rpcbuf_rqst_stats(rqst, &t);
		require(t.pages_filled - s.pages_filled == nr);
		for (i = 0; i < VECTOR; i++)
			if (kept < VECTOR - nr && rpcbuf_rqst_pages(rqst)[i] ==
							  before[nr + kept])
				kept++;
		require(kept == VECTOR - nr);
		rpcbuf_free_bulk_array(mm, nr, taken);
	}
	check_full(rqst);
	ck_assert_uint_eq(out(), VECTOR);
}
END_TEST

/* Taken bit by bit without a fill between: what remains is the end of it. */
START_TEST(take_in_steps)
{
	void *all[VECTOR], *taken[VECTOR];
	unsigned int step, at;

	for (step = 1; step <= VECTOR; step++) {
		ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
		memcpy(all, rpcbuf_rqst_pages(rqst), sizeof(all));
		for (at = 0; at + step <= VECTOR; at += step)
			rpcbuf_rqst_take(rqst, step, taken + at);
		ck_assert_int_eq(memcmp(all, taken, at * sizeof(void *)), 0);
		ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), VECTOR - at);
		rpcbuf_free_bulk_array(mm, at, taken);
	}
}
END_TEST

/* A run is one stretch of memory, used up before another is taken. */
START_TEST(runs)
{
	void *taken[VECTOR];
	void **pages;

	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 1), 0);
	check_full(rqst);
	ck_assert_uint_eq(test_nr_runs(rpcbuf_rqst_pages(rqst), VECTOR), 1);
	pages = rpcbuf_rqst_pages(rqst);
	rpcbuf_rqst_take(rqst, 5, taken);
	ck_assert_ptr_eq(rpcbuf_rqst_pages(rqst), pages + 5);
	/* Enough is left: the run goes on. */
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, VECTOR - 5), 0);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), VECTOR - 5);
	ck_assert(rpcbuf_adjacent(taken[4], rpcbuf_rqst_pages(rqst)[0]));
	/* Too little is left: it goes back for another one. */
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, VECTOR - 4), 0);
	check_full(rqst);
	ck_assert_uint_eq(test_nr_runs(rpcbuf_rqst_pages(rqst), VECTOR), 1);
	ck_assert_uint_eq(out(), VECTOR + 5);
	rpcbuf_free_run(mm, 5, taken);
	rpcbuf_rqst_release(rqst);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

/* No run among pages that are all free but for every other one; and none
 * past others that wait. */
START_TEST(no_run)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	unsigned int i;

	leave(0);
	for (i = 0; i < nr_held; i++)
		if ((uintptr_t)held[i] >> RPCBUF_PAGE_SHIFT & 1)
			rpcbuf_free_bulk_array(mm, 1, held + i);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), -ENOMEM);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), 0);
	ck_assert_ptr_null(rpcbuf_rqst_pages(rqst)[0]);
	rpcbuf_free_bulk_array(mm, nr_held, held);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), -ENOMEM);
	rpcbuf_wait_leave(&waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), 0);
	check_full(rqst);
}
END_TEST

static void *fill_until_stopped(void *arg)
{
	int *result = arg;

	*result = rpcbuf_rqst_fill(rqst);
	return NULL;
}

static void wait_until_queued(void)
{
	while (!rpcbuf_wait_pending(mm))
		usleep(100);
}

/* A fill that waits returns when the service stops, with what it had got. */
START_TEST(stop_ends_a_wait)
{
	pthread_t thread;
	int result = 1;

	leave(VECTOR - 1);
	pthread_create(&thread, NULL, fill_until_stopped, &result);
	wait_until_queued();
	rpcbuf_service_stop(&service, mm);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, -EINTR);
	ck_assert(!rpcbuf_wait_pending(mm));
	/* And later ones at once; but a fill that needs not wait succeeds. */
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), -EINTR);
	ck_assert(!rpcbuf_wait_pending(mm));
	rpcbuf_free_bulk_array(mm, 1, held);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	check_full(rqst);
}
END_TEST

/* A fill goes on when the last page comes back, however it comes. */
START_TEST(sleeps_until_pages_come)
{
	struct rpcbuf_rqst_stats stats;
	unsigned int left = (unsigned int)_i;
	pthread_t thread;
	int result = 1;

	leave(left);
	pthread_create(&thread, NULL, fill_until_stopped, &result);
	wait_until_queued();
	for (unsigned int i = left; i < VECTOR; i++)
		rpcbuf_free_bulk_array(mm, 1, held + i);
	pthread_join(thread, NULL);
	ck_assert_int_eq(result, 0);
	check_full(rqst);
	rpcbuf_rqst_stats(rqst, &stats);
	ck_assert_uint_eq(stats.sleeps, 1);
	ck_assert_uint_eq(stats.fills, 1);
	ck_assert_uint_gt(stats.sleep_ns, 0);
	ck_assert_uint_eq(stats.pages_filled, VECTOR);
}
END_TEST

static bool is_readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* The way of an event loop: told through an eventfd, keeps its place. */
START_TEST(try_fill)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t value;

	rpcbuf_rqst_notify(rqst, fd);
	leave(VECTOR - 3);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(rpcbuf_wait_pending(mm));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(!is_readable(fd));
	/* The head of the queue keeps what it has got. */
	ck_assert_uint_eq(out(), nr_held + VECTOR - 3);
	rpcbuf_free_bulk_array(mm, 1, held);
	ck_assert(is_readable(fd));
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	rpcbuf_free_bulk_array(mm, 2, held + 1);
	ck_assert(is_readable(fd));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	check_full(rqst);
	ck_assert(!rpcbuf_wait_pending(mm));
	/* Nobody waits: no more wake-ups. */
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	rpcbuf_free_bulk_array(mm, 1, held + 3);
	ck_assert(!is_readable(fd));
	close(fd);
}
END_TEST

/* The second in the queue keeps no pages, and gets its turn by a release, a
 * give-up or a success of the first. */
START_TEST(queue_of_two)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct rpcbuf_rqst *second;

	ck_assert_int_eq(rpcbuf_rqst_create(&second, mm, NULL, VECTOR), 0);
	rpcbuf_rqst_notify(second, fd);
	leave(VECTOR - 1);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), -EAGAIN);
	/* Not its turn, even when there is enough. */
	rpcbuf_free_bulk_array(mm, VECTOR + 1, held);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), -EAGAIN);
	ck_assert_uint_eq(rpcbuf_rqst_populated(second), 0);
	ck_assert(!is_readable(fd));
	if (_i == 0)
		ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	else if (_i == 1)
		rpcbuf_rqst_give_up(rqst);
	else
		rpcbuf_rqst_release(rqst);
	ck_assert(is_readable(fd));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), 0);
	check_full(second);
	ck_assert(!rpcbuf_wait_pending(mm));
	rpcbuf_rqst_destroy(second);
	close(fd);
}
END_TEST

/* Those that wait in an event loop are told of a stop as well. */
START_TEST(stop_notifies)
{
	int fd = eventfd(0, EFD_NONBLOCK);

	rpcbuf_rqst_notify(rqst, fd);
	leave(0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(!is_readable(fd));
	rpcbuf_service_stop(&service, mm);
	ck_assert(is_readable(fd));
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), -EINTR);
	close(fd);
}
END_TEST

/* First in, first out: each of many gets the one vector there is in turn. */
START_TEST(in_order)
{
	struct rpcbuf_rqst *queue[8];
	int i, j;

	leave(0);
	for (i = 0; i < 8; i++) {
		rpcbuf_rqst_create(&queue[i], mm, NULL, VECTOR);
		ck_assert_int_eq(rpcbuf_rqst_try_fill(queue[i]), -EAGAIN);
	}
	rpcbuf_free_bulk_array(mm, nr_held, held);
	/* There is enough for a newcomer too, but others were first. */
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_uint_eq(out(), 0);
	for (i = 0; i < 8; i++) {
		for (j = 7; j > i; j--)
			ck_assert_int_eq(rpcbuf_rqst_try_fill(queue[j]),
					 -EAGAIN);
		ck_assert_int_eq(rpcbuf_rqst_try_fill(queue[i]), 0);
		rpcbuf_rqst_release(queue[i]);
	}
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	for (i = 0; i < 8; i++)
		rpcbuf_rqst_destroy(queue[i]);
}
END_TEST

static uint64_t owners; /* vectors that are full now */

/* Fills, holds for a moment, gives back; some take pages out and let them go
 * later. */
static void *filler(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg * 2 + 1;
	void *taken[VECTOR];
	struct rpcbuf_rqst *r;

	require(rpcbuf_rqst_create(&r, mm, &service, VECTOR) == 0);
	for (int round = 0; round < TEST_ROUNDS(50); round++) {
		unsigned int nr = test_below(&seed, VECTOR + 1);

		require(rpcbuf_rqst_fill(r) == 0);
		/* There are pages for one. */
		require(__atomic_add_fetch(&owners, 1, __ATOMIC_SEQ_CST) == 1);
		rpcbuf_rqst_take(r, nr, taken);
		for (unsigned int i = 0; i < nr; i++)
			memset(taken[i], round, 64);
		if (test_below(&seed, 4) == 0)
			usleep(test_below(&seed, 200));
		__atomic_sub_fetch(&owners, 1, __ATOMIC_SEQ_CST);
		if (test_below(&seed, 2))
			rpcbuf_rqst_release(r);
		rpcbuf_free_bulk_array(mm, nr, taken);
		rpcbuf_rqst_release(r);
	}
	rpcbuf_rqst_destroy(r);
	return NULL;
}

START_TEST(sixty_four_fillers)
{
	pthread_t threads[FILLERS];
	uintptr_t i;

	for (i = 0; i < FILLERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, filler,
						(void *)(i + 1)),
				 0);
	for (i = 0; i < FILLERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

static void *filler_until_stopped(void *arg)
{
	struct rpcbuf_rqst *r;

	(void)arg;
	require(rpcbuf_rqst_create(&r, mm, &service, VECTOR) == 0);
	while (rpcbuf_rqst_fill(r) == 0)
		rpcbuf_rqst_release(r);
	rpcbuf_rqst_destroy(r);
	return NULL;
}

/* However many wait, a stop ends them all. */
START_TEST(stop_ends_all)
{
	pthread_t threads[FILLERS];
	int i;

	leave(3);
	for (i = 0; i < FILLERS; i++)
		pthread_create(&threads[i], NULL, filler_until_stopped, NULL);
	wait_until_queued();
	rpcbuf_service_stop(&service, mm);
	for (i = 0; i < FILLERS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rqst");
	TCase *tcase = tcase_create("vector"), *small = tcase_create("shortage");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, create);
	tcase_add_test(tcase, smallest_vector);
	tcase_add_test(tcase, full_vector);
	tcase_add_test(tcase, only_consumed_slots);
	tcase_add_test(tcase, take_in_steps);
	tcase_add_test(tcase, runs);
	tcase_add_test(tcase, no_run);
	tcase_add_test(tcase, stop_ends_a_wait);
	tcase_add_loop_test(tcase, sleeps_until_pages_come, 0, VECTOR);
	tcase_add_test(tcase, try_fill);
	tcase_add_loop_test(tcase, queue_of_two, 0, 3);
	tcase_add_test(tcase, stop_notifies);
	tcase_add_test(tcase, in_order);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(small, 100);
	tcase_add_checked_fixture(small, setup_small, teardown);
	tcase_add_test(small, sixty_four_fillers);
	tcase_add_test(small, stop_ends_all);
	suite_add_tcase(suite, small);
	return wire_run(suite);
}
