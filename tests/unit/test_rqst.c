/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a page vector is full when it says so, keeps what was not used, fills
 * only what was, can be a run, and gives all of it back.
 * Method: every slot is looked at after each call.  (Waiting for pages:
 * test_rqst_wait.c.)
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

/* A full vector is left as it is, and costs no bulk call. */
START_TEST(full_vector)
{
	void *before[VECTOR];
	struct rpcbuf_rqst_stats stats, again;

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

/* What is not taken stays, in order; only what was taken is filled again. */
START_TEST(only_consumed_slots)
{
	uint64_t seed = test_seed();

	for (int round = 0; round < TEST_ROUNDS(20000); round++) {
		unsigned int nr = test_below(&seed, VECTOR + 1), i, kept = 0;
		void *taken[VECTOR], *before[VECTOR];
		struct rpcbuf_rqst_stats s, t;

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

/* Taken bit by bit without a fill between: what remains is the end of it. */
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

/* A run is one stretch of memory, used up before another is taken. */
START_TEST(runs)
{
	void *taken[VECTOR];
	void **pages;

	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 1), 0);
	check_full(rqst);
	ck_assert_uint_eq(test_nr_runs(rpcbuf_rqst_pages(rqst), VECTOR), 1);
	pages = rpcbuf_rqst_pages(rqst);
	rpcbuf_rqst_take(rqst, 5, taken);
	ck_assert_ptr_eq(rpcbuf_rqst_pages(rqst), pages + 5);
	/* Enough is left: the run goes on. */
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, VECTOR - 5), 0);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), VECTOR - 5);
	ck_assert(rpcbuf_adjacent(taken[4], rpcbuf_rqst_pages(rqst)[0]));
	/* Too little is left: it goes back for another one. */
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, VECTOR - 4), 0);
	check_full(rqst);
	ck_assert_uint_eq(test_nr_runs(rpcbuf_rqst_pages(rqst), VECTOR), 1);
	ck_assert_uint_eq(out(), VECTOR + 5);
	rpcbuf_free_run(mm, 5, taken);
	rpcbuf_rqst_release(rqst);
	ck_assert_uint_eq(out(), 0);
}
END_TEST

/* No run among pages that are all free but for every other one; and none
 * past others that wait. */
START_TEST(no_run)
{
	struct rpcbuf_waiter waiter = RPCBUF_WAITER_INIT;
	unsigned int i;

	leave(0);
	for (i = 0; i < nr_held; i++)
		if ((uintptr_t)held[i] >> RPCBUF_PAGE_SHIFT & 1)
			rpcbuf_free_bulk_array(mm, 1, held + i);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), -ENOMEM);
	ck_assert_uint_eq(rpcbuf_rqst_populated(rqst), 0);
	ck_assert_ptr_null(rpcbuf_rqst_pages(rqst)[0]);
	rpcbuf_free_bulk_array(mm, nr_held, held);
	rpcbuf_wait_join(mm, &waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), -ENOMEM);
	rpcbuf_wait_leave(&waiter);
	ck_assert_int_eq(rpcbuf_rqst_try_run(rqst, 2), 0);
	check_full(rqst);
}
END_TEST

/* What is there is used as it is: in order, in front, and no page twice. */
START_TEST(make_do)
{
	void *before[VECTOR], *taken[VECTOR];
	unsigned int left = (unsigned int)_i, i;

	/* Of a vector some pages were used, and of these @left come back. */
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
	/* And it goes on from there. */
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
	tcase_add_test(tcase, no_run);
	tcase_add_loop_test(tcase, make_do, 0, VECTOR / 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
