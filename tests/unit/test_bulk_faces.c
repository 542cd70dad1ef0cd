/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: lists, callbacks and orders keep the contracts of bulk.h on the same
 * core as arrays: no page is lost, returned twice, or kept on refusal.
 * Method: all sizes, refusals at every position, shortage, and random list
 * operations beside plain arrays with the expected contents.
 */
#include "mm_util.h"

#include <rpcbuf/bulk.h>

#define NR_PAGES 4096u

static struct rpcbuf *mm;

static void setup(void)
{
	mm = test_create(NR_PAGES);
}

static void teardown(void)
{
	test_destroy(mm);
}

static uint64_t out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(mm, &counts);
	return counts.pages_out;
}

START_TEST(list_of_any_size)
{
	static const unsigned int sizes[] = {0,	 1,   2,   15,	16,
					     64, 65, 300, 1000, NR_PAGES};
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	unsigned int i, n;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		n = sizes[i];
		ck_assert_uint_eq(rpcbuf_alloc_bulk_list(mm, 0, n, &list), n);
		ck_assert_uint_eq(list.nr, n);
		ck_assert_uint_eq(out(), n);
		rpcbuf_free_bulk_list(mm, &list);
		ck_assert_uint_eq(list.nr, 0);
		ck_assert_uint_eq(out(), 0);
		ck_assert_ptr_null(rpcbuf_page_list_pop(mm, &list));
	}
	/* More pages than there are. */
	ck_assert_uint_eq(rpcbuf_alloc_bulk_list(mm, 0, NR_PAGES + 1, &list),
			  NR_PAGES);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_list(mm, 0, 1, &list), 0);
	rpcbuf_free_bulk_list(mm, &list);
}
END_TEST

START_TEST(list_to_array_fills_holes)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	void *pages[100] = {NULL}, *kept;
	unsigned int i;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 100, pages), 100);
	for (i = 0; i < 100; i += 3)
		rpcbuf_free_bulk_array(mm, 1, pages + i);
	kept = pages[1];
	ck_assert_uint_eq(rpcbuf_alloc_bulk_list(mm, 0, 30, &list), 30);
	ck_assert_uint_eq(rpcbuf_page_list_to_array(mm, &list, 100, pages), 90);
	ck_assert_uint_eq(list.nr, 0);
	ck_assert_ptr_eq(pages[1], kept);
	ck_assert_ptr_null(pages[90]);
	ck_assert_ptr_nonnull(pages[91]);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_list(mm, 0, 30, &list), 30);
	ck_assert_uint_eq(rpcbuf_page_list_to_array(mm, &list, 100, pages),
			  100);
	ck_assert_uint_eq(list.nr, 26);
	rpcbuf_free_bulk_list(mm, &list);
	rpcbuf_free_bulk_array(mm, 100, pages);
	ck_assert_uint_eq(rpcbuf_page_list_to_array(mm, &list, 0, NULL), 0);
}
END_TEST

/* Shared pages on a list lose one reference each, the others are freed. */
START_TEST(list_with_shared_pages)
{
	struct rpcbuf_page_list list = RPCBUF_PAGE_LIST_INIT;
	void *pages[200] = {NULL};
	unsigned int i;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, 200, pages), 200);
	for (i = 0; i < 200; i++) {
		if (i % 7 == 0)
			ck_assert_int_eq(rpcbuf_page_get(mm, pages[i]), 0);
		rpcbuf_page_list_add(mm, &list, pages[i]);
	}
	rpcbuf_free_bulk_list(mm, &list);
	ck_assert_uint_eq(out(), 29);
	for (i = 0; i < 200; i += 7)
		rpcbuf_free_page(mm, pages[i]);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

#define LISTS 4

/* Each list beside an array with its expected contents, in order. */
static struct {
	struct rpcbuf_page_list list;
	void *pages[NR_PAGES];
	unsigned int nr;
} lists[LISTS];

static void pop_checked(unsigned int i)
{
	void *page = rpcbuf_page_list_pop(mm, &lists[i].list);

	require(page == (lists[i].nr ? lists[i].pages[0] : NULL));
	if (!page)
		return;
	lists[i].nr--;
	memmove(lists[i].pages, lists[i].pages + 1,
		lists[i].nr * sizeof(void *));
	rpcbuf_free_page(mm, page);
}

static void splice_checked(unsigned int from, unsigned int to)
{
	if (from == to)
		return;
	rpcbuf_page_list_splice(mm, &lists[from].list, &lists[to].list);
	memcpy(lists[to].pages + lists[to].nr, lists[from].pages,
	       lists[from].nr * sizeof(void *));
	lists[to].nr += lists[from].nr;
	lists[from].nr = 0;
}

