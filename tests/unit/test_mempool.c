/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a mempool serves from allocator, reserve (all or nothing), then the
 * allocator's queue, first come first served; it is refilled first, can be
 * resized while in use, and a caller that may sleep always gets its pages.
 * Method: one thread uses up the instance and checks where each call takes
 * pages; then threads wait for one another.  A deadlock ends in the time limit
 * of the test.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include <rpcbuf/budget.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/mempool.h>

#include "mm_util.h"

#define NR_PAGES 512u
#define MIN_NR	 100u
#define WAIT	 RPCBUF_GFP_WAIT

static struct rpcbuf *mm;
static struct rpcbuf_mempool *pool;
static void *hog[NR_PAGES]; /* pages that keep the allocator empty */
static void *pages[NR_PAGES];

static void setup(void)
{
	mm = test_create(NR_PAGES);
	ck_assert_int_eq(rpcbuf_mempool_create(&pool, mm, MIN_NR), 0);
}

static void pool_is_valid(void)
{
	const char *wrong = mempool_is_valid(pool);

	ck_assert_msg(wrong == NULL, "%s", wrong);
}

static void teardown(void)
{
	pool_is_valid();
	rpcbuf_free_bulk_array(mm, NR_PAGES, pages);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	ck_assert_int_eq(rpcbuf_mempool_destroy(pool), 0);
	test_destroy(mm);
}

/* Leaves @free pages in the allocator. */
static void use_up(unsigned int free)
{
	unsigned int got = rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, hog);

	rpcbuf_free_bulk_array(mm, free, hog + got - free);
}

static struct rpcbuf_mempool_stats stats(void)
{
	struct rpcbuf_mempool_stats now = RPCBUF_MEMPOOL_STATS_INIT;

	rpcbuf_mempool_stats(pool, &now);
	return now;
}

START_TEST(create_and_destroy)
{
	struct rpcbuf_mempool *other = (void *)-1;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_reserved, MIN_NR);
	ck_assert_uint_eq(counts.pages_out, 0);
	ck_assert_int_eq(rpcbuf_mempool_create(&other, mm, 0), -EINVAL);
	ck_assert_int_eq(
		rpcbuf_mempool_create(&other, mm, RPCBUF_MEMPOOL_MAX + 1),
		-EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_create(&other, mm, NR_PAGES), -ENOMEM);
	ck_assert_ptr_eq(other, (void *)-1);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert_uint_eq(stats().min_nr, MIN_NR);
	ck_assert_int_eq(rpcbuf_mempool_create(&other, mm, NR_PAGES - MIN_NR),
			 0);
	ck_assert_int_eq(rpcbuf_destroy(mm), -EBUSY);
	ck_assert_int_eq(rpcbuf_mempool_destroy(other), 0);
	ck_assert_int_eq(rpcbuf_mempool_destroy(NULL), 0);
}
END_TEST

START_TEST(limits)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;

	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, WAIT, MIN_NR + 1, pages),
		-EINVAL);
	ck_assert_ptr_null(pages[0]);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_list(pool, WAIT, MIN_NR + 1, &list),
		-EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, WAIT, MIN_NR + 1, NULL, NULL),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, WAIT, 0, pages),
			 0);
	ck_assert_ptr_null(pages[0]);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_list(pool, WAIT, 0, &list),
			 0);
	ck_assert_uint_eq(list.nr, 0);
}
END_TEST

/* While the allocator has pages the reserve is not used. */
START_TEST(allocator_first)
{
	use_up(MIN_NR);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, WAIT, MIN_NR, pages),
		MIN_NR);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert_uint_eq(stats().reserve_calls, 0);
	rpcbuf_mempool_free_bulk_array(pool, MIN_NR, pages);
	ck_assert_ptr_null(pages[0]);
	ck_assert_ptr_null(pages[MIN_NR - 1]);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
}
END_TEST

