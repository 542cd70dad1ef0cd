/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page that is released twice never has two owners, whatever function
 * releases it and wherever it is then; a free page gets no reference.  The
 * misuse is counted, and logged with the address.
 * Method: every function of release, twice with the same addresses, into the
 * caches and past them; then all pages are allocated, and none may appear
 * twice.  Debug builds abort at the second release.
 */
#include <errno.h>
#include <pthread.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/page_pool.h>
#include <signal.h>

#include "mm_util.h"

#define PAGES 4096u
#define MOST  600u

static struct rpcbuf *mm;
static struct rpcbuf_mempool *mempool;
static char said[1024];
static unsigned int lines;

static void listen(const char *sentence)
{
	snprintf(said, sizeof(said), "%s", sentence);
	lines++;
}

static void create(unsigned int harden)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;

	options.memory = PAGES * RPCBUF_PAGE_SIZE;
	options.no_thread = true;
	options.harden = harden;
	options.log = listen;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	ck_assert_int_eq(rpcbuf_mempool_create(&mempool, mm, 20), 0);
	lines = 0;
	said[0] = '\0';
}

static void destroy(void)
{
	ck_assert_int_eq(rpcbuf_mempool_destroy(mempool), 0);
	test_destroy(mm);
}

static uint64_t refused(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.refused;
}

static void said_of(const void *page, const char *what)
{
	char address[32];

	snprintf(address, sizeof(address), "page %p", page);
	ck_assert_msg(strstr(said, address) && strstr(said, what),
		      "\"%s\" does not say that %s %s", said, address, what);
}

/* Allocates all pages; none may appear twice. */
static void one_owner_each(void)
{
	static uint8_t seen[PAGES];
	static void *all[PAGES];
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	unsigned int i, nr = 0;

	memset(seen, 0, sizeof(seen));
	while ((all[nr] = rpcbuf_alloc_page(mm, RPCBUF_GFP_RESERVE)))
		nr++;
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_eq(nr, PAGES - counts.pages_reserved);
	for (i = 0; i < nr; i++) {
		uint64_t index = arena_index(&mm->arena, all[i]);

		require(!seen[index]);
		seen[index] = 1;
	}
	rpcbuf_free_bulk_array(mm, nr, all);
}

/* Functions that release @nr pages, or pages of an order. */
static void by_page(unsigned int nr, void **pages)
{
	while (nr)
		rpcbuf_free_page(mm, pages[--nr]);
}

static void by_array(unsigned int nr, void **pages)
{
	rpcbuf_free_bulk_array(mm, nr, pages);
}

static void by_list(unsigned int nr, void **pages)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int i;

	for (i = 0; i < nr; i++)
		rpcbuf_page_list_add(mm, &list, pages[i]);
	rpcbuf_free_bulk_list(mm, &list);
}

static void by_run(unsigned int nr, void **pages)
{
	rpcbuf_free_run(mm, nr, pages);
}

static void by_array_nolock(unsigned int nr, void **pages)
{
	rpcbuf_free_bulk_array_nolock(mm, nr, pages);
	ck_assert_int_ge(rpcbuf_maintain(mm), 0); /* logs it */
}

static void by_page_nolock(unsigned int nr, void **pages)
{
	while (nr)
		rpcbuf_free_page_nolock(mm, pages[--nr]);
	ck_assert_int_ge(rpcbuf_maintain(mm), 0);
}

static void by_mempool(unsigned int nr, void **pages)
{
	rpcbuf_mempool_free_bulk_array(mempool, nr, pages);
}

static void by_mempool_list(unsigned int nr, void **pages)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int i;

	for (i = 0; i < nr; i++)
		rpcbuf_page_list_add(mm, &list, pages[i]);
	rpcbuf_mempool_free_bulk_list(mempool, &list);
}

static void by_contig(unsigned int nr, void **pages)
{
	rpcbuf_free_contig(mm, pages[0], nr);
}

static void by_order(unsigned int nr, void **pages)
{
	rpcbuf_free_pages(mm, pages[0], (unsigned int)__builtin_ctz(nr));
}

static void by_orders(unsigned int nr, void **pages)
{
	const uint8_t order = (uint8_t)__builtin_ctz(nr);

	rpcbuf_free_bulk_orders(mm, 1, pages, &order);
}

static const struct way {
	const char *name;
	void (*release)(unsigned int nr, void **pages);
	unsigned int nr;
	bool whole; /* the first page stands for all */
} ways[] = {
	{"a page", by_page, 1, false},
	{"an array of 1", by_array, 1, false},
	{"an array of 7", by_array, 7, false},
	{"an array of 65", by_array, 65, false},
	{"an array of 257", by_array, 257, false},
	{"a list", by_list, 40, false},
	{"a run", by_run, 33, false},
	{"an array without locks", by_array_nolock, 50, false},
	{"a page without locks", by_page_nolock, 2, false},
	{"a mempool", by_mempool, 10, false},
	{"a list of a mempool", by_mempool_list, 10, false},
	{"a run of 20", by_contig, 20, true},
	{"a run of 600", by_contig, 600, true},
	{"an order", by_order, 8, true},
	{"an array of orders", by_orders, 512, true},
};
#define WAYS ((int)(sizeof(ways) / sizeof(*ways)))

