/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: maintenance does its work when it is due: shrinkers are called in a
 * shortage and under pressure, caches decay, free memory is reported. The
 * thread blocks signals and ends with the instance; a forked child is refused.
 * Method: the test makes passes itself where it can; where the thread works, it
 * waits for the result, with no limit but the test's.
 */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/report.h>
#include <signal.h>
#include <sys/wait.h>

#include "mm_util.h"

#define MIB ((uint64_t)1 << 20)

static struct rpcbuf *create(uint64_t memory, bool thread)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;

	options.memory = memory;
	options.no_thread = !thread;
	options.no_pressure = true;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	return mm;
}

/* A shrinker whose pages can be reclaimed. */
struct hoard {
	struct rpcbuf_shrinker shrinker;
	struct rpcbuf *mm;
	void *pages[16384];
	unsigned int nr, calls;
	uint64_t wanted;
};

static uint64_t hoard_shrink(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	struct hoard *hoard = rpcbuf_container_of(shrinker, struct hoard,
						  shrinker);
	unsigned int n = (unsigned int)rpcbuf_min(nr, (uint64_t)hoard->nr);

	hoard->wanted = nr;
	hoard->nr -= n;
	rpcbuf_free_bulk_array(hoard->mm, n, hoard->pages + hoard->nr);
	__atomic_fetch_add(&hoard->calls, 1, __ATOMIC_RELEASE);
	return n;
}

static struct hoard *hoard_create(struct rpcbuf *mm, unsigned int nr)
{
	struct hoard *hoard = calloc(1, sizeof(*hoard));
	unsigned int i;

	hoard->shrinker.shrink = hoard_shrink;
	hoard->mm = mm;
	hoard->nr = nr;
	for (i = 0; i < nr; i += 64)
		require(rpcbuf_alloc_bulk_array(mm, 0, 64, hoard->pages + i) ==
			64);
	ck_assert_int_eq(rpcbuf_shrinker_register(mm, &hoard->shrinker), 0);
	return hoard;
}

static void hoard_destroy(struct hoard *hoard)
{
	ck_assert_int_eq(rpcbuf_shrinker_unregister(hoard->mm,
						    &hoard->shrinker),
			 0);
	rpcbuf_free_bulk_array(hoard->mm, hoard->nr, hoard->pages);
	free(hoard);
}

START_TEST(registration)
{
	struct rpcbuf *mm = create(8 * MIB, false);
	struct rpcbuf_shrinker nothing = {.shrink = NULL};
	struct rpcbuf_shrinker some = {.shrink = hoard_shrink};

	ck_assert_int_eq(rpcbuf_shrinker_register(mm, &nothing), -EINVAL);
	ck_assert_int_eq(rpcbuf_shrinker_unregister(mm, &some), -ENOENT);
	ck_assert_int_eq(rpcbuf_shrinker_register(mm, &some), 0);
	ck_assert_int_eq(rpcbuf_shrinker_register(mm, &some), -EBUSY);
	ck_assert_int_eq(rpcbuf_shrinker_unregister(mm, &some), 0);
	ck_assert_int_eq(rpcbuf_shrinker_register(mm, &some), 0);
	ck_assert_int_eq(rpcbuf_shrinker_unregister(mm, &some), 0);
	test_destroy(mm);
}
END_TEST

START_TEST(shortage_asks_shrinkers)
{
	struct rpcbuf *mm = create(64 * MIB, false);
	struct zone *zone = &mm->nodes[0].zone;
	struct hoard *first = hoard_create(mm, 10240);
	struct hoard *second = hoard_create(mm, 5952);

	/* Above the low watermark: no shrinker is called. */
	rpcbuf_maintain(mm);
	ck_assert_uint_eq(first->calls, 0);
	while (zone_nr_free(zone) > os_load(&zone->low))
		second->pages[second->nr++] = rpcbuf_alloc_page(mm, 0);
	usleep(25000); /* the pause between two checks */
	rpcbuf_maintain(mm);
	rpcbuf_maintain(mm);
	/* Called once, for what is missing to the high watermark; that
	 * sufficed. */
	ck_assert_uint_eq(first->calls, 1);
	ck_assert_uint_ge(first->wanted,
			  os_load(&zone->high) - os_load(&zone->low));
	ck_assert_uint_eq(second->calls, 0);
	ck_assert_uint_ge(zone_nr_free(zone), os_load(&zone->high));
	hoard_destroy(second);
	hoard_destroy(first);
	test_destroy(mm);
}
END_TEST

START_TEST(reclaim_gives_memory_back)
{
	struct rpcbuf *mm = create(64 * MIB, false);
	struct hoard *hoard = hoard_create(mm, 8192);
	uint64_t bytes;
	unsigned int i;

	for (i = 0; i < hoard->nr; i++)
		*(char *)hoard->pages[i] = 1;
	/* All free blocks are fresh: the shrinker must release. */
	bytes = rpcbuf_reclaim(mm, 8 * MIB);
	ck_assert_uint_ge(bytes, 6 * MIB); /* part of two blocks stays */
	ck_assert_uint_eq(hoard->calls, 1);
	bytes = rpcbuf_reclaim(mm, UINT64_MAX);
	ck_assert_uint_ge(bytes, 22 * MIB);
	ck_assert_uint_eq(hoard->nr, 0);
	ck_assert_uint_eq(test_resident((void *)mm->arena.base, 16384), 0);
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX), 0);
	hoard_destroy(hoard);
	test_destroy(mm);
}
END_TEST

