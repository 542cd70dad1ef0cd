/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page vector is full when it says so, keeps unused pages, fills only
 * used slots, has a run where one is requested, and releases all of it.
 * Method: every slot is checked after each call; a server's mix of calls, a few
 * of which keep their pages for long. (Waiting for pages: test_rqst_wait.c.)
 */
#include "rqst_util.h"

START_TEST(create)
{
	struct rpcbuf_rqst *r = (void *)&r, *untouched = r;

	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, 0), -EINVAL);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL,
					    RPCBUF_RQST_MAXPAGES_MAX + 1),
			 -EINVAL);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, UINT32_MAX), -EINVAL);
	ck_assert_ptr_eq(r, untouched);
	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL,
					    RPCBUF_RQST_MAXPAGES_MAX),
			 0);
	ck_assert_uint_eq(rpcbuf_rqst_maxpages(r), RPCBUF_RQST_MAXPAGES_MAX);
	ck_assert_uint_eq(rpcbuf_rqst_populated(r), 0);
	ck_assert_ptr_null(rpcbuf_rqst_pages(r)[0]);
	ck_assert_uint_eq(out(), 0);
	rpcbuf_rqst_destroy(r);
	rpcbuf_rqst_destroy(NULL);
}
END_TEST

START_TEST(smallest_vector)
{
	struct rpcbuf_rqst *r;
	void *page;

	ck_assert_int_eq(rpcbuf_rqst_create(&r, mm, NULL, 1), 0);
	ck_assert_int_eq(rpcbuf_rqst_fill(r), 0);
	check_full(r);
	rpcbuf_rqst_take(r, 1, &page);
	ck_assert_ptr_null(rpcbuf_rqst_pages(r)[0]);
	ck_assert_int_eq(rpcbuf_rqst_fill(r), 0);
	check_full(r);
	ck_assert_ptr_ne(page, rpcbuf_rqst_pages(r)[0]);
	rpcbuf_free_page(mm, page);
	rpcbuf_rqst_destroy(r);
}
END_TEST

/* A full vector is unchanged, and costs no bulk call. */
START_TEST(full_vector)
{
	void *before[VECTOR];
	struct rpcbuf_rqst_stats stats = RPCBUF_RQST_STATS_INIT, again = RPCBUF_RQST_STATS_INIT;

	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	check_full(rqst);
	memcpy(before, rpcbuf_rqst_pages(rqst), sizeof(before));
	rpcbuf_rqst_stats(rqst, &stats);
	ck_assert_uint_eq(stats.pages_filled, VECTOR);
	ck_assert_uint_eq(stats.fills, 1);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	rpcbuf_rqst_stats(rqst, &again);
	ck_assert_int_eq(memcmp(&stats, &again, sizeof(stats)), 0);
	ck_assert_int_eq(memcmp(before, rpcbuf_rqst_pages(rqst),
				sizeof(before)),
			 0);
	ck_assert_uint_eq(out(), VECTOR);
	rpcbuf_rqst_release(rqst);
	ck_assert_uint_eq(out(), 0);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), 0);
}
END_TEST

/* Pages that are not taken stay, in order; only taken slots are filled
 * again. */
