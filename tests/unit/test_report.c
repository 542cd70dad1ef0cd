/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: memory that stays free is returned to the system, memory that is needed
 * next is not; consumers see each block before and can retain it; reported
 * blocks are allocated last.
 * Method: an instance without its thread, whose passes the test makes; the
 * kernel tells what is resident.  One test has the thread and waits, with ample
 * time, until the resident size of the process is that of before a burst.
 */
#include <errno.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/mm/report.h>
#include <rpcbuf/report.h>
#include <rpcbuf/stats.h>

#include "mm_util.h"

#define BLOCK  512u
#define BLOCKS 64u

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

static struct rpcbuf *create_blocks(void)
{
	return create(BLOCKS * RPCBUF_REPORT_SIZE, false);
}

static struct zone *zone_0(struct rpcbuf *mm)
{
	return &mm->nodes[0].zone;
}

/* Allocates @nr pages and writes to each. */
static void **touch(struct rpcbuf *mm, unsigned int nr)
{
	void **pages = calloc(nr, sizeof(*pages));
	unsigned int i;

	for (i = 0; i < nr; i += 64)
		require(rpcbuf_alloc_bulk_array(mm, 0, 64, pages + i) == 64);
	for (i = 0; i < nr; i++)
		memset(pages[i], 1, 64);
	return pages;
}

static void release(struct rpcbuf *mm, void **pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i += 64)
		rpcbuf_free_bulk_array(mm, 64, pages + i);
	free(pages);
}

static uint64_t resident(const struct rpcbuf *mm)
{
	return test_resident((void *)mm->arena.base, mm->arena.nr_pages);
}

/* Half of the budget was used and is free. */
static struct rpcbuf *create_used(void)
{
	struct rpcbuf *mm = create_blocks();

	release(mm, touch(mm, BLOCKS / 2 * BLOCK), BLOCKS / 2 * BLOCK);
	pcp_drain_all(mm);
	return mm;
}

static unsigned int report_one_batch(struct rpcbuf *mm)
{
	uint64_t given = 0;

	return report_batch(mm, 0, report_moment(mm, 0), &given);
}

static unsigned int report_all(struct rpcbuf *mm, uint64_t age_ns)
{
	uint64_t before = report_moment(mm, age_ns), given = 0;
	unsigned int nr, sum = 0;

	while ((nr = report_batch(mm, 0, before, &given))) {
		ck_assert_uint_le(nr, RPCBUF_REPORT_MAX);
		sum += nr;
	}
	return sum;
}

START_TEST(free_blocks_lose_their_memory)
{
	struct rpcbuf *mm = create_used();
	struct rpcbuf_stats sum = RPCBUF_STATS_INIT;
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;

	ck_assert_uint_ge(resident(mm), BLOCKS / 2 * BLOCK);
	ck_assert_uint_eq(report_all(mm, 0), BLOCKS / 2);
	ck_assert_uint_eq(resident(mm), 0);
	test_is_valid(mm);
	rpcbuf_report_stats(mm, &stats);
	ck_assert_uint_eq(stats.bytes, BLOCKS / 2 * RPCBUF_REPORT_SIZE);
	ck_assert_uint_eq(stats.kept, 0);
	/* A batch of a zone of 64 blocks is a sixteenth. */
	ck_assert_uint_eq(stats.batches, 8);
	/* Once is enough. */
	ck_assert_uint_eq(report_all(mm, 0), 0);
	ck_assert_int_eq(rpcbuf_stats_read(mm, &sum), 0);
	ck_assert_uint_eq(sum.reported_bytes, stats.bytes);
	test_destroy(mm);
}
END_TEST

START_TEST(only_what_was_free_for_long)
{
	struct rpcbuf *mm = create_used();

	/* An hour has not passed since; a microsecond has. */
	ck_assert_uint_eq(report_all(mm, 3600 * OS_SECOND_NS), 0);
	ck_assert_uint_ge(resident(mm), BLOCKS / 2 * BLOCK);
	usleep(10);
	ck_assert_uint_eq(report_all(mm, 1000), BLOCKS / 2);
	test_destroy(mm);
}
END_TEST

