/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: an instance survives a fork in the parent.  In the child no call of any
 * layer hangs, returns pages, or writes into the parent's pages.
 * Method: fork while another thread holds every lock, and while threads
 * allocate; the child calls every function, then creates an instance of its
 * own, and reports by its exit status.  With shared memory, parent and child
 * write to the same page and compare.
 */
#include <errno.h>
#include <pthread.h>
#include <rpcbuf/fault.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/mempool.h>
#include <rpcbuf/pool/page_pool.h>
#include <rpcbuf/rqst.h>
#include <rpcbuf/stats.h>
#include <rpcbuf/window.h>

#include "fork_util.h"
#include "mm_util.h"

static struct rpcbuf *mm;
static void *pages[300];

/* 0, or the number of the failed check. */
static int child(void)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	struct rpcbuf *own;
	void *mine[100] = {NULL};

	if (rpcbuf_alloc_bulk_array(mm, 0, 100, mine) ||
	    rpcbuf_alloc_page(mm, 0) || rpcbuf_alloc_pages(mm, 0, 3) ||
	    rpcbuf_alloc_contig(mm, 0, 600) || rpcbuf_alloc_run(mm, 5, mine) ||
	    rpcbuf_alloc_page(mm, RPCBUF_GFP_NOLOCK))
		return 1;
	if (*(char *)pages[7] != 42)
		return 2;
	rpcbuf_free_page(mm, pages[0]);
	rpcbuf_free_bulk_array_nolock(mm, 20, pages + 1);
	rpcbuf_free_bulk_array(mm, 200, pages + 21);
	rpcbuf_wait_join(mm, &waiter);
	rpcbuf_wait_leave(&waiter);
	rpcbuf_wait_wake_all(mm);
	rpcbuf_mm_counts(mm, &counts);
	pcp_decay(mm);
	if (rpcbuf_destroy(mm))
		return 3;
	/* ThreadSanitizer kills a child that starts threads. */
	options.no_thread = true;
	if (rpcbuf_create(&own, &options) ||
	    rpcbuf_alloc_bulk_array(own, 0, 100, mine) != 100)
		return 4;
	rpcbuf_free_bulk_array(own, 100, mine);
	return rpcbuf_destroy(own) ? 5 : 0;
}

static void fork_and_check(void)
{
	fork_and_run(child);
}

static void setup(void)
{
	unsigned int i;

	mm = test_create(4096);
	memset(pages, 0, sizeof(pages));
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 300, pages), 300);
	for (i = 0; i < 300; i++)
		memset(pages[i], 42, 1);
}

static void teardown(void)
{
	/* The parent is not affected. */
	rpcbuf_free_bulk_array(mm, 300, pages);
	test_destroy(mm);
}

START_TEST(with_all_locks_held)
{
	unsigned int cpu;

	os_guard(&mm->nodes[0].zone.lists);
	os_guard(&mm->wait.list);
	os_lock(&mm->wait.joining);
	os_lock(&mm->freezing);
	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.held, 1);
	fork_and_check();
	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.held, 0);
	os_unlock(&mm->freezing);
	os_unlock(&mm->wait.joining);
	os_unguard(&mm->wait.list);
	os_unguard(&mm->nodes[0].zone.lists);
}
END_TEST

static struct os_u32 stop;

static void *traffic(void *arg)
{
	void *array[100] = {NULL};

	(void)arg;
	while (!os_load(&stop)) {
		rpcbuf_alloc_bulk_array(mm, 0, 100, array);
		rpcbuf_free_bulk_array(mm, 100, array);
		pcp_drain_all(mm);
	}
	return NULL;
}

START_TEST(amid_traffic)
{
	pthread_t threads[2];
	unsigned int i;

	for (i = 0; i < 2; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, traffic,
						NULL),
				 0);
	for (i = 0; i < 50; i++)
		fork_and_check();
	os_store(&stop, 1);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* It has pages of its own to release. */
static struct rpcbuf_mempool *mempool;
static struct rpcbuf_page_pool *pool;
static struct rpcbuf_rqst *full, *empty, *queued;
/* They leave less than a vector in the reserve, and more than the child asks
 * for. */
static struct rpcbuf_rqst *served[2];
static void *pool_page, *fragment;
static struct rpcbuf_waiter inherited;

static bool accept_page(void *page, void *unused)
{
	(void)page;
	(void)unused;
	return true;
}