START_TEST(reserve_gives_all_or_nothing)
{
	void *more[MIN_NR] = {NULL};
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	/* 30 from the allocator, 50 from the reserve. */
	use_up(30);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 80, pages),
			 80);
	ck_assert_uint_eq(stats().curr_nr, 50);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.pages_reserved, 50);
	ck_assert_uint_eq(counts.pages_out, NR_PAGES - 50);
	ck_assert_uint_eq(stats().reserve_pages, 50);
	ck_assert_uint_eq(stats().reserve_calls, 1);
	/* 51 are more than there are: none, instead of 50. */
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 51, more), 0);
	ck_assert_ptr_null(more[0]);
	ck_assert_uint_eq(stats().curr_nr, 50);
	ck_assert_uint_eq(stats().partial, 1);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 50, more),
			 50);
	ck_assert_ptr_null(rpcbuf_mempool_alloc_page(pool, 0));

	/* Refilled first: the allocator gets nothing until the reserve is
	 * full. */
	rpcbuf_mempool_free_bulk_array(pool, 80, pages);
	ck_assert_uint_eq(stats().curr_nr, 80);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	rpcbuf_mempool_free_bulk_array(pool, 50, more);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, pages), 30);
}
END_TEST

/* A caller that cannot wait keeps the pages of the allocator. */
START_TEST(partial_array)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	void *kept[MIN_NR] = {NULL};

	use_up(0);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 60, kept),
			 60);
	rpcbuf_free_bulk_array(mm, 10, hog);
	pages[0] = kept[0];
	pages[5] = kept[5];
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 100, pages),
			 12);
	ck_assert_ptr_eq(pages[5], kept[5]);
	ck_assert_ptr_null(pages[12]);
	ck_assert_uint_eq(stats().curr_nr, 40);
	/* With the holes that are left it is the same call. */
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 52, pages),
			 52);
	ck_assert_uint_eq(stats().curr_nr, 0);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_list(pool, 0, 5, &list), 0);
	pages[0] = pages[5] = NULL;
	rpcbuf_mempool_free_bulk_array(pool, NR_PAGES, pages);
	rpcbuf_mempool_free_bulk_array(pool, MIN_NR, kept);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
}
END_TEST

START_TEST(lists)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;

	use_up(30);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_list(pool, 0, 80, &list),
			 80);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_list(pool, 0, 10, &list),
			 10);
	ck_assert_uint_eq(list.nr, 90);
	ck_assert_uint_eq(stats().curr_nr, 40);
	ck_assert_uint_eq(rpcbuf_page_list_to_array(mm, &list, NR_PAGES, pages),
			  90);
	while (list.nr < 90) {
		rpcbuf_page_list_add(mm, &list, pages[list.nr]);
		pages[list.nr - 1] = NULL;
	}
	rpcbuf_mempool_free_bulk_list(pool, &list);
	ck_assert_uint_eq(list.nr, 0);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
}
END_TEST

struct collected {
	unsigned int nr, most;
};

static bool collect(void *page, void *opaque)
{
	struct collected *collected = opaque;

	/* The callback runs without a lock, so it may use the pool. */
	pool_is_valid();
	if (collected->nr == collected->most)
		return false;
	pages[collected->nr++] = page;
	return true;
}

START_TEST(callbacks)
{
	struct collected collected = {.most = 80};

	use_up(30);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, 0, 80, collect, &collected),
			 80);
	ck_assert_uint_eq(stats().curr_nr, 50);
	rpcbuf_mempool_free_bulk_array(pool, 80, pages);

	/* Refused among the pages of the reserve: the rest is returned. */
	collected = (struct collected){.most = 50};
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, WAIT, 80, collect, &collected),
			 50);
	ck_assert_uint_eq(stats().curr_nr, 80);
	rpcbuf_mempool_free_bulk_array(pool, 50, pages);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);

	/* Refused among those of the allocator. */
	collected = (struct collected){.most = 10};
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, WAIT, 80, collect, &collected),
			 10);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert_uint_eq(collected.nr, 10);
	collected = (struct collected){.nr = 10, .most = NR_PAGES};
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, 0, 20, collect, &collected),
			 20);
	use_up(0);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(
				 pool, 0, MIN_NR, collect, &collected),
			 MIN_NR);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_callback(pool, 0, 1, collect,
							    &collected),
			 0);
}
END_TEST

START_TEST(zeroed)
{
	unsigned int i, j;
	void *page;

	use_up(0);
	page = rpcbuf_mempool_alloc_page(pool, WAIT);
	memset(page, 0xa5, RPCBUF_PAGE_SIZE);
	rpcbuf_mempool_free_page(pool, page);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, RPCBUF_GFP_ZERO,
							 MIN_NR, pages),
			 MIN_NR);
	for (i = 0; i < MIN_NR; i++)
		for (j = 0; j < RPCBUF_PAGE_SIZE; j++)
			require(((char *)pages[i])[j] == 0);
}
END_TEST

