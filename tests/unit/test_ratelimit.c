/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a number of lines a second and no more, on any threads, and each
 * suppressed line is counted once.
 * Method: the test sets the times; then threads share one limit.
 */
#include <pthread.h>

#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/ratelimit.h>

#include "wire_util.h"

#define THREADS 4
#define LINES	1000u

static struct ratelimit limit;
static unsigned int left_out;

static void setup(void)
{
	limit = (struct ratelimit)RATELIMIT_INIT;
}

/* Number of @nr lines that may be written at @now_ns. */
static unsigned int written(unsigned int nr, uint64_t now_ns)
{
	unsigned int ok = 0;

	while (nr--)
		ok += ratelimit_ok(&limit, now_ns, &left_out);
	return ok;
}

START_TEST(windows)
{
	const uint64_t begin = 3 * RATELIMIT_WINDOW_NS;

	ck_assert_uint_eq(written(RATELIMIT_LINES, begin), RATELIMIT_LINES);
	ck_assert_uint_eq(written(5, begin), 0);
	ck_assert_uint_eq(written(1, begin + RATELIMIT_WINDOW_NS - 1), 0);
	ck_assert_uint_eq(written(1, begin - 1), 0);
	ck_assert_uint_eq(left_out, 0);
	ck_assert_uint_eq(written(1, begin + RATELIMIT_WINDOW_NS), 1);
	ck_assert_uint_eq(left_out, 7);
	ck_assert_uint_eq(written(1, begin + RATELIMIT_WINDOW_NS), 1);
	ck_assert_uint_eq(left_out, 0);
	ck_assert_uint_eq(written(20, begin + 2 * RATELIMIT_WINDOW_NS),
			  RATELIMIT_LINES);
}
END_TEST

static struct os_u32 all_written, all_left_out;

static void *write_lines(void *arg)
{
	unsigned int left;

	(void)arg;
	for (unsigned int i = 0; i < LINES; i++) {
		if (ratelimit_ok(&limit, (i / 100 + 1) * RATELIMIT_WINDOW_NS,
				 &left))
			os_fetch_add(&all_written, 1);
		os_fetch_add(&all_left_out, left);
	}
	return NULL;
}

START_TEST(threads)
{
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert(!pthread_create(&thread[i], NULL, write_lines, NULL));
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	ck_assert_uint_ge(os_load(&all_written), LINES / 100 * RATELIMIT_LINES);
	/* A later time than all others: the count still to be reported. */
	ck_assert(ratelimit_ok(&limit, LINES * RATELIMIT_WINDOW_NS, &left_out));
	ck_assert_uint_eq(os_load(&all_written) + os_load(&all_left_out) +
				  left_out,
			  THREADS * LINES);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("ratelimit");
	TCase *tcase = tcase_create("ratelimit");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, windows);
	tcase_add_test(tcase, threads);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
