/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the queue is first in, first out; every release wakes its head, from
 * any cache or thread; no waiter is woken without a reason, sleeps past its
 * time, or is lost when another leaves.
 * Method: one thread acts as the waiters and reads their counts; then real
 * threads sleep, up to 64 of them on a budget that serves one at a time.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/eventfd.h>

#include "mm_util.h"

static struct rpcbuf *mm;
static void *all[1024];

static void setup(void)
{
	mm = test_create(1024);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 1024, all), 1024);
}

static void teardown(void)
{
	rpcbuf_free_bulk_array(mm, 1024, all);
	test_destroy(mm);
}

START_TEST(join_and_leave)
{
	struct rpcbuf_waiter a = RPCBUF_WAITER_INIT, b = RPCBUF_WAITER_INIT,
			     c = RPCBUF_WAITER_INIT;

	ck_assert(!rpcbuf_wait_pending(mm));
	ck_assert(!rpcbuf_wait_is_head(&a));
	rpcbuf_wait_leave(&a);
	rpcbuf_wait_join(mm, &a);
	rpcbuf_wait_join(mm, &a);
	rpcbuf_wait_join(mm, &b);
	rpcbuf_wait_join(mm, &c);
	ck_assert(rpcbuf_wait_pending(mm));
	ck_assert(rpcbuf_wait_is_head(&a));
	ck_assert(!rpcbuf_wait_is_head(&b));

	/* A leave from the middle wakes none; from the front it wakes the
	 * next. */
	rpcbuf_wait_leave(&b);
	ck_assert_uint_eq(rpcbuf_wait_count(&c), 0);
	rpcbuf_wait_leave(&a);
	ck_assert_uint_eq(rpcbuf_wait_count(&c), 1);
	ck_assert(rpcbuf_wait_is_head(&c));
	rpcbuf_wait_join(mm, &a);
	rpcbuf_wait_leave(&c);
	ck_assert(rpcbuf_wait_is_head(&a));
	rpcbuf_wait_leave(&a);
	rpcbuf_wait_leave(&a);
	ck_assert(!rpcbuf_wait_pending(mm));
}
END_TEST

START_TEST(releases_wake_the_head)
{
	struct rpcbuf_waiter a = RPCBUF_WAITER_INIT, b = RPCBUF_WAITER_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *shared;
	uint32_t count;

	rpcbuf_wait_join(mm, &a);
	rpcbuf_wait_join(mm, &b);
	count = rpcbuf_wait_count(&a);
	rpcbuf_free_page(mm, all[0]);
	all[0] = NULL;
	ck_assert_uint_gt(rpcbuf_wait_count(&a), count);
	count = rpcbuf_wait_count(&a);
	rpcbuf_free_bulk_array(mm, 5, all);
	ck_assert_uint_gt(rpcbuf_wait_count(&a), count);
	count = rpcbuf_wait_count(&a);
	rpcbuf_free_bulk_array(mm, 100, all);
	ck_assert_uint_gt(rpcbuf_wait_count(&a), count);
	ck_assert_uint_eq(rpcbuf_wait_count(&b), 0);

	/* Past the caches. */
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_cached, 0);

	/* Nothing was released, so none is woken. */
	count = rpcbuf_wait_count(&a);
	shared = all[200];
	ck_assert_int_eq(rpcbuf_page_get(mm, shared), 0);
	rpcbuf_free_page(mm, shared);
	rpcbuf_free_bulk_array(mm, 100, all);
	ck_assert_uint_eq(rpcbuf_wait_count(&a), count);
	rpcbuf_wait_leave(&a);
	rpcbuf_wait_leave(&b);
}
END_TEST

/* Pages in caches when the first waiter comes are in the zone when it has
 * joined. */
START_TEST(join_drains_the_caches)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_free_bulk_array(mm, 10, all);
	rpcbuf_free_bulk_array(mm, 10, all + 10);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_gt(counts.pages_cached, 0);
	rpcbuf_wait_join(mm, &waiter);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_cached, 0);
	ck_assert_uint_eq(node_nr_free(mm), 20);
	/* A fill of one page must not put the rest of a batch in a cache. */
	all[0] = rpcbuf_alloc_page(mm, 0);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_cached, 0);
	rpcbuf_wait_leave(&waiter);
	/* And afterwards caches are used again. */
	rpcbuf_free_page(mm, all[0]);
	all[0] = NULL;
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_gt(counts.pages_cached, 0);
}
END_TEST

START_TEST(wake_all)
{
	struct rpcbuf_waiter waiters[5];
	unsigned int i;

	rpcbuf_wait_wake_all(mm);
	for (i = 0; i < 5; i++) {
		waiters[i] = (struct rpcbuf_waiter)RPCBUF_WAITER_INIT;
		rpcbuf_wait_join(mm, &waiters[i]);
	}
	rpcbuf_wait_wake_all(mm);
	for (i = 0; i < 5; i++) {
		ck_assert_uint_eq(rpcbuf_wait_count(&waiters[i]), 1);
		ck_assert_int_eq(
			rpcbuf_wait_sleep(&waiters[i], 0, OS_SECOND_NS), 0);
	}
	for (i = 0; i < 5; i++)
		rpcbuf_wait_leave(&waiters[i]);
}
END_TEST