/* A page with several references fills the reserve when the last one is
 * dropped. */
START_TEST(shared_pages)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *page, *foreign;

	use_up(0);
	page = rpcbuf_mempool_alloc_page(pool, WAIT);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR - 1);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), 0);
	rpcbuf_mempool_free_page(pool, page);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR - 1);
	rpcbuf_mempool_free_page(pool, page);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);

	if (RPCBUF_DEBUG)
		return;
	page = rpcbuf_mempool_alloc_page(pool, WAIT);
	foreign = &counts;
	rpcbuf_mempool_free_page(pool, foreign);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR - 1);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(counts.refused, 1);
	rpcbuf_mempool_free_page(pool, page);
}
END_TEST

START_TEST(resize)
{
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 0), -EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, RPCBUF_MEMPOOL_MAX + 1),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 7), 0);
	ck_assert_uint_eq(stats().curr_nr, 7);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 8, pages),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 300), 0);
	ck_assert_uint_eq(stats().curr_nr, 300);

	/* More than is free: releases provide the rest. */
	use_up(20);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 400), 0);
	ck_assert_uint_eq(stats().min_nr, 400);
	ck_assert_uint_eq(stats().curr_nr, 320);
	rpcbuf_mempool_free_bulk_array(pool, 70, hog);
	ck_assert_uint_eq(stats().curr_nr, 390);
	rpcbuf_mempool_free_bulk_array(pool, 70, hog + 70);
	ck_assert_uint_eq(stats().curr_nr, 400);
	/* And while some of it is out. */
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 350, pages),
			 350);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 100), 0);
	ck_assert_uint_eq(stats().curr_nr, 100);
	rpcbuf_mempool_free_bulk_array(pool, 350, pages);
	ck_assert_uint_eq(stats().curr_nr, 100);
}
END_TEST

/* The check finds every kind of error. */
START_TEST(walker)
{
	pool_is_valid();
	os_store(&pool->hungry, 1);
	ck_assert_ptr_nonnull(mempool_is_valid(pool));
	os_store(&pool->hungry, 0);
	os_unshared(&pool->reserve)->claimed = MIN_NR + 1;
	ck_assert_ptr_nonnull(mempool_is_valid(pool));
	os_unshared(&pool->reserve)->claimed = 0;
	os_fetch_add(&pool->min_nr, -1);
	ck_assert_ptr_nonnull(mempool_is_valid(pool));
	os_fetch_add(&pool->min_nr, 1);
	os_unshared(&pool->reserve)->promised++;
	ck_assert_ptr_nonnull(mempool_is_valid(pool));
	/* Waiters may have been promised more. */
	os_unshared(&pool->reserve)->waiting = 1;
	pool_is_valid();
	os_unshared(&pool->reserve)->promised -= 2;
	ck_assert_ptr_nonnull(mempool_is_valid(pool));
	os_unshared(&pool->reserve)->promised++;
	os_unshared(&pool->reserve)->waiting = 0;
}
END_TEST

START_TEST(refill)
{
	use_up(0);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 90, pages),
			 90);
	ck_assert_uint_eq(rpcbuf_mempool_refill(pool), 0);
	/* Past the pool. */
	rpcbuf_free_bulk_array(mm, 90, pages);
	ck_assert_uint_eq(stats().curr_nr, 10);
	ck_assert_uint_eq(rpcbuf_mempool_refill(pool), 90);
	ck_assert_uint_eq(rpcbuf_mempool_refill(pool), 0);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
}
END_TEST

/* Threads of the tests below: allocate, count, hold for a moment, free. */
static struct os_u32 nr_served;

struct job {
	unsigned int nr, rounds, face;
	uint32_t order; /* order in which it was served */
};

static bool keep(void *page, void *opaque)
{
	struct rpcbuf_page_list *list = opaque;

	rpcbuf_page_list_add(mm, list, page);
	return true;
}

