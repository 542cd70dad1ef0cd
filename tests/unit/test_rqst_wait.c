/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page vector that finds no pages waits in order, never for ever, and
 * is notified of pages and of a stop.
 * Method: the test takes the pages of a small instance; 64 threads share a
 * budget of one vector and a page.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "rqst_util.h"

#define FILLERS 64

/* A budget of one vector and a page. */
static void setup_small(void)
{
	setup_pages(VECTOR + 1);
}

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

/* A waiting fill returns when the service stops, with the pages it had got. */
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
	/* Later ones return at once; but a fill that need not wait succeeds. */
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), -EINTR);
	ck_assert(!rpcbuf_wait_pending(mm));
	rpcbuf_free_bulk_array(mm, 1, held);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	check_full(rqst);
}
END_TEST

/* A fill continues when the last page is released, in any way. */
START_TEST(sleeps_until_pages_come)
{
	struct rpcbuf_rqst_stats stats = RPCBUF_RQST_STATS_INIT;
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

/* As an event loop: notified through an eventfd, keeps its place. */
START_TEST(try_fill)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	eventfd_t value;

	rpcbuf_rqst_notify(rqst, fd);
	leave(VECTOR - 3);
	ck_assert(!rpcbuf_rqst_is_asleep(rqst));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(rpcbuf_wait_pending(mm));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(!is_readable(fd));
	ck_assert(rpcbuf_rqst_is_asleep(rqst));
	/* The head of the queue keeps the pages it has got. */
	ck_assert_uint_eq(out(), nr_held + VECTOR - 3);
	rpcbuf_free_bulk_array(mm, 1, held);
	ck_assert(is_readable(fd));
	ck_assert(!rpcbuf_rqst_is_asleep(rqst));
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert(rpcbuf_rqst_is_asleep(rqst));
	rpcbuf_free_bulk_array(mm, 2, held + 1);
	ck_assert(is_readable(fd));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	check_full(rqst);
	ck_assert(!rpcbuf_wait_pending(mm));
	ck_assert(!rpcbuf_rqst_is_asleep(rqst));
	/* No waiter: no more wake-ups. */
	ck_assert_int_eq(eventfd_read(fd, &value), 0);
	rpcbuf_free_bulk_array(mm, 1, held + 3);
	ck_assert(!is_readable(fd));
	close(fd);
}
END_TEST

/* The second in the queue keeps no pages, and becomes the head after a release,
 * a timeout or a success of the first. */
START_TEST(queue_of_two)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct rpcbuf_rqst *second;

	ck_assert_int_eq(rpcbuf_rqst_create(&second, mm, NULL, VECTOR), 0);
	rpcbuf_rqst_notify(second, fd);
	leave(VECTOR - 1);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(second), -EAGAIN);
	/* Not the head, even when there is enough. */
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

/* Waiters in an event loop are notified of a stop as well. */
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

/* First in, first out: each of many gets the single vector in order. */
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

/* Fills, holds for a moment, releases; some take pages out and free them
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
	Suite *suite = suite_create("rqst_wait");
	TCase *tcase = tcase_create("wait"), *small = tcase_create("shortage");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
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
