/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: an instance never has more pages out than its budget.  The budget can
 * be set to anything up to its maximum at any time; removed pages are not
 * resident; growth serves waiters.
 * Method: instances without their thread; counts, resident pages, and the
 * number of pages that can be allocated, before and after each change.
 */
#include <errno.h>
#include <pthread.h>
#include <rpcbuf/budget.h>
#include <sys/syscall.h>

#include "mm_util.h"

#define MIB ((uint64_t)1 << 20)

static struct rpcbuf *create(uint64_t memory, uint64_t memory_max,
			     unsigned int nodes)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;

	options.memory = memory;
	options.memory_max = memory_max;
	options.nodes = nodes;
	options.no_thread = true;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), 0);
	return mm;
}

struct pile {
	void **pages;
	unsigned int nr;
};

/* The number of pages that can be allocated. */
static struct pile take_all(struct rpcbuf *mm)
{
	struct pile pile = {calloc(mm->arena.nr_pages + 64, sizeof(void *)), 0};
	unsigned int got;

	do {
		got = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_RESERVE, 64,
					      pile.pages + pile.nr);
		pile.nr += got;
	} while (got == 64);
	return pile;
}

static void put_some(struct rpcbuf *mm, struct pile *pile, unsigned int nr)
{
	while (nr) {
		unsigned int n = rpcbuf_min(nr, 64u);

		rpcbuf_free_bulk_array(mm, n, pile->pages + pile->nr - n);
		pile->nr -= n;
		nr -= n;
	}
}

static void put_all(struct rpcbuf *mm, struct pile *pile)
{
	put_some(mm, pile, pile->nr);
	free(pile->pages);
	pile->pages = NULL;
}

static uint64_t available(struct rpcbuf *mm)
{
	struct pile pile = take_all(mm);
	uint64_t nr = pile.nr;

	put_all(mm, &pile);
	return nr;
}

static void check(struct rpcbuf *mm, uint64_t memory, uint64_t out)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	struct rpcbuf_budget budget = RPCBUF_BUDGET_INIT;

	rpcbuf_mm_counts(mm, &counts);
	rpcbuf_budget_get(mm, &budget);
	ck_assert_uint_eq(counts.pages_total, memory / RPCBUF_PAGE_SIZE);
	ck_assert_uint_eq(counts.pages_out, out);
	ck_assert_uint_eq(budget.memory, memory);
	test_is_valid(mm);
}

START_TEST(limits)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = create(4 * MIB, 8 * MIB, 0);

	ck_assert_int_eq(rpcbuf_budget_set(mm, 8 * MIB + 4096), -EINVAL);
	ck_assert_int_eq(rpcbuf_budget_set(mm, RPCBUF_MEMORY_MIN - 1), -EINVAL);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 8 * MIB), 0);
	ck_assert_int_eq(rpcbuf_budget_set(mm, RPCBUF_MEMORY_MIN + 1), 0);
	check(mm, RPCBUF_MEMORY_MIN, 0);
	test_destroy(mm);

	options.memory_max = options.memory - 1;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), -EINVAL);
	options.memory_max = RPCBUF_MEMORY_MAX + 1;
	ck_assert_int_eq(rpcbuf_create(&mm, &options), -EINVAL);
}
END_TEST

START_TEST(every_size)
{
	static const uint64_t sizes[] = {
		3 * MIB, 8 * MIB, 64 * 1024, 8 * MIB - 4096, 2 * MIB + 4096,
		5 * MIB, 4096 * 1337, 8 * MIB, 1 * MIB, 7 * MIB + 36 * 4096,
	};
	unsigned int i, round, nodes;

	for (nodes = 0; nodes < 3; nodes++) {
		struct rpcbuf *mm = create(2 * nodes * MIB + 4096 * 77,
					   8 * MIB + 4096 * 5, nodes);

		ck_assert_uint_eq(available(mm), 512 * nodes + 77);
		for (round = 0; round < 2; round++) {
			for (i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
				ck_assert_int_eq(
					rpcbuf_budget_set(mm, sizes[i]), 0);
				ck_assert_uint_eq(available(mm),
						  sizes[i] / RPCBUF_PAGE_SIZE);
				check(mm, sizes[i], 0);
			}
		}
		test_destroy(mm);
	}
}
END_TEST

START_TEST(shrink_takes_pages_as_they_come)
{
	struct rpcbuf *mm = create(8 * MIB, 0, 0);
	struct pile pile = take_all(mm);
	struct rpcbuf_budget budget = RPCBUF_BUDGET_INIT;

	ck_assert_uint_eq(pile.nr, 2048);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 4 * MIB), 0);
	rpcbuf_budget_get(mm, &budget);
	ck_assert_uint_eq(budget.excess, 4 * MIB);
	check(mm, 4 * MIB, 2048);

	/* Released pages go to the balloon, not to the next request. */
	put_some(mm, &pile, 600);
	ck_assert_int_gt(rpcbuf_maintain(mm), 0);
	rpcbuf_budget_get(mm, &budget);
	ck_assert_uint_eq(budget.excess, (1024 - 600) * RPCBUF_PAGE_SIZE);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));
	put_some(mm, &pile, 424);
	usleep(25000); /* the pause after a shortage */
	rpcbuf_maintain(mm);
	rpcbuf_budget_get(mm, &budget);
	ck_assert_uint_eq(budget.excess, 0);
	check(mm, 4 * MIB, 1024);
	ck_assert_ptr_null(rpcbuf_alloc_page(mm, 0));

	/* From here on it is an instance of 4 MiB. */
	put_all(mm, &pile);
	ck_assert_uint_eq(available(mm), 1024);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 8 * MIB), 0);
	ck_assert_uint_eq(available(mm), 2048);
	test_destroy(mm);
}
END_TEST