START_TEST(lists_against_arrays)
{
	uint64_t seed = test_seed();
	unsigned int i, n;
	int round;

	memset(lists, 0, sizeof(lists));
	for (round = 0; round < TEST_ROUNDS(100000); round++) {
		i = test_below(&seed, LISTS);
		switch (test_below(&seed, 8)) {
		case 0:
			splice_checked(i, test_below(&seed, LISTS));
			break;
		case 1:
			if (test_below(&seed, 20))
				break;
			rpcbuf_free_bulk_list(mm, &lists[i].list);
			lists[i].nr = 0;
			break;
		case 2:
		case 3:
		case 4:
			n = lists[i].nr;
			lists[i].pages[n] = rpcbuf_alloc_page(mm, 0);
			if (!lists[i].pages[n])
				break;
			rpcbuf_page_list_add(mm, &lists[i].list,
					     lists[i].pages[n]);
			lists[i].nr++;
			break;
		default:
			pop_checked(i);
			break;
		}
		require(lists[i].list.nr == lists[i].nr);
	}
	for (i = 0; i < LISTS; i++)
		while (lists[i].nr)
			pop_checked(i);
	require(out() == 0);
}
END_TEST

struct collector {
	void *pages[1000];
	unsigned int nr, most;
};

static bool collect(void *page, void *opaque)
{
	struct collector *to = opaque;
	void *other;

	if (to->nr == to->most)
		return false;
	/* The callback runs without a lock, so it may call the library. */
	other = rpcbuf_alloc_page(mm, 0);
	rpcbuf_free_page(mm, other);
	to->pages[to->nr++] = page;
	return true;
}

START_TEST(callback_may_refuse)
{
	struct collector to;
	unsigned int nr, most;

	for (nr = 0; nr <= 200; nr += 7) {
		for (most = 0; most <= nr; most++) {
			to.nr = 0;
			to.most = most;
			require(rpcbuf_alloc_bulk_callback(mm, 0, nr, collect,
							   &to) == most);
			require(to.nr == most && out() == most);
			rpcbuf_free_bulk_array(mm, to.nr, to.pages);
		}
	}
}
END_TEST

START_TEST(callback_on_shortage)
{
	void **all = calloc(NR_PAGES, sizeof(*all));
	struct collector to = {.most = 1000};

	ck_assert_uint_eq(
		rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES - 130, all),
		NR_PAGES - 130);
	ck_assert_uint_eq(
		rpcbuf_alloc_bulk_callback(mm, RPCBUF_GFP_ZERO, 1000, collect,
					   &to),
		130);
	rpcbuf_free_bulk_array(mm, to.nr, to.pages);
	rpcbuf_free_bulk_array(mm, NR_PAGES, all);
	free(all);
}
END_TEST

START_TEST(every_order)
{
	unsigned int order, nr, got, i;
	void *pages[NR_PAGES];

	for (order = 0; order <= RPCBUF_ORDER_MAX; order++) {
		nr = NR_PAGES >> order;
		for (got = 0; got < nr; got++) {
			pages[got] = rpcbuf_alloc_pages(mm, 0, order);
			require(pages[got]);
			require(((uintptr_t)pages[got] - mm->arena.base) %
					(RPCBUF_PAGE_SIZE << order) ==
				0);
		}
		ck_assert_uint_eq(out(), NR_PAGES);
		ck_assert_ptr_null(rpcbuf_alloc_pages(mm, 0, order));
		for (i = 0; i < nr; i++)
			rpcbuf_free_pages(mm, pages[i], order);
		ck_assert_uint_eq(out(), 0);
		test_is_valid(mm);
	}
	ck_assert_ptr_null(rpcbuf_alloc_pages(mm, 0, RPCBUF_ORDER_MAX + 1));
	rpcbuf_free_pages(mm, NULL, 3);
}
END_TEST

START_TEST(order_with_references)
{
	static const char zeroes[8 * RPCBUF_PAGE_SIZE];
	void *pages = rpcbuf_alloc_pages(mm, 0, 3);

	memset(pages, 0x5a, sizeof(zeroes));
	ck_assert_int_eq(rpcbuf_page_get(mm, pages), 0);
	rpcbuf_free_pages(mm, pages, 3);
	ck_assert_uint_eq(out(), 8);
	rpcbuf_free_pages(mm, pages, 3);
	ck_assert_uint_eq(out(), 0);
	pages = rpcbuf_alloc_pages(mm, RPCBUF_GFP_ZERO, 3);
	ck_assert_int_eq(memcmp(pages, zeroes, sizeof(zeroes)), 0);
	rpcbuf_free_pages(mm, pages, 3);
}
END_TEST