START_TEST(only_consumed_slots)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < TEST_ROUNDS(20000); round++) {
		unsigned int nr = test_below(&seed, VECTOR + 1), i, kept = 0;
		void *taken[VECTOR], *before[VECTOR];
		struct rpcbuf_rqst_stats s = RPCBUF_RQST_STATS_INIT, t = RPCBUF_RQST_STATS_INIT;

		require(rpcbuf_rqst_fill(rqst) == 0);
		memcpy(before, rpcbuf_rqst_pages(rqst), sizeof(before));
		rpcbuf_rqst_take(rqst, nr, taken);
		require(memcmp(taken, before, nr * sizeof(void *)) == 0);
		require(rpcbuf_rqst_populated(rqst) == VECTOR - nr);
		require(memcmp(rpcbuf_rqst_pages(rqst), before + nr,
			       (VECTOR - nr) * sizeof(void *)) == 0);
		require(rpcbuf_rqst_pages(rqst)[VECTOR - nr] == NULL);
		rpcbuf_rqst_stats(rqst, &s);
		require(rpcbuf_rqst_fill(rqst) == 0);
		rpcbuf_rqst_stats(rqst, &t);
		require(t.pages_filled - s.pages_filled == nr);
		for (i = 0; i < VECTOR; i++)
			if (kept < VECTOR - nr && rpcbuf_rqst_pages(rqst)[i] ==
							  before[nr + kept])
				kept++;
		require(kept == VECTOR - nr);
		rpcbuf_free_bulk_array(mm, nr, taken);
	}
	check_full(rqst);
	ck_assert_uint_eq(out(), VECTOR);
}
END_TEST

/* Taken in parts without a fill between: the end of it remains. */
START_TEST(take_in_steps)
{
	void *all[VECTOR], *taken[VECTOR];
	unsigned int step, at;

	for (step = 1; step <= VECTOR; step++) {
		ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
		memcpy(all, rpcbuf_rqst_pages(rqst), sizeof(all));
		for (at = 0; at + step <= VECTOR; at += step)
			rpcbuf_rqst_take(rqst, step, taken + at);
		ck_assert_int_eq(memcmp(all, taken, at * sizeof(void *)), 0);
		ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), VECTOR - at);
		rpcbuf_free_bulk_array(mm, at, taken);
	}
}
END_TEST

static void want(unsigned int run)
{
	rpcbuf_rqst_want(rqst, run);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
}

static void check_run(unsigned int nr)
{
	ck_assert(rpcbuf_rqst_is_run(rqst));
	check_populated(rqst, nr);
	ck_assert_uint_eq(test_nr_runs(rpcbuf_rqst_pages(rqst), nr), 1);
}

static struct rpcbuf_rqst_stats stats_now(void)
{
	struct rpcbuf_rqst_stats stats = RPCBUF_RQST_STATS_INIT;

	rpcbuf_rqst_stats(rqst, &stats);
	return stats;
}