START_TEST(used_blocks_stay)
{
	struct rpcbuf *mm = create_blocks();
	void **pages = touch(mm, 8 * BLOCK), *kept = pages[3 * BLOCK + 7];

	pages[3 * BLOCK + 7] = NULL;
	strcpy(kept, "kept");
	release(mm, pages, 8 * BLOCK);
	pcp_drain_all(mm);
	ck_assert_uint_eq(report_all(mm, 0), 7);
	ck_assert_str_eq(kept, "kept");
	ck_assert_uint_ge(resident(mm), BLOCK);
	rpcbuf_free_page(mm, kept);
	test_destroy(mm);
}
END_TEST

/* One page in so many stays allocated. */
#define KEPT_OF 100u

/* Blocks with free pages and others, and retained ones, with their contents. */
static void **touch_mixed(struct rpcbuf *mm)
{
	void **pages = touch(mm, BLOCKS / 2 * BLOCK);
	unsigned int i;

	for (i = 0; i < BLOCKS / 2 * BLOCK; i++) {
		if (i % KEPT_OF)
			rpcbuf_free_run(mm, 1, pages + i);
		else
			memcpy(pages[i], &i, sizeof(i));
	}
	return pages;
}

static void check_kept(void *const *pages)
{
	unsigned int i;

	for (i = 0; i < BLOCKS / 2 * BLOCK; i += KEPT_OF)
		require(*(unsigned int *)pages[i] == i);
}

/* Not by itself; and each once, until more of the block is released. */
START_TEST(free_pages_among_others)
{
	struct rpcbuf *mm = create_blocks();
	void **pages = touch_mixed(mm);
	unsigned int nr_kept = (BLOCKS / 2 * BLOCK + KEPT_OF - 1) / KEPT_OF;
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;

	ck_assert_uint_eq(report_all(mm, 0), 0);
	ck_assert_uint_ge(resident(mm), BLOCKS / 2 * BLOCK);
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX),
			  (BLOCKS / 2 * BLOCK - nr_kept) * RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(resident(mm), nr_kept);
	test_is_valid(mm);
	check_kept(pages);
	rpcbuf_report_stats(mm, &stats);
	ck_assert_uint_eq(stats.bytes,
			  (BLOCKS / 2 * BLOCK - nr_kept) * RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX), 0);
	rpcbuf_free_run(mm, 1, pages);
	ck_assert_uint_ge(rpcbuf_reclaim(mm, UINT64_MAX), RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(resident(mm), nr_kept - 1);
	release(mm, pages, BLOCKS / 2 * BLOCK);
	test_destroy(mm);
}
END_TEST

/* No more than requested, except for the rest of a block. */
START_TEST(as_much_as_was_asked_for)
{
	struct rpcbuf *mm = create_blocks();
	void **pages = touch_mixed(mm);
	uint64_t given = rpcbuf_reclaim(mm, RPCBUF_REPORT_SIZE * 3 / 2);

	ck_assert_uint_ge(given, RPCBUF_REPORT_SIZE * 3 / 2);
	ck_assert_uint_le(given, RPCBUF_REPORT_SIZE * 2);
	release(mm, pages, BLOCKS / 2 * BLOCK);
	test_destroy(mm);
}
END_TEST

START_TEST(low_and_a_batch_stay)
{
	struct rpcbuf *mm = create_used();
	struct zone *zone = zone_0(mm);
	unsigned int batch = BLOCKS / 16;

	/* One page less than a batch may begin with. */
	os_store(&zone->low, os_load(&zone->nr_free) - batch * BLOCK + 1);
	ck_assert_uint_eq(report_one_batch(mm), 0);
	os_fetch_add(&zone->low, -1);
	ck_assert_uint_eq(report_one_batch(mm), batch);
	test_destroy(mm);
}
END_TEST