static int child_of_mempool(void)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	struct rpcbuf_mempool_stats stats = RPCBUF_MEMPOOL_STATS_INIT;
	struct rpcbuf_mempool *other;
	rpcbuf_gfp_t gfp = RPCBUF_GFP_NOWAIT;
	void *mine[5] = {NULL};

	do {
		if (rpcbuf_mempool_alloc_page(mempool, gfp) ||
		    rpcbuf_mempool_alloc_bulk_array(mempool, gfp, 5, mine) !=
			    -EPERM ||
		    rpcbuf_mempool_alloc_bulk_list(mempool, gfp, 5, &list) !=
			    -EPERM ||
		    rpcbuf_mempool_alloc_bulk_callback(
			    mempool, gfp, 5, accept_page, NULL) != -EPERM)
			return 10;
		gfp ^= RPCBUF_GFP_WAIT;
	} while (gfp);
	if (mine[0] || list.nr)
		return 11;
	rpcbuf_mempool_free_page(mempool, pages[230]);
	rpcbuf_mempool_free_bulk_array(mempool, 60, pages + 231);
	rpcbuf_mempool_stats(mempool, &stats);
	if (rpcbuf_mempool_refill(mempool) ||
	    rpcbuf_mempool_resize(mempool, 3) != -EPERM ||
	    rpcbuf_mempool_create(&other, mm, 1) != -EPERM)
		return 12;
	return rpcbuf_mempool_destroy(mempool) ? 13 : 0;
}

static int child_of_page_pool(void)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf_page_pool *other;
	void *mine[5] = {NULL};

	if (rpcbuf_page_pool_alloc(pool, 0) ||
	    rpcbuf_page_pool_alloc_bulk(pool, 0, 5, mine) ||
	    rpcbuf_page_pool_alloc_frag(pool, 0, 64))
		return 20;
	rpcbuf_page_pool_put(pool, pool_page);
	rpcbuf_page_pool_put_direct(pool, pool_page);
	rpcbuf_page_pool_put(pool, fragment);
	mine[2] = pool_page;
	rpcbuf_page_pool_put_bulk(pool, 5, mine);
	if (mine[2])
		return 21;
	if (rpcbuf_page_pool_get(pool, pool_page) != -EPERM ||
	    rpcbuf_page_pool_leave(pool, pool_page) != -EPERM ||
	    rpcbuf_page_pool_shrink(pool) || rpcbuf_page_pool_flush(pool) ||
	    rpcbuf_page_pool_create(&other, mm, &options) != -EPERM)
		return 22;
	return rpcbuf_page_pool_destroy(pool, UINT64_MAX) ? 23 : 0;
}

static int child_of_vectors(void)
{
	struct rpcbuf_rqst *all[] = {full, empty, queued};
	unsigned int i;

	for (i = 0; i < 3; i++) {
		if (rpcbuf_rqst_try_fill(all[i]) != -EPERM ||
		    rpcbuf_rqst_fill(all[i]) != -EPERM ||
		    rpcbuf_rqst_make_do(all[i], 0) != -EPERM)
			return 30;
		rpcbuf_rqst_give_up(all[i]);
		rpcbuf_rqst_destroy(all[i]);
	}
	return 0;
}

static int child_of_all(void)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;
	int err;

	/* Removing a guard opens the caches: not in the child. */
	if (rpcbuf_fault_set(mm, &fault) || rpcbuf_fault_set(mm, NULL) ||
	    rpcbuf_alloc_page(mm, 0) || rpcbuf_page_get(mm, pages[3]) != -EPERM)
		return 40;
	rpcbuf_wait_join(mm, &waiter);
	if (rpcbuf_wait_is_head(&waiter) ||
	    rpcbuf_wait_sleep(&waiter, rpcbuf_wait_count(&waiter),
			      UINT64_MAX) != -EPERM)
		return 41;
	rpcbuf_wait_leave(&waiter);
	if (rpcbuf_wait_is_head(&inherited) ||
	    rpcbuf_wait_sleep(&inherited, rpcbuf_wait_count(&inherited),
			      UINT64_MAX) != -EPERM)
		return 42;
	rpcbuf_wait_leave(&inherited);
	rpcbuf_stats_read(mm, &stats);
	/* Their reserve is destroyed after them. */
	err = child_of_vectors();
	if (!err)
		err = child_of_mempool();
	if (!err)
		err = child_of_page_pool();
	return err ? err : child();
}