/* A run is adjacent memory, used up before another is allocated. */
START_TEST(runs)
{
	void *taken[VECTOR];
	void **pages;

	want(1);
	check_run(VECTOR);
	pages = rpcbuf_rqst_pages(rqst);
	rpcbuf_rqst_take(rqst, 5, taken);
	ck_assert_ptr_eq(rpcbuf_rqst_pages(rqst), pages + 5);
	/* Enough is left: the vector continues with the run. */
	want(VECTOR - 5);
	check_run(VECTOR - 5);
	ck_assert(rpcbuf_adjacent(taken[4], rpcbuf_rqst_pages(rqst)[0]));
	ck_assert_uint_eq(stats_now().runs, 1);
	ck_assert_uint_eq(stats_now().fills, 1);
	/* Too little is left: it is exchanged for another run. */
	want(VECTOR - 4);
	check_run(VECTOR);
	ck_assert_uint_eq(out(), VECTOR + 5);
	ck_assert_uint_eq(stats_now().runs, 2);
	ck_assert_uint_eq(stats_now().pages_filled, 2 * VECTOR);
	rpcbuf_free_run(mm, 5, taken);
	rpcbuf_rqst_release(rqst);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

/* A vector that requests no run gets other pages, and the run follows behind
 * them. */
START_TEST(runs_are_kept_apart)
{
	void *taken[VECTOR], *few[VECTOR] = {NULL};
	const void *next;
	unsigned int left, i;

	want(3);
	rpcbuf_rqst_take(rqst, 3, taken);
	next = rpcbuf_rqst_pages(rqst)[0];
	for (i = 0; i < VECTOR; i++) {
		want(0);
		ck_assert(!rpcbuf_rqst_is_run(rqst));
		check_full(rqst);
		rpcbuf_rqst_take(rqst, 1, few + i);
		ck_assert_ptr_eq(rpcbuf_rqst_run_left(rqst, &left), next);
		ck_assert_uint_eq(left, VECTOR - 3);
		ck_assert_uint_eq(rpcbuf_rqst_nr_pages(rqst), 2 * VECTOR - 4);
	}
	ck_assert_uint_eq(stats_now().runs, 1);
	want(3);
	check_run(VECTOR - 3);
	ck_assert_ptr_eq(rpcbuf_rqst_pages(rqst)[0], next);
	rpcbuf_rqst_end_run(rqst);
	ck_assert(!rpcbuf_rqst_is_run(rqst));
	ck_assert_ptr_null(rpcbuf_rqst_run_left(rqst, &left));
	ck_assert_uint_eq(left, 0);
	ck_assert_uint_eq(rpcbuf_rqst_nr_pages(rqst), VECTOR - 1);
	check_populated(rqst, VECTOR - 1);
	rpcbuf_free_bulk_array(mm, VECTOR, few);
	rpcbuf_free_run(mm, 3, taken);
}
END_TEST

/* In scattered memory a run is as short as allowed, and none is longer than
 * what is free. */
START_TEST(scattered)
{
	unsigned int longest = (unsigned int)_i, i;

	leave(0);
	for (i = 0; i < nr_held; i++)
		if (((uintptr_t)held[i] >> RPCBUF_PAGE_SHIFT) % 32 < longest)
			rpcbuf_free_run(mm, 1, held + i);
	want(longest);
	check_run(longest);
	want(longest + 1);
	ck_assert(!rpcbuf_rqst_is_run(rqst));
	check_full(rqst);
	ck_assert_uint_eq(stats_now().runs, 1);
	ck_assert_uint_eq(stats_now().no_runs, 1);
	want(VECTOR + 1);
	ck_assert(!rpcbuf_rqst_is_run(rqst));
	check_full(rqst);
}
END_TEST

/* No vector takes a run past waiters. The rest of a run is released before its
 * owner waits, and may be enough. */
START_TEST(runs_and_shortage)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	void *taken[VECTOR];

	want(2);
	leave(0);
	want(0);
	ck_assert(!rpcbuf_rqst_is_run(rqst));
	check_full(rqst);
	ck_assert_uint_eq(rpcbuf_rqst_nr_pages(rqst), VECTOR);
	rpcbuf_rqst_take(rqst, 4, taken);
	rpcbuf_rqst_want(rqst, 2);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_int_eq(rpcbuf_rqst_make_do(rqst, VECTOR - 4), 0);
	ck_assert(!rpcbuf_rqst_is_run(rqst));
	rpcbuf_free_run(mm, 4, taken);
	rpcbuf_free_bulk_array(mm, nr_held, held);
	rpcbuf_rqst_release(rqst);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_uint_eq(out(), 0);
	rpcbuf_wait_leave(&waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), 0);
	check_full(rqst);
}
END_TEST

#define AGED_PAGES 65536u
#define AGED_CALLS 200u
#define AGED_KEPT  655u
#define LONG_CALL  257u

static struct {
	unsigned int nr;
	void *pages[LONG_CALL];
} calls[AGED_CALLS];

static void end_call(unsigned int k)
{
	if (calls[k].nr == LONG_CALL)
		rpcbuf_free_run(mm, calls[k].nr, calls[k].pages);
	else
		rpcbuf_free_bulk_array(mm, calls[k].nr, calls[k].pages);
	calls[k].nr = 0;
}

static void begin_call(struct rpcbuf_rqst *r, unsigned int k, unsigned int nr)
{
	rpcbuf_rqst_want(r, nr == LONG_CALL ? nr : 0);
	require(rpcbuf_rqst_fill(r) == 0);
	require(rpcbuf_rqst_is_run(r) == (nr == LONG_CALL));
	rpcbuf_rqst_take(r, nr, calls[k].pages);
	calls[k].nr = nr;
}