/* Every second page is allocated: single pages are free, but no run of order
 * 1. */
START_TEST(orders_fall_back)
{
	void **all = calloc(NR_PAGES, sizeof(*all)), *pages[20] = {NULL};
	uint8_t orders[20];
	unsigned int i;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, all),
			  NR_PAGES);
	rpcbuf_free_run(mm, 8, all + 64);
	for (i = 200; i < 400; i += 2)
		rpcbuf_free_run(mm, 1, all + i);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_orders(mm, 0, 2, 20, pages, NULL),
			  2);
	ck_assert_uint_eq(rpcbuf_alloc_bulk_orders(mm, 0, 2, 20, pages, orders),
			  20);
	orders[0] = orders[1] = 2;
	for (i = 2; i < 20; i++)
		ck_assert_uint_eq(orders[i], 0);
	rpcbuf_free_bulk_orders(mm, 20, pages, orders);
	for (i = 0; i < 20; i++)
		ck_assert_ptr_null(pages[i]);
	rpcbuf_free_bulk_array(mm, NR_PAGES, all);
	free(all);
}
END_TEST

START_TEST(runs_beyond_the_orders)
{
	static const uint64_t sizes[] = {1,    511,  512,  513,
					 1024, 1500, 2048, 4096};
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	unsigned int i, k;
	char *first;

	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		first = rpcbuf_alloc_contig(mm, RPCBUF_GFP_ZERO, sizes[i]);
		ck_assert_ptr_nonnull(first);
		ck_assert_uint_eq(out(), sizes[i]);
		for (k = 0; k < sizes[i]; k++)
			require(rpcbuf_page_get(mm, first) == 0);
		for (k = 0; k < sizes[i]; k++)
			rpcbuf_free_contig(mm, first, sizes[i]);
		ck_assert_uint_eq(out(), sizes[i]);
		test_is_valid(mm);
		rpcbuf_free_contig(mm, first, sizes[i]);
		ck_assert_uint_eq(out(), 0);
		test_is_valid(mm);
	}
	ck_assert_ptr_null(rpcbuf_alloc_contig(mm, 0, 0));
	ck_assert_ptr_null(rpcbuf_alloc_contig(mm, 0, NR_PAGES + 1));
	ck_assert_ptr_null(rpcbuf_alloc_contig(mm, RPCBUF_GFP_NOLOCK, 513));
	rpcbuf_free_contig(mm, NULL, 7);
	rpcbuf_mm_counts(mm, &counts);
	ck_assert_uint_gt(counts.longest_hold_ns, 0);
	ck_assert_uint_lt(counts.longest_hold_ns, 3600ull * 1000000000);
}
END_TEST

/* One page is in the way: the run is found behind it, or not at all. */
START_TEST(runs_around_a_page)
{
	void **all = calloc(NR_PAGES, sizeof(*all)), *kept;
	char *first;

	ck_assert_uint_eq(rpcbuf_alloc_bulk_array(mm, 0, NR_PAGES, all),
			  NR_PAGES);
	kept = all[1000];
	all[1000] = NULL;
	rpcbuf_free_bulk_array(mm, NR_PAGES, all);
	ck_assert_ptr_null(rpcbuf_alloc_contig(mm, 0, 3073));
	ck_assert_uint_eq(out(), 1);
	first = rpcbuf_alloc_contig(mm, 0, 3072);
	ck_assert_ptr_eq(first, (char *)mm->arena.base + (4 << 20));
	ck_assert_ptr_null(rpcbuf_alloc_contig(mm, 0, 513));
	rpcbuf_free_contig(mm, first, 3072);
	rpcbuf_free_page(mm, kept);
	free(all);
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("bulk_faces");
	TCase *tcase = tcase_create("bulk_faces");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, list_of_any_size);
	tcase_add_test(tcase, list_to_array_fills_holes);
	tcase_add_test(tcase, list_with_shared_pages);
	tcase_add_test(tcase, lists_against_arrays);
	tcase_add_test(tcase, callback_may_refuse);
	tcase_add_test(tcase, callback_on_shortage);
	tcase_add_test(tcase, every_order);
	tcase_add_test(tcase, order_with_references);
	tcase_add_test(tcase, orders_fall_back);
	tcase_add_test(tcase, runs_beyond_the_orders);
	tcase_add_test(tcase, runs_around_a_page);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