static void make_users(void)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	unsigned int i;
	void *other;

	inherited = (struct rpcbuf_waiter)RPCBUF_WAITER_INIT;
	ck_assert_int_eq(rpcbuf_mempool_create(&mempool, mm, 22), 0);
	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &options), 0);
	pool_page = rpcbuf_page_pool_alloc(pool, 0);
	other = rpcbuf_page_pool_alloc(pool, 0);
	rpcbuf_page_pool_put_direct(pool, other);
	fragment = rpcbuf_page_pool_alloc_frag(pool, 0, 64);
	other = rpcbuf_page_pool_alloc(pool, 0);
	rpcbuf_page_pool_put(pool, other);
	ck_assert_int_eq(rpcbuf_rqst_create(&full, mm, NULL, 8), 0);
	ck_assert_int_eq(rpcbuf_rqst_create(&empty, mm, NULL, 8), 0);
	ck_assert_int_eq(rpcbuf_rqst_create(&queued, mm, NULL, 8), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(full), 0);
	ck_assert_int_eq(rpcbuf_rqst_reserve(queued, mempool), 0);
	rpcbuf_wait_join(mm, &inherited);
	for (i = 0; i < 2; i++) {
		ck_assert_int_eq(rpcbuf_rqst_create(&served[i], mm, NULL, 8),
				 0);
		ck_assert_int_eq(rpcbuf_rqst_reserve(served[i], mempool), 0);
		ck_assert_int_eq(rpcbuf_rqst_try_fill(served[i]), 0);
	}
	ck_assert_int_eq(rpcbuf_rqst_try_fill(queued), -EAGAIN);
}

static void free_users(void)
{
	rpcbuf_wait_leave(&inherited);
	rpcbuf_rqst_destroy(full);
	rpcbuf_rqst_destroy(empty);
	rpcbuf_rqst_destroy(queued);
	rpcbuf_rqst_destroy(served[0]);
	rpcbuf_rqst_destroy(served[1]);
	rpcbuf_page_pool_put(pool, pool_page);
	rpcbuf_page_pool_put(pool, fragment);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
	ck_assert_int_eq(rpcbuf_mempool_destroy(mempool), 0);
}

START_TEST(every_face)
{
	make_users();
	os_guard(&mempool->reserve);
	os_lock(&pool->draining);
	os_lock(&mm->guarding);
	os_guard(&mm->wait.list);
	os_guard(&mm->stats->pools);
	fork_and_run(child_of_all);
	os_unguard(&mm->stats->pools);
	os_unguard(&mm->wait.list);
	os_unlock(&mm->guarding);
	os_unlock(&pool->draining);
	os_unguard(&mempool->reserve);
	free_users();
}
END_TEST

/* Shared memory: two pages that are not adjacent, and a window over them. */
static struct rpcbuf *shared;
static char *first, *second;
static struct rpcbuf_window window;

static int child_of_shared(void)
{
	struct rpcbuf_window other;
	void *scattered[] = {second, first};

	if (strcmp(first, "before") || strcmp(second, "before"))
		return 50;
	strcpy(first, "written by the child");
	if (rpcbuf_window_map(shared, &other, 2, scattered) != -EPERM)
		return 51;
	/* The child's memory at these addresses is its own by now. */
	if (mmap(window.address, window.length, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1,
		 0) != window.address)
		return 52;
	strcpy(window.address, "the child's");
	other = window;
	rpcbuf_window_unmap(&other);
	if (strcmp(window.address, "the child's") ||
	    strcmp(first, "written by the child"))
		return 53;
	return rpcbuf_destroy(shared) ? 54 : 0;
}

START_TEST(shared_memory)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	void *scattered[2];
	char *adjacent;

	options.windows = true;
	options.no_thread = true;
	ck_assert_int_eq(rpcbuf_create(&shared, &options), 0);
	adjacent = rpcbuf_alloc_pages(shared, 0, 2);
	first = adjacent + 2 * RPCBUF_PAGE_SIZE;
	second = adjacent;
	strcpy(first, "before");
	strcpy(second, "before");
	scattered[0] = first;
	scattered[1] = second;
	ck_assert_int_eq(rpcbuf_window_map(shared, &window, 2, scattered), 0);
	ck_assert(window.mapped);
	fork_and_run(child_of_shared);
	ck_assert_str_eq(first, "before");
	ck_assert_str_eq(window.address, "before");
	strcpy(window.address, "after");
	ck_assert_str_eq(first, "after");
	rpcbuf_window_unmap(&window);
	rpcbuf_free_pages(shared, adjacent, 2);
	ck_assert_int_eq(rpcbuf_destroy(shared), 0);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("fork");
	TCase *tcase = tcase_create("fork");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, with_all_locks_held);
	tcase_add_test(tcase, amid_traffic);
	tcase_add_test(tcase, every_face);
	tcase_add_test(tcase, shared_memory);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