/* Small calls use up vectors page by page, and keep some pages a hundred times
 * as long as the others; long calls always find a run. */
START_TEST(nibbled)
{
	static void *kept[AGED_KEPT];
	struct rpcbuf_rqst *vectors[8];
	uint64_t seed = test_seed();
	unsigned int i, k, nr;

	rpcbuf_rqst_destroy(rqst);
	test_destroy(mm);
	mm = test_create(AGED_PAGES);
	for (i = 0; i < 8; i++)
		ck_assert_int_eq(rpcbuf_rqst_create(&vectors[i], mm, NULL, 259),
				 0);
	for (i = 0; i < TEST_ROUNDS(100000); i++) {
		k = test_below(&seed, AGED_CALLS);
		end_call(k);
		nr = test_below(&seed, 10) < 8 ? 1 + test_below(&seed, 2)
					       : LONG_CALL;
		begin_call(vectors[test_below(&seed, 8)], k, nr);
		if (nr == LONG_CALL || i % 50)
			continue;
		nr = test_below(&seed, AGED_KEPT);
		rpcbuf_free_page(mm, kept[nr]);
		kept[nr] = calls[k].pages[0];
		calls[k].pages[0] = NULL;
	}
	for (k = 0; k < AGED_CALLS; k++)
		end_call(k);
	for (i = 0; i < 8; i++)
		rpcbuf_rqst_destroy(vectors[i]);
	/* They would fit in two blocks; an eighth of the 128 may have one. */
	ck_assert_uint_le(test_nr_blocks(mm, kept, AGED_KEPT), 16);
	rpcbuf_free_bulk_array(mm, AGED_KEPT, kept);
	ck_assert_int_eq(rpcbuf_rqst_create(&rqst, mm, NULL, VECTOR), 0);
}
END_TEST

/* Existing pages are used as they are: in order, from the front, and none
 * twice. */
START_TEST(make_do)
{
	void *before[VECTOR], *taken[VECTOR];
	unsigned int left = (unsigned int)_i, i;

	/* Some pages of a vector were used, and @left of these are returned. */
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	rpcbuf_rqst_take(rqst, VECTOR / 2, taken);
	memcpy(before, rpcbuf_rqst_pages(rqst), VECTOR / 2 * sizeof(void *));
	leave(left);
	ck_assert_int_eq(rpcbuf_rqst_try_fill(rqst), -EAGAIN);
	ck_assert_int_eq(rpcbuf_rqst_make_do(rqst, VECTOR / 2 + left + 1),
			 -EAGAIN);
	ck_assert(rpcbuf_wait_pending(mm));
	ck_assert_int_eq(rpcbuf_rqst_make_do(rqst, VECTOR / 2 + left), 0);
	ck_assert(!rpcbuf_wait_pending(mm));
	check_populated(rqst, VECTOR / 2 + left);
	for (i = 0; i < VECTOR / 2; i++)
		ck_assert_ptr_eq(rpcbuf_rqst_pages(rqst)[left + i], before[i]);
	/* And it continues from there. */
	rpcbuf_free_bulk_array(mm, VECTOR / 2, taken);
	ck_assert_int_eq(rpcbuf_rqst_fill(rqst), 0);
	check_full(rqst);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rqst");
	TCase *tcase = tcase_create("vector");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, create);
	tcase_add_test(tcase, smallest_vector);
	tcase_add_test(tcase, full_vector);
	tcase_add_test(tcase, only_consumed_slots);
	tcase_add_test(tcase, take_in_steps);
	tcase_add_test(tcase, runs);
	tcase_add_test(tcase, runs_are_kept_apart);
	tcase_add_loop_test(tcase, scattered, 2, 31);
	tcase_add_test(tcase, runs_and_shortage);
	tcase_add_test(tcase, nibbled);
	tcase_add_loop_test(tcase, make_do, 0, VECTOR / 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
