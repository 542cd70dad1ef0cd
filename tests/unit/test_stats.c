/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: each counter counts what its line says, sums over CPUs are right, and
 * the printers print the whole list with the values of the struct.
 * Method: actions whose counts are known on small instances, single-threaded
 * unless the counter needs two threads; printed text is read back.
 */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>

#include "mm_util.h"
#include <rpcbuf/bulk.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/page_pool.h>
#include <rpcbuf/stats.h>

static struct rpcbuf_stats read_stats(struct rpcbuf *mm)
{
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;

	ck_assert_int_eq(rpcbuf_stats_read(mm, &stats), 0);
	return stats;
}

START_TEST(test_fresh)
{
	struct rpcbuf *mm = test_create(4096);
	struct rpcbuf_stats stats = read_stats(mm);

	ck_assert_uint_eq(stats.total_pages, 4096);
	ck_assert_uint_eq(stats.refills + stats.bulk_pages + stats.out_pages +
				  stats.waits + stats.pools + stats.refused,
			  0);
	test_destroy(mm);
}
END_TEST

/* A miss is counted once with the pages it took; the hits after it are not. */
START_TEST(test_paths)
{
	struct rpcbuf *mm = test_create(65536);
	struct rpcbuf_stats before, after;
	void *pages[64] = {NULL}, *run[100], *few[4] = {NULL};

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, pages), 64);
	before = read_stats(mm);
	ck_assert_uint_eq(before.refills, 1);
	ck_assert_uint_ge(before.bulk_pages, 64);
	ck_assert_uint_eq(before.bulk_pages - before.stocked_pages, 64);
	ck_assert_uint_eq(before.out_pages, 64);

	rpcbuf_free_bulk_array(mm, 64, pages);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, pages), 64);
	after = read_stats(mm);
	ck_assert_uint_eq(after.bulk_pages, before.bulk_pages);

	ck_assert_uint_eq(rpcbuf_alloc_run(mm, 100, run), 100);
	ck_assert_uint_eq(read_stats(mm).run_pages, 100);
	rpcbuf_free_run(mm, 100, run);
	after = read_stats(mm);
	ck_assert_uint_eq(after.zone_put_pages - before.zone_put_pages, 100);

	pcp_drain_all(mm);
	before = read_stats(mm);
	ck_assert_uint_ge(before.drains, 1);
	ck_assert_uint_eq(before.cached_pages, 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOLOCK, 4,
						  few),
			  4);
	ck_assert_uint_eq(read_stats(mm).nolock_pages, 4);
	rpcbuf_free_bulk_array(mm, 4, few);
	rpcbuf_free_bulk_array(mm, 64, pages);
	ck_assert_uint_gt(read_stats(mm).longest_hold_ns, 0);
	test_destroy(mm);
}
END_TEST

/* The budget to its last page: single-page path, reserve, shortage. */
START_TEST(test_shortage)
{
	struct rpcbuf *mm = test_create(32768);
	void **pages = calloc(32768, sizeof(*pages));
	uint64_t min = os_load(&mm->nodes[0].zone.min);
	struct rpcbuf_stats stats;
	unsigned int nr;

	ck_assert_uint_gt(min, 0);
	nr = rpcbuf_alloc_bulk_array(mm, 0, 32768, pages);
	ck_assert_uint_eq(nr, 32768 - min);
	stats = read_stats(mm);
	ck_assert_uint_gt(stats.single_pages, 0);
	ck_assert_uint_eq(stats.reserve_pages, 0);
	ck_assert_uint_eq(stats.short_requests, 1);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_RESERVE, 32768,
						  pages),
			  32768);
	ck_assert_uint_eq(read_stats(mm).reserve_pages, min);
	rpcbuf_free_bulk_array(mm, 32768, pages);
	free(pages);
	test_destroy(mm);
}
END_TEST

START_TEST(test_fallback)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;
	void **pages = calloc(4096, sizeof(*pages));

	options.memory = 16 << 20;
	options.nodes = 2;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array_node(mm, 0, 0,
						       RPCBUF_NODES_ALL, 4096,
						       pages),
			  4096);
	ck_assert_uint_eq(read_stats(mm).fallback_pages, 2048);
	rpcbuf_free_bulk_array(mm, 4096, pages);
	free(pages);
	test_destroy(mm);
}
END_TEST

/* A cache that is locked by another thread is a miss; a wait is a wait. */
START_TEST(test_misses_and_waits)
{
	struct rpcbuf *mm = test_create(4096);
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf_stats stats;
	unsigned int cpu;
	void *page;

	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.closed, 1);
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_uint_ge(read_stats(mm).trylock_misses, 1);
	for (cpu = 0; cpu < os_load(&mm->nr_pcps); cpu++)
		os_store(&mm->pcps[cpu].lock.closed, 0);

	rpcbuf_wait_join(mm, &waiter);
	ck_assert_uint_eq(read_stats(mm).waiting, 1);
	ck_assert_int_eq(rpcbuf_wait_sleep(&waiter, rpcbuf_wait_count(&waiter),
					   1000000),
			 -ETIMEDOUT);
	rpcbuf_free_page(mm, page);
	rpcbuf_wait_leave(&waiter);
	stats = read_stats(mm);
	ck_assert_uint_eq(stats.waits, 1);
	ck_assert_uint_ge(stats.wait_ns, 1000000);
	ck_assert_uint_ge(stats.wakes, 1);
	ck_assert_uint_eq(stats.waiting, 0);
	test_destroy(mm);
}
END_TEST