START_TEST(growth_cancels_a_shrink)
{
	struct rpcbuf *mm = create(8 * MIB, 0, 0);
	struct pile pile = take_all(mm);

	ck_assert_int_eq(rpcbuf_budget_set(mm, 4 * MIB), 0);
	put_some(mm, &pile, 100);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 8 * MIB), 0);
	ck_assert_ptr_nonnull(pile.pages[pile.nr++] = rpcbuf_alloc_page(mm, 0));
	put_all(mm, &pile);
	ck_assert_uint_eq(available(mm), 2048);
	test_destroy(mm);
}
END_TEST

START_TEST(what_was_taken_away_is_not_resident)
{
	struct rpcbuf *mm = create(64 * MIB, 0, 0);
	struct pile pile = take_all(mm);
	unsigned int i;

	for (i = 0; i < pile.nr; i++)
		*(char *)pile.pages[i] = 1;
	put_all(mm, &pile);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 16 * MIB), 0);
	ck_assert_uint_le(test_resident((void *)mm->arena.base,
					mm->arena.nr_pages),
			  16 * MIB / RPCBUF_PAGE_SIZE);
	check(mm, 16 * MIB, 0);
	test_destroy(mm);
}
END_TEST

/* The kernel does not discard locked pages; after munlock() it does.  Growth
 * can use these pages too. */
START_TEST(what_could_not_be_taken_away_is_tried_again)
{
	struct rpcbuf *mm = create(2 * MIB, 0, 0);
	struct pile pile = take_all(mm);
	void *arena = (void *)mm->arena.base;
	unsigned int i;

	for (i = 0; i < pile.nr; i++)
		*(char *)pile.pages[i] = 1;
	put_all(mm, &pile);
	/* Sanitizers ignore mlock(). */
	if (syscall(SYS_mlock, arena, 2 * MIB)) {
		printf("memory cannot be locked here: not tested\n");
		test_destroy(mm);
		return;
	}
	ck_assert_int_eq(rpcbuf_budget_set(mm, 1 * MIB), 0);
	check(mm, 1 * MIB, 0);
	ck_assert_int_gt(rpcbuf_maintain(mm), 0);
	ck_assert_uint_eq(test_resident(arena, 512), 512);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 1 * MIB + 50 * 4096), 0);
	ck_assert_uint_eq(available(mm), 256 + 50);
	ck_assert_int_eq(syscall(SYS_munlock, arena, 2 * MIB), 0);
	ck_assert_int_gt(rpcbuf_maintain(mm), 0);
	ck_assert_uint_eq(test_resident(arena, 512), 256 + 50);
	check(mm, 1 * MIB + 50 * 4096, 0);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 2 * MIB), 0);
	ck_assert_uint_eq(available(mm), 512);
	test_destroy(mm);
}
END_TEST

/* AddressSanitizer keeps an eighth of the range as shadow memory after the
 * unmapping. */
#ifdef __SANITIZE_ADDRESS__
#define LARGE_MAXIMUM ((uint64_t)1 << 32)
#else
#define LARGE_MAXIMUM ((uint64_t)1 << 38)
#endif

START_TEST(a_large_maximum_costs_nothing)
{
	struct rpcbuf *mm = create(1 * MIB, LARGE_MAXIMUM, 0);

	ck_assert_uint_eq(available(mm), 256);
	ck_assert_int_eq(rpcbuf_budget_set(mm, LARGE_MAXIMUM), 0);
	ck_assert_int_eq(rpcbuf_budget_set(mm, 2 * MIB), 0);
	ck_assert_uint_eq(available(mm), 512);
	test_destroy(mm);
}
END_TEST

static void *grow(void *arg)
{
	ck_assert_int_eq(rpcbuf_budget_set(arg, 2 * MIB), 0);
	return NULL;
}

START_TEST(growth_wakes_who_waits)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	struct rpcbuf *mm = create(1 * MIB, 2 * MIB, 0);
	struct pile pile = take_all(mm);
	pthread_t thread;
	uint32_t count;
	void *page;

	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(pthread_create(&thread, NULL, grow, mm), 0);
	for (;;) {
		count = rpcbuf_wait_count(&waiter);
		page = rpcbuf_alloc_page(mm, 0);
		if (page)
			break;
		/* Without a limit: a lost wake-up shows as a timeout of the
		 * test. */
		rpcbuf_wait_sleep(&waiter, count, UINT64_MAX);
	}
	pthread_join(thread, NULL);
	rpcbuf_wait_leave(&waiter);
	rpcbuf_free_page(mm, page);
	put_all(mm, &pile);
	test_destroy(mm);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("budget");
	TCase *tcase = tcase_create("budget");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, limits);
	tcase_add_test(tcase, every_size);
	tcase_add_test(tcase, shrink_takes_pages_as_they_come);
	tcase_add_test(tcase, growth_cancels_a_shrink);
	tcase_add_test(tcase, what_was_taken_away_is_not_resident);
	tcase_add_test(tcase, what_could_not_be_taken_away_is_tried_again);
	tcase_add_test(tcase, a_large_maximum_costs_nothing);
	tcase_add_test(tcase, growth_wakes_who_waits);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