static void take_and_release(struct job *job)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	void *array[NR_PAGES] = {NULL};
	int nr = (int)job->nr;

	if (job->face % 3 == 0)
		require(rpcbuf_mempool_alloc_bulk_array(pool, WAIT, job->nr,
							array) == nr);
	else if (job->face % 3 == 1)
		require(rpcbuf_mempool_alloc_bulk_list(pool, WAIT, job->nr,
						       &list) == nr);
	else
		require(rpcbuf_mempool_alloc_bulk_callback(pool, WAIT, job->nr,
							   keep, &list) == nr);
	if (job->face % 3)
		require(rpcbuf_page_list_to_array(mm, &list, job->nr, array) ==
			job->nr);
	job->order = os_fetch_add(&nr_served, 1);
	sched_yield();
	rpcbuf_mempool_free_bulk_array(pool, job->nr, array);
}

static void *taker(void *arg)
{
	struct job *job = arg;

	while (job->rounds--) {
		take_and_release(job);
		job->face++;
	}
	return NULL;
}

static void run_jobs(struct job *jobs, unsigned int nr, bool in_order)
{
	pthread_t threads[64];
	unsigned int i;

	for (i = 0; i < nr; i++) {
		ck_assert_int_eq(
			pthread_create(&threads[i], NULL, taker, &jobs[i]), 0);
		while (in_order && stats().waiting <= i)
			sched_yield();
	}
	if (in_order)
		rpcbuf_mempool_free_bulk_array(pool, NR_PAGES, pages);
	for (i = 0; i < nr; i++)
		pthread_join(threads[i], NULL);
}

/* With half of the reserve each they would wait for ever. */
START_TEST(two_threads_that_need_more_than_half)
{
	struct job jobs[2] = {{.nr = 60, .rounds = TEST_ROUNDS(1500)},
			      {.nr = 70, .rounds = TEST_ROUNDS(1500)}};

	use_up((unsigned int)_i);
	run_jobs(jobs, 2, false);
	pool_is_valid();
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert_uint_gt(stats().reserve_calls, 0);
	ck_assert(!rpcbuf_wait_pending(mm));
}
END_TEST

START_TEST(many_threads)
{
	struct job jobs[24];
	unsigned int i;

	use_up((unsigned int)_i);
	for (i = 0; i < 24; i++)
		jobs[i] = (struct job){.nr = 1 + i * 43 % MIN_NR,
				       .rounds = TEST_ROUNDS(250),
				       .face = i};
	run_jobs(jobs, 24, false);
	ck_assert_uint_eq(stats().curr_nr, MIN_NR);
	ck_assert(!rpcbuf_wait_pending(mm));
}
END_TEST

/* Requests queue while there are no pages.  None is overtaken by a smaller one,
 * and a pool that was shrunk meanwhile still serves all. */
START_TEST(first_come_first_served)
{
	struct job jobs[8];
	unsigned int i;

	os_store(&nr_served, 0);
	use_up(0);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	for (i = 0; i < 8; i++)
		jobs[i] = (struct job){
			.nr = i % 2 ? 1 : MIN_NR, .rounds = 1, .face = i};
	run_jobs(jobs, 8, true);
	/* Requests alternate: all of the reserve, and small ones. */
	for (i = 0; i + 2 < 8; i += 2)
		ck_assert_uint_lt(jobs[i].order, jobs[i + 2].order);
	ck_assert_uint_ge(stats().waits, 8);
	ck_assert_uint_gt(stats().wait_ns, 0);
}
END_TEST

static void *shrink_then_release(void *unused)
{
	while (stats().waiting < 2)
		sched_yield();
	ck_assert_int_eq(rpcbuf_mempool_destroy(pool), -EBUSY);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, 3), 0);
	/* A request that cannot wait does not pass those that do. */
	rpcbuf_mempool_free_bulk_array(pool, 3, pages);
	require(!rpcbuf_mempool_alloc_page(pool, 0));
	rpcbuf_mempool_free_bulk_array(pool, NR_PAGES, pages);
	return unused;
}

START_TEST(shrunk_under_waiters)
{
	struct job jobs[2] = {{.nr = 90, .rounds = 1},
			      {.nr = 50, .rounds = 1, .face = 1}};
	pthread_t thread;

	use_up(0);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	pthread_create(&thread, NULL, shrink_then_release, NULL);
	run_jobs(jobs, 2, false);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(stats().curr_nr, 3);
	ck_assert_uint_eq(stats().min_nr, 3);
}
END_TEST