START_TEST(timeout)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	uint64_t before = os_now();

	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, rpcbuf_wait_count(&waiter),
					   OS_SECOND_NS / 50),
			 -ETIMEDOUT);
	ck_assert_uint_ge(os_now() - before, OS_SECOND_NS / 50);
	ck_assert_int_eq(
		rpcbuf_wait_sleep(&waiter, rpcbuf_wait_count(&waiter), 0),
		-ETIMEDOUT);
	/* Woken before: returns at once, whatever the timeout. */
	rpcbuf_free_bulk_array(mm, 1, all);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, 0, UINT64_MAX), 0);
	rpcbuf_wait_leave(&waiter);
}
END_TEST

static void on_signal(int signal)
{
	(void)signal;
}

static void *interrupt(void *thread)
{
	struct timespec pause = {.tv_nsec = 10000000};
	int i;

	/* Until one of them finds it asleep. */
	for (i = 0; i < 100; i++) {
		pthread_kill(*(pthread_t *)thread, SIGUSR1);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

START_TEST(signals_interrupt_a_sleep)
{
	struct sigaction action = {.sa_handler = on_signal};
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	pthread_t self = pthread_self(), thread;

	sigaction(SIGUSR1, &action, NULL);
	rpcbuf_wait_join(mm, &waiter);
	pthread_create(&thread, NULL, interrupt, &self);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, 0, 100 * OS_SECOND_NS),
			 -EINTR);
	pthread_join(thread, NULL);
	rpcbuf_wait_leave(&waiter);
}
END_TEST

START_TEST(eventfd_wakes_an_event_loop)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct pollfd pollfd = {.events = POLLIN};
	uint64_t value;

	waiter.eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	ck_assert_int_ge(waiter.eventfd, 0);
	pollfd.fd = waiter.eventfd;
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
	rpcbuf_free_bulk_array(mm, 3, all);
	ck_assert_int_eq(poll(&pollfd, 1, 0), 1);
	ck_assert_int_eq(read(waiter.eventfd, &value, 8), 8);
	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
	rpcbuf_wait_leave(&waiter);
	rpcbuf_free_bulk_array(mm, 10, all);
	ck_assert_int_eq(poll(&pollfd, 1, 0), 0);
	close(waiter.eventfd);
}
END_TEST

/*
 * 64 threads on a budget of one vector and a page: each fills a vector through
 * the queue, holds it for a moment, and frees it. All finish, in the order in
 * which they joined.
 */
#define FILLERS 64
#define VECTOR	259u

static struct {
	struct os_u32 tickets, served;
	pthread_mutex_t joining;
} fifo = {.joining = PTHREAD_MUTEX_INITIALIZER};

static void *filler(void *unused)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	void *pages[VECTOR] = {NULL};
	unsigned int filled = 0;
	uint32_t count, ticket;

	/* One joins after the other, so that there is an order to check. */
	pthread_mutex_lock(&fifo.joining);
	ticket = os_fetch_add(&fifo.tickets, 1);
	rpcbuf_wait_join(mm, &waiter);
	pthread_mutex_unlock(&fifo.joining);

	for (;;) {
		count = rpcbuf_wait_count(&waiter);
		if (rpcbuf_wait_is_head(&waiter)) {
			filled = rpcbuf_alloc_bulk_array(mm, 0, VECTOR, pages);
			if (filled == VECTOR)
				break;
		}
		require(rpcbuf_wait_sleep(&waiter, count, 100 * OS_SECOND_NS) ==
			0);
	}
	require(os_load(&fifo.served) == ticket);
	os_store(&fifo.served, ticket + 1);
	rpcbuf_wait_leave(&waiter);
	sched_yield();
	rpcbuf_free_bulk_array(mm, VECTOR, pages);
	return unused;
}

START_TEST(sixty_four_fillers)
{
	pthread_t threads[FILLERS];
	unsigned int i;

	rpcbuf_free_bulk_array(mm, 1024, all);
	test_destroy(mm);
	mm = test_create(VECTOR + 1);
	/* They queue up while nothing is free. */
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, VECTOR + 1, all),
			  VECTOR + 1);
	for (i = 0; i < FILLERS; i++)
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, filler, NULL), 0);
	for (i = 0; i < VECTOR + 1; i += 10)
		rpcbuf_free_bulk_array(mm, rpcbuf_min(10u, VECTOR + 1 - i),
				       all + i);
	for (i = 0; i < FILLERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(os_load(&fifo.served), FILLERS);
	ck_assert(!rpcbuf_wait_pending(mm));
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("wait");
	TCase *tcase = tcase_create("wait");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, join_and_leave);
	tcase_add_test(tcase, releases_wake_the_head);
	tcase_add_test(tcase, join_drains_the_caches);
	tcase_add_test(tcase, wake_all);
	tcase_add_test(tcase, timeout);
	tcase_add_test(tcase, signals_interrupt_a_sleep);
	tcase_add_test(tcase, eventfd_wakes_an_event_loop);
	tcase_add_test(tcase, sixty_four_fillers);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