START_TEST(pressure_takes_all_that_is_idle)
{
	struct rpcbuf *mm = create(64 * MIB, false);
	struct hoard *hoard = hoard_create(mm, 8192);
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;

	rpcbuf_maintain(mm);
	ck_assert_uint_eq(hoard->calls, 0);
	maintain_pressure(mm);
	do {
		usleep(1000);
		rpcbuf_maintain(mm);
		rpcbuf_report_stats(mm, &stats);
	} while (stats.bytes < 32 * MIB);
	ck_assert_uint_eq(hoard->calls, 1);
	ck_assert_uint_eq(hoard->nr, 0);
	hoard_destroy(hoard);
	test_destroy(mm);
}
END_TEST

/* Free parts of blocks in use, and then no more. */
START_TEST(pressure_takes_free_pages_among_others)
{
	struct rpcbuf *mm = create(64 * MIB, false);
	const uint64_t expected = 8192 / 64 * 63 * RPCBUF_PAGE_SIZE;
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;
	static void *pages[8192];
	unsigned int i, passes;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 8192, pages), 8192);
	for (i = 0; i < 8192; i++)
		if (i % 64)
			rpcbuf_free_run(mm, 1, pages + i);
	maintain_pressure(mm);
	while (stats.bytes < expected) {
		usleep(1000);
		rpcbuf_maintain(mm);
		rpcbuf_report_stats(mm, &stats);
	}
	for (passes = 0; passes < 200; passes++) {
		usleep(1000);
		rpcbuf_maintain(mm);
	}
	rpcbuf_report_stats(mm, &stats);
	ck_assert_uint_eq(stats.bytes, expected);
	rpcbuf_free_bulk_array(mm, 8192, pages);
	test_destroy(mm);
}
END_TEST

START_TEST(passes_without_a_thread_do_it_all)
{
	struct rpcbuf *mm = create(64 * MIB, false);
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;
	struct hoard *hoard = hoard_create(mm, 8192);
	int ms;

	hoard_destroy(hoard);
	ck_assert_uint_gt(pcp_nr_cached(mm), 0);
	do {
		ms = rpcbuf_maintain(mm);
		ck_assert_int_gt(ms, 0);
		usleep((unsigned int)ms * 1000);
		rpcbuf_report_stats(mm, &stats);
	} while (stats.bytes < 32 * MIB);
	ck_assert_uint_eq(pcp_nr_cached(mm), 0);
	/* With nothing to do it asks for no next pass. */
	ck_assert_int_ge(rpcbuf_maintain(mm), 1000);
	test_destroy(mm);
}
END_TEST

/* The id of the thread of this name, or 0. */
static int find_thread(const char *name)
{
	DIR *dir = opendir("/proc/self/task");
	char path[300], comm[32] = "";
	struct dirent *entry;
	int id = 0;

	ck_assert_ptr_nonnull(dir);
	while (!id && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/proc/self/task/%s/comm",
			 entry->d_name);
		file = fopen(path, "r");
		if (!file)
			continue;
		if (fgets(comm, sizeof(comm), file) &&
		    !strncmp(comm, name, strlen(name)))
			id = atoi(entry->d_name);
		fclose(file);
	}
	closedir(dir);
	return id;
}

/* A joined thread stays in /proc for a moment. */
static void thread_gone(const char *name)
{
	for (int ms = 0; ms < 5000 && find_thread(name); ms++)
		usleep(1000);
	ck_assert_int_eq(find_thread(name), 0);
}

START_TEST(thread_blocks_signals_and_ends)
{
	struct rpcbuf *mm = create(8 * MIB, true);
	unsigned long long blocked = 0;
	char path[64], line[128];
	FILE *file;
	void *page;
	int id;

	while (!(id = find_thread("rpcbuf-mm")))
		usleep(1000);
	snprintf(path, sizeof(path), "/proc/self/task/%d/status", id);
	file = fopen(path, "r");
	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file))
		sscanf(line, "SigBlk: %llx", &blocked);
	fclose(file);
	ck_assert(blocked >> (SIGINT - 1) & 1);
	ck_assert(blocked >> (SIGTERM - 1) & 1);
	ck_assert(blocked >> (SIGALRM - 1) & 1);

	/* A destroy that fails leaves it running. */
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_int_eq(rpcbuf_destroy(mm), -EBUSY);
	ck_assert_int_ne(find_thread("rpcbuf-mm"), 0);
	rpcbuf_maintain_stop(mm);
	rpcbuf_maintain_stop(mm);
	thread_gone("rpcbuf-mm");
	rpcbuf_free_page(mm, page);
	test_destroy(mm);

	mm = create(8 * MIB, true);
	test_destroy(mm);
	thread_gone("rpcbuf-mm");
}
END_TEST