static void *release_past_the_pool(void *unused)
{
	while (stats().waiting < 1)
		sched_yield();
	/* Page by page, into any cache. */
	while (stats().waiting) {
		static unsigned int next;

		if (next < NR_PAGES && hog[next]) {
			rpcbuf_free_page(mm, hog[next]);
			hog[next++] = NULL;
		}
		sched_yield();
	}
	return unused;
}

/* A release to the instance also serves requests that wait in a pool. */
START_TEST(allocator_in_line)
{
	pthread_t thread;

	use_up(0);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	pthread_create(&thread, NULL, release_past_the_pool, NULL);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, WAIT, 50, pages + MIN_NR),
		50);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(stats().curr_nr, 0);
	ck_assert_uint_eq(stats().waits, 1);
	rpcbuf_mempool_free_bulk_array(pool, NR_PAGES, pages);
}
END_TEST

/* A request that may sleep does not take pages past waiters of the instance,
 * but may use the reserve. */
START_TEST(behind_the_queue_of_the_instance)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;

	use_up(200);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, WAIT, 60, pages),
			 60);
	ck_assert_uint_eq(stats().curr_nr, 40);
	ck_assert_uint_eq(rpcbuf_mempool_refill(pool), 0);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, 100, pages + 60), 100);
	ck_assert_uint_eq(stats().curr_nr, 40);
	rpcbuf_wait_leave(&waiter);
	ck_assert_uint_eq(rpcbuf_mempool_refill(pool), 60);
}
END_TEST

static void *wait_for_callback(void *arg)
{
	require(rpcbuf_mempool_alloc_bulk_callback(pool, WAIT, 80, collect,
						   arg) == 80);
	return NULL;
}

static void wait_until_waiting(unsigned int nr)
{
	while (stats().waiting < nr)
		sched_yield();
}

/* Pages that a callback accepted cannot be taken back. */
START_TEST(callback_when_all_is_there)
{
	struct collected collected = {.nr = MIN_NR, .most = NR_PAGES};
	pthread_t thread;

	use_up(30);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	ck_assert_uint_eq(stats().curr_nr, 30);
	rpcbuf_mempool_free_bulk_array(pool, 20, pages);
	pthread_create(&thread, NULL, wait_for_callback, &collected);
	wait_until_waiting(1);
	ck_assert_uint_eq(collected.nr, MIN_NR);
	rpcbuf_mempool_free_bulk_array(pool, 30, pages + 20);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(collected.nr, MIN_NR + 80);
	rpcbuf_mempool_free_bulk_array(pool, NR_PAGES, pages);
}
END_TEST

/* The linker calls this where a request joins the queue.  A stranger that came
 * first makes the request the second there, with the pages of its first
 * step. */
static struct rpcbuf_waiter stranger = RPCBUF_WAITER_INIT;
static bool stranger_comes;
void __real_wait_join_pool(struct rpcbuf *, struct rpcbuf_waiter *,
			   const void *);
void __wrap_wait_join_pool(struct rpcbuf *, struct rpcbuf_waiter *,
			   const void *);

void __wrap_wait_join_pool(struct rpcbuf *of, struct rpcbuf_waiter *waiter,
			   const void *its_pool)
{
	if (stranger_comes)
		rpcbuf_wait_join(of, &stranger);
	__real_wait_join_pool(of, waiter, its_pool);
}

static void *array_of[MIN_NR];
static struct rpcbuf_page_list list_of = RPCBUF_PAGE_LIST_INIT;

static void *wait_by_face(void *face)
{
	if (face)
		require(rpcbuf_mempool_alloc_bulk_list(pool, WAIT, 58,
						       &list_of) == 58);
	else
		require(rpcbuf_mempool_alloc_bulk_array(pool, WAIT, 60,
							array_of) == 60);
	return NULL;
}

/* Behind a stranger, a waiting request holds only pages that its caller had
 * before, and is served by pages that come back to the pool. */
