/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: requests and releases that never wait return at once, whatever locks
 * are held; they lose no page, and a sleeping waiter is notified; a signal
 * handler may use them while it interrupts the library.
 * Method: hold each lock by hand; a timer signal that allocates and releases
 * while the interrupted thread is inside the allocator, thousands of times.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/time.h>

#include "mm_util.h"
#include <rpcbuf/mm/miss.h>

static struct rpcbuf *mm;

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

static void hold_caches(uint32_t held)
{
	unsigned int cpu;

	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.held, held);
}

static struct zone *zone(void)
{
	return &mm->nodes[0].zone;
}

/* With every lock held a request returns nothing, and a release is deferred. */
START_TEST(locked_everything)
{
	void *pages[100] = {NULL}, *none[10] = {NULL};
	unsigned int i;

	mm = test_create(1024);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 100, pages), 100);
	hold_caches(1);
	os_guard(&zone()->lists);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK));
	ck_assert_ptr_null(rpcbuf_alloc_pages(mm, RPCBUF_GFP_NOLOCK, 3));
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 10,
						  none),
			  0);
	rpcbuf_free_bulk_array_nolock(mm, 99, pages);
	rpcbuf_free_page_nolock(mm, pages[99]);
	for (i = 0; i < 99; i++)
		ck_assert_ptr_null(pages[i]);
	os_unguard(&zone()->lists);
	ck_assert(zone_has_deferred(zone()));
	hold_caches(0);
	/* The next holder of the lock puts 64 of them back, the one after it
	 * the rest. */
	rpcbuf_free_page(mm, rpcbuf_alloc_page(mm, 0));
	ck_assert_uint_eq(out(), 0);
	ck_assert(!zone_has_deferred(zone()));
	test_destroy(mm);
}
END_TEST

/* The caches serve when they can. */
START_TEST(cache_serves)
{
	void *pages[64] = {NULL}, *page;

	mm = test_create(4096);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, pages), 64);
	rpcbuf_free_bulk_array(mm, 64, pages);
	page = rpcbuf_alloc_page(mm, 0);
	rpcbuf_free_page(mm, page);
	os_guard(&zone()->lists);
	page = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK);
	ck_assert_ptr_nonnull(page);
	rpcbuf_free_page_nolock(mm, page);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 64,
						  pages),
			  64);
	rpcbuf_free_bulk_array_nolock(mm, 64, pages);
	os_unguard(&zone()->lists);
	ck_assert(!zone_has_deferred(zone()));
	test_destroy(mm);
}
END_TEST

/* Depots serve too: single pages, and parts of runs. */
START_TEST(depots_serve)
{
	void *pages[128] = {NULL}, *loose[3], *runs[3];
	struct mm_node *node;
	unsigned int i, nr;

	mm = test_create(8192);
	node = &mm->nodes[0];
	for (i = 0; i < 3; i++) {
		loose[i] = rpcbuf_alloc_page(mm, 0);
		runs[i] = rpcbuf_alloc_pages(mm, 0, RUN_ORDER);
		ck_assert_ptr_nonnull(runs[i]);
		ck_assert(page_drop(mm, loose[i]));
		for (nr = 0; nr < RUN_PAGES; nr++)
			ck_assert(page_drop(mm, (char *)runs[i] +
							nr * RPCBUF_PAGE_SIZE));
	}
	ck_assert_uint_eq(depot_put(mm, &node->loose, loose, 3), 3);
	ck_assert_uint_eq(depot_put(mm, &node->runs, runs, 3), 3);
	hold_caches(1);
	os_guard(&zone()->lists);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 23,
						  pages),
			  23);
	ck_assert_ptr_eq(pages[2], loose[2]);
	ck_assert_uint_eq(test_nr_runs(pages + 3, 16), 1);
	ck_assert(zone_has_deferred(zone()));
	os_cpulock_close(&node->runs.lock, false);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK));
	os_cpulock_open(&node->runs.lock, false);
	for (nr = 23; nr < 39; nr++)
		pages[nr] = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK);
	ck_assert_ptr_nonnull(pages[23]);
	ck_assert_ptr_null(pages[24]);
	os_unguard(&zone()->lists);
	hold_caches(0);
	rpcbuf_free_bulk_array(mm, nr, pages);
	test_destroy(mm);
}
END_TEST

/* Deferred pages count for a request that is short, before it gives up. */
START_TEST(deferred_pages_are_found)
{
	void **all = calloc(1024, sizeof(*all));
	unsigned int i;

	mm = test_create(1024);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 1024, all), 1024);
	hold_caches(1);
	os_guard(&zone()->lists);
	rpcbuf_free_bulk_array_nolock(mm, 300, all);
	os_unguard(&zone()->lists);
	hold_caches(0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 1024, all), 1024);
	for (i = 0; i < 1024; i++)
		ck_assert_ptr_nonnull(all[i]);
	rpcbuf_free_bulk_array(mm, 1024, all);
	test_destroy(mm);
	free(all);
}
END_TEST

/* A waiter checks before it sleeps; one that sleeps is woken, even when the
 * lock of the queue was held. */