START_TEST(thread_reclaims_in_a_shortage)
{
	struct rpcbuf *mm = create(64 * MIB, true);
	struct hoard *hoard = hoard_create(mm, 12288);
	void *pages[4096];
	unsigned int nr;

	/* Allocates all pages; the thread is woken, and the shrinker
	 * releases. */
	for (nr = 0; nr < 4096; nr++)
		ck_assert_ptr_nonnull(pages[nr] = rpcbuf_alloc_page(mm,
						RPCBUF_GFP_RESERVE));
	while (!__atomic_load_n(&hoard->calls, __ATOMIC_ACQUIRE))
		usleep(1000);
	hoard_destroy(hoard);
	for (nr = 0; nr < 4096; nr++)
		rpcbuf_free_page(mm, pages[nr]);
	test_destroy(mm);
}
END_TEST

START_TEST(child_is_refused)
{
	struct rpcbuf *mm = create(8 * MIB, true);
	struct rpcbuf_reporter reporter = {.report = NULL};
	char *page = rpcbuf_alloc_page(mm, 0);
	void *pages[100] = {NULL};
	int status;
	pid_t child;

	strcpy(page, "inherited");
	child = fork();
	ck_assert_int_ge(child, 0);
	if (!child) {
		/* Exit status: the line of the failed check. */
#define expect(condition)                   \
	do {                                \
		if (!(condition))           \
			_exit(__LINE__ % 256); \
	} while (0)
		expect(!strcmp(page, "inherited"));
		expect(!rpcbuf_alloc_page(mm, 0));
		expect(!rpcbuf_alloc_bulk_array(mm, 0, 100, pages));
		expect(!rpcbuf_alloc_run(mm, 100, pages));
		rpcbuf_free_page(mm, page);
		expect(rpcbuf_budget_set(mm, 4 * MIB) == -EPERM);
		expect(rpcbuf_reclaim(mm, 1) == 0);
		expect(rpcbuf_maintain(mm) == -EPERM);
		expect(rpcbuf_report_register(mm, &reporter) == -EPERM);
		rpcbuf_maintain_stop(mm);
		expect(rpcbuf_destroy(mm) == 0);
		_exit(0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(WIFEXITED(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
	/* The parent is not affected. */
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

/* Register and unregister race with calls; after unregister none is made. */
static struct rpcbuf *busy_mm;
static uint32_t busy_stop;

static void *reclaim_for_ever(void *arg)
{
	(void)arg;
	while (!__atomic_load_n(&busy_stop, __ATOMIC_RELAXED))
		rpcbuf_reclaim(busy_mm, UINT64_MAX);
	return NULL;
}

struct fleeting {
	struct rpcbuf_shrinker shrinker;
	uint32_t inside, registered;
};

static uint64_t fleeting_shrink(struct rpcbuf_shrinker *shrinker, uint64_t nr)
{
	struct fleeting *self = rpcbuf_container_of(shrinker, struct fleeting,
						    shrinker);

	(void)nr;
	require(!__atomic_fetch_add(&self->inside, 1, __ATOMIC_RELAXED));
	require(__atomic_load_n(&self->registered, __ATOMIC_RELAXED));
	__atomic_fetch_sub(&self->inside, 1, __ATOMIC_RELAXED);
	return 0;
}

START_TEST(no_call_after_unregister)
{
	pthread_t threads[2];
	unsigned int i;

	busy_mm = create(8 * MIB, true);
	for (i = 0; i < 2; i++)
		pthread_create(&threads[i], NULL, reclaim_for_ever, NULL);
	for (i = 0; i < TEST_ROUNDS(5000); i++) {
		struct fleeting self = {.shrinker.shrink = fleeting_shrink,
					.registered = 1};

		require(!rpcbuf_shrinker_register(busy_mm, &self.shrinker));
		require(!rpcbuf_shrinker_unregister(busy_mm, &self.shrinker));
		__atomic_store_n(&self.registered, 0, __ATOMIC_RELAXED);
	}
	__atomic_store_n(&busy_stop, 1, __ATOMIC_RELAXED);
	for (i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	test_destroy(busy_mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("maintain");
	TCase *tcase = tcase_create("maintain");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, registration);
	tcase_add_test(tcase, shortage_asks_shrinkers);
	tcase_add_test(tcase, reclaim_gives_memory_back);
	tcase_add_test(tcase, pressure_takes_all_that_is_idle);
	tcase_add_test(tcase, pressure_takes_free_pages_among_others);
	tcase_add_test(tcase, passes_without_a_thread_do_it_all);
	tcase_add_test(tcase, thread_blocks_signals_and_ends);
	tcase_add_test(tcase, thread_reclaims_in_a_shortage);
	tcase_add_test(tcase, child_is_refused);
	tcase_add_test(tcase, no_call_after_unregister);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