static void find_pool(void *opaque, const void *pool, uint64_t inflight)
{
	const void **wanted = opaque;

	ck_assert_ptr_eq(pool, *wanted);
	ck_assert_uint_gt(inflight, 0);
	*wanted = NULL;
}

START_TEST(test_pools)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf *mm = test_create(4096);
	struct rpcbuf_page_pool *pool;
	const void *wanted;
	void *page;

	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &options), 0);
	page = rpcbuf_page_pool_alloc(pool, 0);
	ck_assert_ptr_nonnull(page);
	ck_assert_uint_eq(read_stats(mm).pools, 1);
	ck_assert_uint_eq(read_stats(mm).inflight_pages,
			  rpcbuf_page_pool_inflight(pool));
	wanted = pool;
	rpcbuf_stats_pools(mm, find_pool, &wanted);
	ck_assert_ptr_null(wanted);
	rpcbuf_page_pool_put(pool, page);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
	ck_assert_uint_eq(read_stats(mm).pools, 0);
	test_destroy(mm);
}
END_TEST

START_TEST(test_mempool_reserve)
{
	struct rpcbuf *mm = test_create(128);
	struct rpcbuf_mempool *pool;
	void *pages[128] = {NULL}, *mine[8] = {NULL};

	ck_assert_int_eq(rpcbuf_mempool_create(&pool, mm, 8), 0);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 128, pages), 120);
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(pool, 0, 8, mine), 8);
	ck_assert_uint_eq(read_stats(mm).mempool_pages, 8);
	rpcbuf_mempool_free_bulk_array(pool, 8, mine);
	rpcbuf_free_bulk_array(mm, 128, pages);
	rpcbuf_mempool_destroy(pool);
	test_destroy(mm);
}
END_TEST

#define THREADS 4
#define ADDS	10000

static void *add_many(void *mm)
{
	int i;

	for (i = 0; i < ADDS; i++)
		stats_add(mm, STAT_windows, 2);
	return NULL;
}

START_TEST(test_sum)
{
	struct rpcbuf *mm = test_create(64);
	pthread_t threads[THREADS];
	int i;

	for (i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_many,
						mm),
				 0);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(read_stats(mm).windows, 2 * THREADS * ADDS);
	test_destroy(mm);
}
END_TEST

/* The first quoted name or the first word at @at, and the number behind it. */
static const char *next_value(const char *at, const char *format, char *name,
			      uint64_t *value)
{
	int len = 0;

	if (sscanf(at, format, name, value, &len) != 2)
		ck_abort_msg("cannot read \"%.40s\"", at);
	return at + len;
}

START_TEST(test_print)
{
	struct rpcbuf_stats stats = RPCBUF_STATS_INIT;
	char text[8192], json[8192], name[64], tiny[5];
	const char *line = text, *field = json;
	uint64_t value, wanted = 1;
	size_t len;

#define NUMBER(name, ...) stats.name = wanted++ << 33;
	RPCBUF_STATS(NUMBER)
	len = rpcbuf_stats_print(&stats, text, sizeof(text));
	ck_assert_uint_eq(len, strlen(text));
	len = rpcbuf_stats_json(&stats, json, sizeof(json));
	ck_assert_uint_eq(len, strlen(json));
	ck_assert_int_eq(json[len - 1], '}');
#define READ_BACK(member, kind, unit, group, what)                              \
	line = next_value(line, "%63s %" SCNu64 "\n%n", name, &value);        \
	ck_assert_str_eq(name, #member);                                      \
	ck_assert_uint_eq(value, stats.member);                               \
	field = next_value(field, "%*[{,]\"%63[a-z_]\":%" SCNu64 "%n", name,  \
			   &value);                                           \
	ck_assert_str_eq(name, #member);                                      \
	ck_assert_uint_eq(value, stats.member);                               \
	ck_assert_str_eq(rpcbuf_stats_what(#member), what);
	RPCBUF_STATS(READ_BACK)
	ck_assert_str_eq(line, "");
	ck_assert_str_eq(field, "}");
	ck_assert_ptr_null(rpcbuf_stats_what("nothing"));

	ck_assert_uint_eq(rpcbuf_stats_json(&stats, tiny, sizeof(tiny)), len);
	ck_assert_str_eq(tiny, "{\"re");
	ck_assert_uint_eq(rpcbuf_stats_json(&stats, NULL, 0), len);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("stats");
	TCase *tc = tcase_create("stats");

	(void)argc;
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, test_fresh);
	tcase_add_test(tc, test_paths);
	tcase_add_test(tc, test_shortage);
	tcase_add_test(tc, test_fallback);
	tcase_add_test(tc, test_misses_and_waits);
	tcase_add_test(tc, test_pools);
	tcase_add_test(tc, test_mempool_reserve);
	tcase_add_test(tc, test_sum);
	tcase_add_test(tc, test_print);
	suite_add_tcase(suite, tc);
	return test_main(suite, argv);
}
