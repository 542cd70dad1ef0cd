/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a guard can be switched on and off while other threads allocate and
 * release: no page is lost, and threads share fields only by atomic operations.
 * Method: threads fill arrays through caches, depots and zone, from a budget
 * that scatters.  Meanwhile fault injection, the guard that a program may
 * switch, is switched as fast as possible, and one thread reads counts.
 * ThreadSanitizer reports every plain access to a field that switching writes;
 * in every build all pages are free at the end and the structures are valid.
 */
#include <pthread.h>

#include "mm_util.h"
#include <rpcbuf/bulk.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/os/atomic.h>

#define THREADS 3
#define SLOTS	300

static struct rpcbuf *mm;
static struct os_bool stop;

/* Every second page first: the rest is scattered. */
static void *fill(void *arg)
{
	void *pages[SLOTS] = {NULL};
	unsigned int i;

	(void)arg;
	while (!os_load(&stop)) {
		rpcbuf_alloc_bulk_array(mm, 0, SLOTS, pages);
		for (i = 0; i < SLOTS; i += 2)
			if (pages[i])
				rpcbuf_free_page(mm, pages[i]);
		for (i = 1; i < SLOTS; i += 2)
			if (pages[i])
				rpcbuf_free_page(mm, pages[i]);
		memset(pages, 0, sizeof(pages));
	}
	return NULL;
}

static void *count(void *arg)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	(void)arg;
	while (!os_load(&stop))
		rpcbuf_mm_counts(mm, &counts);
	return NULL;
}

START_TEST(test_switch)
{
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
	pthread_t threads[THREADS + 1];
	unsigned int i;

	mm = test_create(1024);
	os_store(&stop, false);
	fault.share = 1000;
	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fill, NULL),
				 0);
	ck_assert_int_eq(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (i = 0; i < TEST_ROUNDS(400); i++) {
		ck_assert_int_eq(rpcbuf_fault_set(mm, &fault), 0);
		sched_yield();
		ck_assert_int_eq(rpcbuf_fault_set(mm, NULL), 0);
		sched_yield();
	}
	os_store(&stop, true);
	for (i = 0; i < THREADS + 1; i++)
		pthread_join(threads[i], NULL);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("guard");
	TCase *tc = tcase_create("guard");

	(void)argc;
	tcase_set_timeout(tc, 100);
	tcase_add_test(tc, test_switch);
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