static uint32_t reported_head(struct rpcbuf *mm)
{
	return os_unshared(&zone_0(mm)->lists)->heads[(int)ZONE_REPORTED];
}

START_TEST(reported_blocks_are_handed_out_last)
{
	struct rpcbuf *mm = create_used();
	void *pages[BLOCK], *page, *batch[64] = {NULL};

	ck_assert_uint_eq(report_one_batch(mm), BLOCKS / 16);
	ck_assert_uint_ne(reported_head(mm), 0);
	/* Single pages, bulk, runs, whole blocks: all find used memory. */
	page = rpcbuf_alloc_page(mm, 0);
	ck_assert_uint_eq(test_resident(page, 1), 1);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 64, batch), 64);
	ck_assert_uint_eq(test_resident(batch[0], 1), 1);
	ck_assert_uint_eq(rpcbuf_alloc_run(mm, BLOCK, pages), BLOCK);
	ck_assert_uint_eq(test_resident(pages[0], BLOCK), BLOCK);
	rpcbuf_free_run(mm, BLOCK, pages);
	rpcbuf_free_bulk_array(mm, 64, batch);
	rpcbuf_free_page(mm, page);
	test_destroy(mm);
}
END_TEST

START_TEST(reported_blocks_serve_before_fresh_ones)
{
	struct rpcbuf *mm = create_used();
	uint32_t fresh;
	void **pages;

	report_all(mm, 0);
	fresh = os_load(&zone_0(mm)->fresh);
	pages = touch(mm, BLOCKS / 2 * BLOCK);
	ck_assert_uint_eq(os_load(&zone_0(mm)->fresh), fresh);
	ck_assert_uint_eq(reported_head(mm), 0);
	test_is_valid(mm);
	release(mm, pages, BLOCKS / 2 * BLOCK);
	test_destroy(mm);
}
END_TEST

struct witness {
	struct rpcbuf_reporter reporter;
	struct rpcbuf *mm;
	unsigned int calls, blocks, keep_every;
	bool allocates;
};

static void witness_report(struct rpcbuf_reporter *reporter, void **blocks,
			   unsigned int nr)
{
	struct witness *witness =
		rpcbuf_container_of(reporter, struct witness, reporter);
	unsigned int i;

	witness->calls++;
	require(nr > 0 && nr <= RPCBUF_REPORT_MAX);
	for (i = 0; i < nr; i++) {
		require((uintptr_t)blocks[i] % RPCBUF_REPORT_SIZE == 0);
		require(rpcbuf_owns(witness->mm, blocks[i]));
		/* Not reported yet. */
		require(__SANITIZE_ADDRESS__ || *(char *)blocks[i]);
		witness->blocks++;
		if (witness->keep_every &&
		    witness->blocks % witness->keep_every == 0)
			blocks[i] = NULL;
	}
	if (witness->allocates) {
		void *page = rpcbuf_alloc_page(witness->mm, 0);

		for (i = 0; i < nr; i++)
			require(!blocks[i] ||
				(uintptr_t)page - (uintptr_t)blocks[i] >=
					RPCBUF_REPORT_SIZE);
		rpcbuf_free_page(witness->mm, page);
	}
}

START_TEST(consumers_see_and_keep)
{
	struct rpcbuf *mm = create_used();
	struct witness first = {
		.reporter.report = witness_report, .mm = mm, .keep_every = 4};
	struct witness second = {.reporter.report = witness_report, .mm = mm};
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;

	ck_assert_int_eq(rpcbuf_report_register(mm, &first.reporter), 0);
	ck_assert_int_eq(rpcbuf_report_register(mm, &second.reporter), 0);
	ck_assert_int_eq(rpcbuf_report_register(mm, &first.reporter), -EBUSY);
	ck_assert_uint_eq(report_all(mm, 0), BLOCKS / 2);
	ck_assert_uint_eq(first.blocks, BLOCKS / 2);
	ck_assert_uint_eq(second.blocks, BLOCKS / 2 * 3 / 4);
	ck_assert_uint_eq(resident(mm), BLOCKS / 2 / 4 * BLOCK);
	rpcbuf_report_stats(mm, &stats);
	ck_assert_uint_eq(stats.kept, BLOCKS / 2 / 4 * RPCBUF_REPORT_SIZE);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &first.reporter), 0);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &first.reporter),
			 -ENOENT);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &second.reporter), 0);
	test_destroy(mm);
}
END_TEST

