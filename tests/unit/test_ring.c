/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the ring of a page pool returns every page once, each producer's in the
 * order in which it appended them, and never takes more than it has room for.
 * Method: one thread goes round it many times with all sizes; then several
 * producers race with a consumer that checks a serial number per producer.
 */
#include <pthread.h>
#include <sched.h>

#include <rpcbuf/pool/ring.h>

#include "mm_util.h"

#define SIZE	  64u
#define PRODUCERS 3

static struct ring ring;

static void setup(void)
{
	ck_assert_int_eq(ring_init(&ring, SIZE), 0);
}

static void teardown(void)
{
	ring_free(&ring);
}

/* Not pages; the ring does not access them. */
static void *token(uint64_t n)
{
	return (void *)(uintptr_t)(n + 1);
}

START_TEST(round_and_round)
{
	uint64_t seed = test_seed(), in = 0, out = 0;
	void *tokens[2 * SIZE];
	unsigned int round, nr, done, i;

	for (round = 0; round < TEST_ROUNDS(100000); round++) {
		nr = test_below(&seed, 2 * SIZE);
		for (i = 0; i < nr; i++)
			tokens[i] = token(in + i);
		done = ring_push(&ring, tokens, nr);
		require(done ==
			rpcbuf_min(nr, SIZE - (unsigned int)(in - out)));
		in += done;

		nr = test_below(&seed, 2 * SIZE);
		done = ring_pop(&ring, tokens, nr);
		require(done == rpcbuf_min(nr, (unsigned int)(in - out)));
		for (i = 0; i < done; i++)
			require(tokens[i] == token(out++));
	}
	ck_assert_uint_eq(os_load(&ring.tail), in);
	ck_assert_uint_eq(os_load(&ring.head), out);
}
END_TEST

START_TEST(full_and_empty)
{
	void *tokens[SIZE + 1];
	unsigned int i;

	for (i = 0; i <= SIZE; i++)
		tokens[i] = token(i);
	ck_assert_uint_eq(ring_pop(&ring, tokens, 1), 0);
	ck_assert_uint_eq(ring_push(&ring, tokens, 0), 0);
	ck_assert_uint_eq(ring_push(&ring, tokens, SIZE + 1), SIZE);
	ck_assert_uint_eq(ring_push(&ring, tokens, 1), 0);
	ck_assert_uint_eq(ring_pop(&ring, tokens, 1), 1);
	ck_assert_uint_eq(ring_push(&ring, tokens, 2), 1);
	ck_assert_uint_eq(ring_pop(&ring, tokens, SIZE + 1), SIZE);
}
END_TEST

static uint64_t nr_rounds;

static void *produce(void *arg)
{
	uint64_t me = (uintptr_t)arg, serial = 0, seed = me + 1;
	void *tokens[20];
	unsigned int nr, done, i;

	while (serial < nr_rounds) {
		nr = 1 + test_below(&seed, 20);
		for (i = 0; i < nr; i++)
			tokens[i] = token((serial + i) * PRODUCERS + me);
		for (done = 0; done < nr;) {
			i = ring_push(&ring, tokens + done, nr - done);
			done += i;
			if (!i)
				sched_yield();
		}
		serial += nr;
	}
	return (void *)(uintptr_t)serial;
}

static void consume(uint64_t serials[PRODUCERS])
{
	void *tokens[SIZE];
	unsigned int nr, i;

	nr = ring_pop(&ring, tokens, SIZE);
	for (i = 0; i < nr; i++) {
		uint64_t n = (uintptr_t)tokens[i] - 1;

		require(n / PRODUCERS == serials[n % PRODUCERS]);
		serials[n % PRODUCERS]++;
	}
	if (!nr)
		sched_yield();
}

START_TEST(producers_race)
{
	uint64_t serials[PRODUCERS] = {0}, sent;
	pthread_t threads[PRODUCERS];
	unsigned int i;
	void *ret;

	nr_rounds = TEST_ROUNDS(300000);
	for (i = 0; i < PRODUCERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, produce,
						(void *)(uintptr_t)i),
				 0);
	for (i = 0; i < PRODUCERS; i++)
		while (serials[i] < nr_rounds)
			consume(serials);
	for (i = 0; i < PRODUCERS; i++) {
		while (pthread_tryjoin_np(threads[i], &ret))
			consume(serials);
		sent = (uintptr_t)ret;
		while (serials[i] < sent)
			consume(serials);
		ck_assert_uint_eq(serials[i], sent);
	}
	ck_assert_uint_eq(os_load(&ring.head), os_load(&ring.tail));
}
END_TEST

int main(int argc, char **argv)
{
	Suite *suite = suite_create("ring");
	TCase *tcase = tcase_create("ring");

	(void)argc;
	tcase_set_timeout(tcase, 100);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, round_and_round);
	tcase_add_test(tcase, full_and_empty);
	tcase_add_test(tcase, producers_race);
	suite_add_tcase(suite, tcase);
	return test_main(suite, argv);
}
