/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a record at the least rate or faster never lags by much. One that is
 * slower or stops reaches the limit in the time that follows from its rate.
 * Earlier speed is no credit, and time in which the server cannot receive does
 * not count.
 * Method: a clock of the test's own, which it advances as a link, a loop and
 * the system would.
 */
#include "rpcbuf/engine/lag.h"
#include "wire_util.h"

#define RATE   1024u
#define LIMIT  (60 * OS_SECOND_NS)

static struct lag lag;
static uint64_t now;

static void setup(void)
{
	lag = (struct lag){0};
	now = 7 * OS_SECOND_NS;
}

/* Waits for the peer, with a check every second, until @ns have passed. */
static void await(uint64_t ns)
{
	lag_await(&lag, now);
	for (; ns > OS_SECOND_NS; ns -= OS_SECOND_NS) {
		now += OS_SECOND_NS;
		lag_update(&lag, now);
	}
	now += ns;
	lag_pause(&lag, now);
}

/* Time until the limit when @bytes come every @gap; 0: not within a day. */
static uint64_t lasts(uint64_t bytes, uint64_t gap, uint32_t rate)
{
	uint64_t begin = now;

	while (now < begin + 24 * 3600 * OS_SECOND_NS) {
		await(gap);
		if (lag.ns >= LIMIT)
			return now - begin;
		lag_receive(&lag, bytes, rate);
	}
	return 0;
}

START_TEST(silence)
{
	await(LIMIT - 1);
	ck_assert_uint_eq(lag.ns, LIMIT - 1);
	await(1);
	ck_assert_uint_eq(lag.ns, LIMIT);
	lag_begin(&lag);
	ck_assert_uint_eq(lag.ns, 0);
}
END_TEST

/* Exactly at the least rate, in any portions, or one byte a second below it. */
START_TEST(rates)
{
	static const uint64_t gaps[] = {1, 3, 50}; /* seconds */
	uint64_t gap = gaps[_i] * OS_SECOND_NS, took;

	ck_assert_uint_eq(lasts(gaps[_i] * RATE, gap, RATE), 0);
	ck_assert_uint_le(lag.ns, gap);
	setup();
	ck_assert_uint_eq(lasts(1 << 20, gap, RATE), 0);
	/* A byte a second too slow. */
	setup();
	ck_assert_uint_ge(lasts(gaps[_i] * (RATE - 1), gap, RATE),
			  (LIMIT - gap) * RATE);
	ck_assert_uint_ge(lag.ns, LIMIT);
	/* Half the rate takes twice the time. */
	setup();
	took = lasts(gaps[_i] * RATE / 2, gap, RATE);
	ck_assert_uint_le(took, 2 * LIMIT);
	ck_assert_uint_ge(took, 2 * LIMIT - 2 * gap);
	/* A byte now and then is no rate. */
	setup();
	ck_assert_uint_le(lasts(1, gap, RATE), LIMIT + gap);
	ck_assert_uint_ge(lag.ns, LIMIT);
}
END_TEST

/* With no least rate a byte is enough, and without one nothing is. */
START_TEST(no_rate)
{
	ck_assert_uint_eq(lasts(1, LIMIT - 1, 0), 0);
	setup();
	ck_assert_uint_eq(lasts(1, LIMIT, 0), LIMIT);
}
END_TEST

/* Early bytes give no credit. */
START_TEST(no_credit)
{
	await(OS_SECOND_NS);
	lag_receive(&lag, UINT64_C(4) << 20, RATE);
	ck_assert_uint_eq(lag.ns, 0);
	await(LIMIT);
	ck_assert_uint_eq(lag.ns, LIMIT);
}
END_TEST

/* A process that was stopped cannot have received: one check period counts at
 * most. */
START_TEST(stood_still)
{
	lag_await(&lag, now);
	now += 1000 * OS_SECOND_NS;
	lag_update(&lag, now);
	ck_assert_uint_eq(lag.ns, LAG_SCAN_NS);
	now += 1000 * OS_SECOND_NS;
	lag_pause(&lag, now);
	ck_assert_uint_eq(lag.ns, 2 * LAG_SCAN_NS);
}
END_TEST

/* Time without reading does not count; an earlier clock value does no harm. */
START_TEST(not_awaited)
{
	await(OS_SECOND_NS);
	now += 1000 * OS_SECOND_NS;
	lag_update(&lag, now);
	lag_pause(&lag, now);
	ck_assert(!lag_awaits(&lag));
	ck_assert_uint_eq(lag.ns, OS_SECOND_NS);
	lag_await(&lag, now);
	ck_assert(lag_awaits(&lag));
	lag_update(&lag, now - 1);
	ck_assert_uint_eq(lag.ns, OS_SECOND_NS);
	lag_update(&lag, now + 1);
	ck_assert_uint_eq(lag.ns, OS_SECOND_NS + 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("lag");
	TCase *tcase = tcase_create("lag");

	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_test(tcase, silence);
	tcase_add_loop_test(tcase, rates, 0, 3);
	tcase_add_test(tcase, no_rate);
	tcase_add_test(tcase, no_credit);
	tcase_add_test(tcase, stood_still);
	tcase_add_test(tcase, not_awaited);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