/* One consumer sees whole blocks only: they stay whole for it. */
START_TEST(consumers_keep_free_pages_among_others)
{
	struct rpcbuf *mm = create_blocks();
	void **pages = touch_mixed(mm);
	struct witness witness = {.reporter.report = witness_report, .mm = mm};

	ck_assert_int_eq(rpcbuf_report_register(mm, &witness.reporter), 0);
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX), 0);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &witness.reporter), 0);
	ck_assert_uint_gt(rpcbuf_reclaim(mm, UINT64_MAX), 0);
	release(mm, pages, BLOCKS / 2 * BLOCK);
	test_destroy(mm);
}
END_TEST

START_TEST(who_keeps_all_ends_the_walk)
{
	struct rpcbuf *mm = create_used();
	struct witness miser = {
		.reporter.report = witness_report, .mm = mm, .keep_every = 1};
	struct witness last = {.reporter.report = witness_report, .mm = mm};

	ck_assert_int_eq(rpcbuf_report_register(mm, &miser.reporter), 0);
	ck_assert_int_eq(rpcbuf_report_register(mm, &last.reporter), 0);
	report_all(mm, 0);
	ck_assert_uint_eq(last.calls, 0);
	ck_assert_uint_eq(resident(mm), BLOCKS / 2 * BLOCK);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &last.reporter), 0);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &miser.reporter), 0);
	test_destroy(mm);
}
END_TEST

/* Retained blocks come up again in later walks, until no consumer retains them;
 * a reclaim ends all the same, and counts what it released. */
START_TEST(what_was_kept_is_tried_again)
{
	struct rpcbuf *mm = create_used();
	struct witness miser = {
		.reporter.report = witness_report, .mm = mm, .keep_every = 1};
	struct rpcbuf_report_stats stats = RPCBUF_REPORT_STATS_INIT;

	ck_assert_int_eq(rpcbuf_report_register(mm, &miser.reporter), 0);
	ck_assert_uint_eq(report_all(mm, 0), BLOCKS / 2);
	ck_assert_uint_eq(miser.blocks, BLOCKS / 2);
	/* Not yet: that is how long it has been free by now. */
	ck_assert_uint_eq(report_all(mm, 3600 * OS_SECOND_NS), 0);
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX), 0);
	ck_assert_uint_ge(miser.blocks, BLOCKS);
	ck_assert_uint_eq(resident(mm), BLOCKS / 2 * BLOCK);
	test_is_valid(mm);

	miser.keep_every = 0;
	ck_assert_uint_eq(rpcbuf_reclaim(mm, UINT64_MAX),
			  BLOCKS / 2 * RPCBUF_REPORT_SIZE);
	ck_assert_uint_eq(resident(mm), 0);
	rpcbuf_report_stats(mm, &stats);
	ck_assert_uint_eq(stats.bytes, BLOCKS / 2 * RPCBUF_REPORT_SIZE);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &miser.reporter), 0);
	test_destroy(mm);
}
END_TEST

START_TEST(consumers_may_allocate)
{
	struct rpcbuf *mm = create_used();
	struct witness witness = {
		.reporter.report = witness_report, .mm = mm, .allocates = true};

	ck_assert_int_eq(rpcbuf_report_register(mm, &witness.reporter), 0);
	report_all(mm, 0);
	ck_assert_uint_gt(witness.calls, 0);
	ck_assert_int_eq(rpcbuf_report_unregister(mm, &witness.reporter), 0);
	test_destroy(mm);
}
END_TEST