static void take(unsigned int nr, void **pages)
{
	char *first = rpcbuf_alloc_contig(mm, 0, nr);
	unsigned int i;

	ck_assert_ptr_nonnull(first);
	for (i = 0; i < nr; i++)
		pages[i] = first + i * RPCBUF_PAGE_SIZE;
}

static void release_twice(const struct way *way, void **pages)
{
	void *again[MOST];

	memcpy(again, pages, sizeof(again));
	way->release(way->nr, pages);
	memcpy(pages, again, sizeof(again));
	way->release(way->nr, again);
}

START_TEST(twice)
{
	const struct way *way = &ways[_i % WAYS];
	/* Hardening disables the caches. */
	bool cached = _i < WAYS;
	void *pages[MOST] = {NULL};

	create(cached ? 0 : RPCBUF_HARDEN_INIT_ON_FREE);
	take(way->nr, pages);
	release_twice(way, pages);
	ck_assert_msg(refused() == (way->whole ? 1 : way->nr), "%s: %llu",
		      way->name, (unsigned long long)refused());
	ck_assert_uint_gt(lines, 0);
	ck_assert_ptr_nonnull(strstr(said, "is free already"));
	if (way->nr == 1 || way->whole)
		said_of(pages[0], "is free already");
	test_is_valid(mm);
	one_owner_each();
	destroy();
}
END_TEST

START_TEST(twice_in_one_call)
{
	unsigned int nr, most = _i ? 257 : 40, i;
	void *pages[2 * 257];

	create(0);
	for (nr = 1; nr <= most; nr += most / 5) {
		take(nr, pages);
		for (i = 0; i < nr; i++)
			pages[nr + i] = pages[i];
		i = (unsigned int)refused();
		ways[1 + _i].release(2 * nr, pages);
		ck_assert_uint_eq(refused(), i + nr);
		test_is_valid(mm);
	}
	one_owner_each();
	destroy();
}
END_TEST

/* A mempool that lacks pages puts them into its reserve: they are free
 * there. */
START_TEST(into_a_reserve)
{
	void *pages[20] = {NULL}, *again[20];
	struct rpcbuf_page_list all = RPCBUF_PAGE_LIST_INIT;
	unsigned int nr;

	create(0);
	while (rpcbuf_alloc_bulk_list(mm, RPCBUF_GFP_RESERVE, 64, &all) == 64)
		;
	ck_assert_int_eq(rpcbuf_mempool_alloc_bulk_array(mempool, 0, 20, pages),
			 20);
	memcpy(again, pages, sizeof(again));
	rpcbuf_mempool_free_bulk_array(mempool, 20, pages);
	memcpy(pages, again, sizeof(again));
	rpcbuf_mempool_free_bulk_array(mempool, 10, again);
	rpcbuf_free_bulk_array(mm, 10, again + 10);
	ck_assert_uint_eq(refused(), 20);
	ck_assert_int_eq(rpcbuf_page_get(mm, pages[3]), -EINVAL);
	said_of(pages[3], "is free");
	nr = all.nr;
	rpcbuf_free_bulk_list(mm, &all);
	one_owner_each();
	ck_assert_uint_eq(nr, PAGES - 20);
	destroy();
}
END_TEST

static struct rpcbuf_page_pool *create_pool(void)
{
	struct rpcbuf_page_pool_options options = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf_page_pool *pool;

	ck_assert_int_eq(rpcbuf_page_pool_create(&pool, mm, &options), 0);
	return pool;
}

/* A page that is in a page pool is not its former user's to release. */
START_TEST(into_a_page_pool)
{
	struct rpcbuf_page_pool_stats stats = RPCBUF_PAGE_POOL_STATS_INIT;
	struct rpcbuf_page_pool *pool;
	void *page, *fragment;

	create(0);
	pool = create_pool();
	page = rpcbuf_page_pool_alloc(pool, 0);
	if (_i)
		rpcbuf_page_pool_put_direct(pool, page);
	else
		rpcbuf_page_pool_put(pool, page);
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(refused(), 1);
	said_of(page, "is free already");
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EINVAL);
	rpcbuf_page_pool_put(pool, page);
	rpcbuf_page_pool_stats(pool, &stats);
	ck_assert_uint_eq(stats.refused, 1);

	fragment = rpcbuf_page_pool_alloc_frag(pool, 0, 4096);
	page = rpcbuf_page_pool_alloc_frag(pool, 0, 4096);
	rpcbuf_page_pool_put(pool, fragment);
	rpcbuf_page_pool_put(pool, fragment);
	rpcbuf_page_pool_stats(pool, &stats);
	ck_assert_uint_eq(stats.refused, 2);
	rpcbuf_free_page(mm, fragment);
	ck_assert_uint_eq(refused(), 3);
	rpcbuf_page_pool_put(pool, page);
	ck_assert_int_eq(rpcbuf_page_pool_destroy(pool, 0), 0);
	one_owner_each();
	destroy();
}
END_TEST