START_TEST(waiters_are_told)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	void **all = calloc(64, sizeof(*all));
	uint32_t count;
	uint64_t value;

	mm = test_create(64);
	waiter.eventfd = eventfd(0, EFD_NONBLOCK);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, all), 64);
	rpcbuf_wait_join(mm, &waiter);
	count = rpcbuf_wait_count(&waiter);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, count, 1000), -ETIMEDOUT);

	/* Deferred, and the wake-up missed: the next unlock makes up for it. */
	os_guard(&zone()->lists);
	os_guard(&mm->wait.list);
	rpcbuf_free_page_nolock(mm, all[0]);
	os_unguard(&zone()->lists);
	os_unguard(&mm->wait.list);
	ck_assert_uint_eq(rpcbuf_wait_count(&waiter), count);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, count, OS_FOREVER), 0);
	ck_assert_uint_ne(rpcbuf_wait_count(&waiter), count);
	all[0] = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_nonnull(all[0]);

	while (read(waiter.eventfd, &value, sizeof(value)) > 0)
		;
	rpcbuf_free_page_nolock(mm, all[1]);
	ck_assert_int_eq(read(waiter.eventfd, &value, sizeof(value)), 8);
	all[1] = rpcbuf_alloc_page(mm, 0);
	ck_assert_ptr_nonnull(all[1]);

	os_guard(&mm->wait.list);
	rpcbuf_free_page_nolock(mm, all[2]);
	all[2] = NULL;
	ck_assert_int_eq(read(waiter.eventfd, &value, sizeof(value)), -1);
	os_unguard(&mm->wait.list);
	ck_assert(rpcbuf_wait_is_head(&waiter)); /* locks, unlocks */
	ck_assert_int_eq(read(waiter.eventfd, &value, sizeof(value)), 8);

	rpcbuf_wait_leave(&waiter);
	close(waiter.eventfd);
	rpcbuf_free_bulk_array(mm, 64, all);
	test_destroy(mm);
	free(all);
}
END_TEST

/* The handler: fills, releases, keeps some pages until the next signal. */
static void *kept[40];
static uint64_t signals, served, torn;

static void on_signal(int number)
{
	static uint64_t seed = 77;
	void *pages[40] = {NULL};
	unsigned int nr = 1 + test_below(&seed, 40), got, i;
	int saved = errno;

	(void)number;
	errno = 4242;
	got = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, nr, pages);
	for (i = 0; i < got; i++)
		*(uint64_t *)pages[i] = (uintptr_t)pages;
	for (i = 0; i < got; i++)
		torn += *(uint64_t *)pages[i] != (uintptr_t)pages;
	rpcbuf_free_bulk_array_nolock(mm, 40, kept);
	memcpy(kept, pages, sizeof(kept));
	torn += errno != 4242;
	errno = saved;
	served += got;
	signals++;
}

static void work(uint64_t *seed, void **pages)
{
	unsigned int nr = test_below(seed, 300), i, got;

	got = rpcbuf_alloc_bulk_array(mm, 0, nr, pages);
	for (i = 0; i < got; i++)
		*(uint64_t *)pages[i] = (uintptr_t)&pages[i];
	for (i = 0; i < got; i++)
		require(*(uint64_t *)pages[i] == (uintptr_t)&pages[i]);
	rpcbuf_free_bulk_array(mm, 300, pages);
	if (test_below(seed, 4) == 0)
		pcp_drain_all(mm);
}

static void signals_until(uint64_t enough, unsigned int nodes)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct itimerval every = {{0, 100}, {0, 100}}, stop = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_signal,
				   .sa_flags = SA_RESTART};
	uint64_t seed = test_seed();
	void *pages[300] = {NULL};

	options.memory = 2000 * RPCBUF_PAGE_SIZE;
	options.nodes = nodes;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	signals = served = 0;
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
	while (__atomic_load_n(&signals, __ATOMIC_RELAXED) < enough)
		work(&seed, pages);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &stop, NULL), 0);
	signal(SIGALRM, SIG_IGN);
	printf("%llu signals got %llu pages\n", (unsigned long long)signals,
	       (unsigned long long)served);
	fflush(stdout);
	ck_assert_uint_eq(torn, 0);
	ck_assert_uint_gt(served, 0);
	rpcbuf_free_bulk_array(mm, 40, kept);
	test_destroy(mm);
}

START_TEST(signal_inside_the_allocator)
{
	signals_until(TEST_ROUNDS(20000), _i ? 3 : 0);
}
END_TEST

/* As before, while another thread keeps the zone's lock busy. */
static struct os_u32 stop_other;

static void *other(void *arg)
{
	void *pages[64] = {NULL};

	(void)arg;
	while (!os_load(&stop_other)) {
		if (rpcbuf_alloc_run(mm, 64, pages))
			rpcbuf_free_run(mm, 64, pages);
	}
	return NULL;
}

START_TEST(signal_beside_another_thread)
{
	pthread_t thread;
	struct itimerval every = {{0, 100}, {0, 100}}, stop = {{0, 0}, {0, 0}};
	struct sigaction action = {.sa_handler = on_signal,
				   .sa_flags = SA_RESTART};
	uint64_t seed = test_seed();
	void *pages[300] = {NULL};
	sigset_t set;

	mm = test_create(1500);
	/* Only one thread runs the handler: the other starts with the signal
	 * blocked. */
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	ck_assert_int_eq(pthread_create(&thread, NULL, other, NULL), 0);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	ck_assert_int_eq(sigaction(SIGALRM, &action, NULL), 0);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &every, NULL), 0);
	while (__atomic_load_n(&signals, __ATOMIC_RELAXED) <
	       TEST_ROUNDS(10000))
		work(&seed, pages);
	ck_assert_int_eq(setitimer(ITIMER_REAL, &stop, NULL), 0);
	signal(SIGALRM, SIG_IGN);
	os_store(&stop_other, 1);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(torn, 0);
	rpcbuf_free_bulk_array(mm, 40, kept);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("nolock");
	TCase *tcase = tcase_create("nolock");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, locked_everything);
	tcase_add_test(tcase, cache_serves);
	tcase_add_test(tcase, depots_serve);
	tcase_add_test(tcase, deferred_pages_are_found);
	tcase_add_test(tcase, waiters_are_told);
	tcase_add_loop_test(tcase, signal_inside_the_allocator, 0, 2);
	tcase_add_test(tcase, signal_beside_another_thread);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