START_TEST(consumer_without_callback)
{
	struct rpcbuf *mm = create_blocks();
	struct rpcbuf_reporter nothing = {.report = NULL};

	ck_assert_int_eq(rpcbuf_report_register(mm, &nothing), -EINVAL);
	test_destroy(mm);
}
END_TEST

#if !TEST_SANITIZED /* shadow memory is resident as well */
static uint64_t rss(void)
{
	unsigned long long size, pages;
	FILE *file = fopen("/proc/self/statm", "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_int_eq(fscanf(file, "%llu %llu", &size, &pages), 2);
	fclose(file);
	return pages * RPCBUF_PAGE_SIZE;
}

/* 1 GiB is allocated, written, and released in random order.  The goal is 15 s;
 * here time only limits the wait. */
START_TEST(a_burst_leaves_nothing)
{
	unsigned int nr = 262144, i;
	struct rpcbuf *mm = create((uint64_t)2 << 30, true);
	uint64_t seed = test_seed(), idle, after = 0, start;
	void **pages = calloc(nr, sizeof(*pages));

	for (i = 0; i < nr; i++)
		pages[i] = NULL;
	rpcbuf_free_page(mm, rpcbuf_alloc_page(mm, 0));
	idle = rss();
	for (i = 0; i < nr; i += 256)
		require(rpcbuf_alloc_bulk_array(mm, 0, 256, pages + i) == 256);
	for (i = 0; i < nr; i++)
		memset(pages[i], 1, RPCBUF_PAGE_SIZE);
	ck_assert_uint_ge(rss(), (uint64_t)1 << 30);
	for (i = nr - 1; i; i--) {
		unsigned int k = test_below(&seed, i + 1);
		void *page = pages[i];

		pages[i] = pages[k];
		pages[k] = page;
	}
	for (i = 0; i < nr; i++)
		rpcbuf_free_page(mm, pages[i]);
	start = os_now();
	do {
		usleep(100000);
		after = rss();
	} while (after > idle + idle / 10 + (16 << 20) &&
		 os_now() - start < 90 * OS_SECOND_NS);
	printf("resident: idle %llu MiB, %llu MiB %.1f s after 1 GiB was "
	       "released\n",
	       (unsigned long long)idle >> 20, (unsigned long long)after >> 20,
	       (double)(os_now() - start) / 1e9);
	fflush(stdout);
	ck_assert_uint_le(after, idle + idle / 10 + (16 << 20));
	free(pages);
	test_destroy(mm);
}
END_TEST
#endif

int main(int argc, char **argv)
{
	Suite *suite = suite_create("report");
	TCase *tcase = tcase_create("report");

	(void)argc;
	tcase_set_timeout(tcase, 110);
	tcase_add_test(tcase, free_blocks_lose_their_memory);
	tcase_add_test(tcase, only_what_was_free_for_long);
	tcase_add_test(tcase, used_blocks_stay);
	tcase_add_test(tcase, free_pages_among_others);
	tcase_add_test(tcase, as_much_as_was_asked_for);
	tcase_add_test(tcase, consumers_keep_free_pages_among_others);
	tcase_add_test(tcase, low_and_a_batch_stay);
	tcase_add_test(tcase, reported_blocks_are_handed_out_last);
	tcase_add_test(tcase, reported_blocks_serve_before_fresh_ones);
	tcase_add_test(tcase, consumers_see_and_keep);
	tcase_add_test(tcase, who_keeps_all_ends_the_walk);
	tcase_add_test(tcase, what_was_kept_is_tried_again);
	tcase_add_test(tcase, consumers_may_allocate);
	tcase_add_test(tcase, consumer_without_callback);
#if !TEST_SANITIZED
	tcase_add_test(tcase, a_burst_leaves_nothing);
#endif
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