START_TEST(sleeps_without_pages)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	void *kept[2] = {NULL};
	pthread_t thread;

	stranger = (struct rpcbuf_waiter)RPCBUF_WAITER_INIT;
	stranger_comes = true;
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 2, kept), 2);
	array_of[0] = kept[0];
	array_of[7] = kept[1];
	for (unsigned int i = 0; _i && i < 2; i++)
		rpcbuf_page_list_add(mm, &list_of, kept[i]);
	use_up(0);
	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	rpcbuf_free_bulk_array(mm, 30, hog);
	pthread_create(&thread, NULL, wait_by_face, _i ? pages : NULL);
	wait_until_waiting(1);
	do {
		sched_yield();
		rpcbuf_mm_counts(mm, &counts);
	} while (counts.pages_out > NR_PAGES - 30);
	ck_assert(rpcbuf_wait_is_head(&stranger));
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 30, hog), 30);
	rpcbuf_mempool_free_bulk_array(pool, 58, pages);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(stats().curr_nr, 0);
	ck_assert(rpcbuf_wait_is_head(&stranger));
	stranger_comes = false;
	rpcbuf_wait_leave(&stranger);
	if (_i) {
		ck_assert_uint_eq(list_of.nr, 60);
		ck_assert_ptr_eq(rpcbuf_page_list_pop(mm, &list_of), kept[0]);
		rpcbuf_free_page(mm, kept[0]);
		rpcbuf_free_bulk_list(mm, &list_of);
	} else {
		ck_assert_ptr_eq(array_of[0], kept[0]);
		ck_assert_ptr_eq(array_of[7], kept[1]);
		rpcbuf_free_bulk_array(mm, MIN_NR, array_of);
	}
}
END_TEST

/* Promises of all pools together stay within the budget, whatever they hold
 * now. */
START_TEST(promises)
{
	struct rpcbuf_mempool *other;

	ck_assert_int_eq(
		rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR, pages),
		MIN_NR);
	use_up(0);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, MIN_NR,
							 pages + MIN_NR),
			 MIN_NR);
	rpcbuf_free_bulk_array(mm, NR_PAGES, hog);
	ck_assert_uint_eq(stats().curr_nr, 0);
	/* 312 pages are free, of which the pool is to have 100. */
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, NR_PAGES + 1), -ENOMEM);
	ck_assert_uint_eq(stats().min_nr, MIN_NR);
	ck_assert_int_eq(
		rpcbuf_mempool_create(&other, mm, NR_PAGES - MIN_NR + 1),
		-ENOMEM);
	ck_assert_int_eq(rpcbuf_mempool_create(&other, mm, 200), 0);
	ck_assert_int_eq(rpcbuf_mempool_resize(other, NR_PAGES - MIN_NR), 0);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, MIN_NR + 1), -ENOMEM);
	ck_assert_int_eq(
		rpcbuf_budget_set(mm, (NR_PAGES - 1) * RPCBUF_PAGE_SIZE),
		-EBUSY);
	ck_assert_int_eq(rpcbuf_mempool_resize(other, 10), 0);
	ck_assert_int_eq(
		rpcbuf_budget_set(mm, (MIN_NR + 10) * RPCBUF_PAGE_SIZE), 0);
	ck_assert_int_eq(rpcbuf_budget_set(mm, NR_PAGES * RPCBUF_PAGE_SIZE), 0);
	ck_assert_int_eq(rpcbuf_mempool_destroy(other), 0);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, NR_PAGES), 0);
	ck_assert_int_eq(rpcbuf_mempool_resize(pool, MIN_NR), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("mempool");
	TCase *tcase = tcase_create("mempool");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, create_and_destroy);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, allocator_first);
	tcase_add_test(tcase, reserve_gives_all_or_nothing);
	tcase_add_test(tcase, partial_array);
	tcase_add_test(tcase, lists);
	tcase_add_test(tcase, callbacks);
	tcase_add_test(tcase, zeroed);
	tcase_add_test(tcase, shared_pages);
	tcase_add_test(tcase, resize);
	tcase_add_test(tcase, walker);
	tcase_add_test(tcase, refill);
	tcase_add_loop_test(tcase, two_threads_that_need_more_than_half, 0, 4);
	tcase_add_loop_test(tcase, many_threads, 0, 3);
	tcase_add_test(tcase, first_come_first_served);
	tcase_add_test(tcase, shrunk_under_waiters);
	tcase_add_test(tcase, allocator_in_line);
	tcase_add_test(tcase, behind_the_queue_of_the_instance);
	tcase_add_test(tcase, callback_when_all_is_there);
	tcase_add_loop_test(tcase, sleeps_without_pages, 0, 2);
	tcase_add_test(tcase, promises);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