/* Pages in a cache, in the zone, and never allocated. */
START_TEST(get_of_a_free_page)
{
	void *page;

	create(0);
	page = rpcbuf_alloc_page(mm, 0);
	rpcbuf_free_page(mm, page);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EINVAL);
	said_of(page, "is free");
	pcp_drain_all(mm);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EINVAL);
	page = arena_page(&mm->arena, PAGES - 1);
	ck_assert_int_eq(rpcbuf_page_get(mm, page), -EINVAL);
	said_of(page, "is free");
	rpcbuf_free_page(mm, page);
	ck_assert_uint_eq(refused(), 4);
	one_owner_each();
	destroy();
}
END_TEST

/* An order of which a part was released page by page. */
START_TEST(part_of_an_order)
{
	char *first;

	create(0);
	first = rpcbuf_alloc_pages(mm, 0, 4);
	rpcbuf_free_page(mm, first + 5 * RPCBUF_PAGE_SIZE);
	rpcbuf_free_page(mm, first + 15 * RPCBUF_PAGE_SIZE);
	rpcbuf_free_pages(mm, first, 4);
	ck_assert_uint_eq(refused(), 2);
	one_owner_each();
	destroy();
}
END_TEST

/* Repeated misuse cannot fill a log: ten lines a second. */
START_TEST(few_words)
{
	uint64_t since = os_now(), seconds;
	void *page;
	int i;

	create(0);
	page = rpcbuf_alloc_page(mm, 0);
	for (i = 0; i < 5000; i++)
		rpcbuf_free_page(mm, page);
	seconds = (os_now() - since) / OS_SECOND_NS;
	ck_assert_uint_eq(refused(), 4999);
	ck_assert_uint_ge(lines, 10);
	ck_assert_uint_le(lines, 10 * (seconds + 2));
	destroy();
}
END_TEST

/* Without ->log the sentence goes to standard error. */
START_TEST(on_standard_error)
{
	FILE *file = tmpfile();
	void *page;

	ck_assert_ptr_nonnull(file);
	mm = test_create(64);
	page = rpcbuf_alloc_page(mm, 0);
	rpcbuf_free_page(mm, page);
	fflush(stderr);
	ck_assert_int_ge(dup2(fileno(file), 2), 0);
	rpcbuf_free_page(mm, page);
	rewind(file);
	ck_assert_ptr_nonnull(fgets(said, sizeof(said), file));
	ck_assert_int_eq(strncmp(said, "rpcbuf: ", 8), 0);
	said_of(page, "is free already");
	fclose(file);
	test_destroy(mm);
}
END_TEST

static pthread_barrier_t together;
static void *shared_page;
static bool in_turns;

static void *second(void *unused)
{
	int round;

	for (round = 0; round < TEST_ROUNDS(2000); round++) {
		pthread_barrier_wait(&together);
		if (in_turns)
			pthread_barrier_wait(&together);
		rpcbuf_free_page(mm, shared_page);
		pthread_barrier_wait(&together);
	}
	return unused;
}

/* One after the other in a plain instance, at the same moment in a hardened
 * one: exactly one release succeeds. */
START_TEST(by_two_threads)
{
	pthread_t thread;
	int round;

	in_turns = !_i;
	create(_i ? RPCBUF_HARDEN_INIT_ON_FREE : 0);
	pthread_barrier_init(&together, NULL, 2);
	require(pthread_create(&thread, NULL, second, NULL) == 0);
	for (round = 0; round < TEST_ROUNDS(2000); round++) {
		shared_page = rpcbuf_alloc_page(mm, 0);
		pthread_barrier_wait(&together);
		rpcbuf_free_page(mm, shared_page);
		if (in_turns)
			pthread_barrier_wait(&together);
		pthread_barrier_wait(&together);
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(refused(), (uint64_t)TEST_ROUNDS(2000));
	one_owner_each();
	destroy();
}
END_TEST

/* Debug builds. */
START_TEST(twice_aborts)
{
	const struct way *way = &ways[_i % WAYS];
	void *pages[MOST] = {NULL};

	create(_i < WAYS ? 0 : RPCBUF_HARDEN_INIT_ON_FREE);
	take(way->nr, pages);
	release_twice(way, pages);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("release");
	TCase *tcase = tcase_create("release");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	if (RPCBUF_DEBUG) {
		tcase_add_loop_test_raise_signal(tcase, twice_aborts, SIGABRT,
						 0, 2 * WAYS);
	} else {
		tcase_add_loop_test(tcase, twice, 0, 2 * WAYS);
		tcase_add_loop_test(tcase, twice_in_one_call, 0, 3);
		tcase_add_test(tcase, into_a_reserve);
		tcase_add_loop_test(tcase, into_a_page_pool, 0, 2);
		tcase_add_test(tcase, get_of_a_free_page);
		tcase_add_test(tcase, part_of_an_order);
		tcase_add_test(tcase, few_words);
		tcase_add_test(tcase, on_standard_error);
		tcase_add_loop_test(tcase, by_two_threads, 0, 2);
	}
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
