/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: long records are received a few at a time and lie in adjacent pages.
 * Waiting connections are admitted in turn, also behind peers that stop in the
 * middle, and end like others. Pages that wait for bytes delay no other
 * connection.
 * Method: one loop that admits one long record at a time, peers that send
 * halves of records and finish them late or never, and others that send whole
 * ones. The handler checks how the pages of each long call lie.
 */
#include <rpcbuf/budget.h>

#include "engine_util.h"

#define PEERS	  30
#define RECORD	  65u /* pages of a call of the largest size */
#define LONG_CALL (128u << 10)

static struct peer peers[PEERS];
static unsigned int scattered, long_calls;

/* A first page for the header, and a run. */
static void look_and_answer(struct rpcbuf_call *call)
{
	if (call->message.length > LONG_CALL) {
		count(long_calls);
		if (call->message.nr_runs > 2)
			count(scattered);
	}
	on_call(call);
}

static void start(uint64_t max_receiving, uint64_t max_partial)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers looking = handlers;

	looking.call = look_and_answer;
	o.receivers = 1;
	o.max_receiving = max_receiving;
	o.max_partial = max_partial;
	server_start_with(64 << 20, &o, &looking);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
}

static void finish(void)
{
	server_stop();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
	ck_assert_uint_eq(seen(scattered), 0);
}

/* The first or the second half of a call of the largest size. */
static void send_half(struct peer *peer, int half)
{
	size_t len;
	uint8_t *record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);

	must(send_bytes(peer, record + (half ? len / 2 : 0), len / 2));
	free(record);
}

/* A record's pages are allocated when it is admitted, not before. */
static uint32_t let_in(void)
{
	return (uint32_t)stats().held_pages / RECORD;
}

/* Peers that stop in the middle of a record, one or many: others proceed, and
 * the stopped ones are answered too when the rest comes. */
START_TEST(stopped_peers)
{
	unsigned int nr_slow = _i ? PEERS - 5 : 1, rounds = 5;

	start(1, 0);
	send_half(&peers[0], 0);
	eventually(let_in() == 1);
	/* Now none is admitted before that one counts as stopped. */
	for (unsigned int i = 1; i < nr_slow; i++)
		send_half(&peers[i], 0);
	for (unsigned int round = 0; round < rounds; round++) {
		for (int i = (int)nr_slow; i < PEERS; i++)
			must(send_call(
				&peers[i],
				XID(ECHO, round % 3 ? LONGEST : SMALL, round)));
		for (int i = (int)nr_slow; i < PEERS; i++)
			receive_replies(&peers[i], round, 1);
	}
	ck_assert_uint_gt(stats().parked_long, 0);
	eventually(let_in() == nr_slow);
	for (unsigned int i = 0; i < nr_slow; i++)
		send_half(&peers[i], 1);
	for (unsigned int i = 0; i < nr_slow; i++)
		receive_replies(&peers[i], 0, 1);
	eventually(stats().held_pages == 0);
	ck_assert_uint_eq(seen(long_calls),
			  nr_slow + (PEERS - nr_slow) * (rounds - 2));
	finish();
}
END_TEST

static void *call_long(void *arg)
{
	struct peer *peer = arg;

	for (uint32_t i = 0; i < TEST_ROUNDS(40); i += 4) {
		for (uint32_t n = 0; n < 4; n++)
			must(send_call(peer, XID(ECHO, n == 1 ? SMALL : LONGEST,
						 i + n)));
		receive_replies(peer, i, 4);
	}
	return NULL;
}

/* All at the same time, one record at a time, some, or as they come. */
START_TEST(all_at_once)
{
	static const uint64_t limits[] = {1, 1 << 20, 0};
	pthread_t threads[PEERS];

	start(limits[_i], 0);
	for (int i = 0; i < PEERS; i++)
		must(!pthread_create(&threads[i], NULL, call_long, &peers[i]));
	for (int i = 0; i < PEERS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(stats().records_refused, 0);
	if (!limits[_i])
		ck_assert_uint_eq(stats().parked_long, 0);
	eventually(stats().held_pages == 0);
	finish();
}
END_TEST

/* A connection that waits at the gate, or was admitted, ends like others; and
 * so does the engine. */
START_TEST(ends)
{
	start(1, 0);
	for (int i = 0; i < PEERS; i++)
		send_half(&peers[i], 0);
	for (int i = 0; i < PEERS; i += 3) {
		rpcbuf_conn_drop(peers[i].conn);
		peer_hang_up(&peers[i + 1]);
	}
	for (int i = 0; i < PEERS; i += 3) {
		expect_closed(&peers[i], RPCBUF_CLOSE_DROPPED);
		expect_closed(&peers[i + 1], RPCBUF_CLOSE_EOF);
		if (i < PEERS / 2) {
			send_half(&peers[i + 2], 1);
			receive_replies(&peers[i + 2], 0, 1);
		}
	}
	finish();
	for (int i = 2; i < PEERS; i += 3)
		ck_assert_int_eq(peers[i].reason, RPCBUF_CLOSE_STOP);
}
END_TEST

/*
 * Marks that claim much and bring a few bytes get pages for the rest, up to
 * half of the limit for partial records, so that others can proceed; these
 * pages are released when memory is short.
 */
START_TEST(claims)
{
	const unsigned int limit = 400;
	static uint8_t bytes[104] = {0x80, 4, 0, 0}; /* MAX_CALL */

	start(0, (uint64_t)limit << RPCBUF_PAGE_SHIFT);
	for (int i = 1; i < PEERS; i++)
		must(send_bytes(&peers[i], bytes, 100));
	eventually(stats().held_pages == PEERS - 1);
	for (int i = 1; i < PEERS; i++)
		must(send_bytes(&peers[i], bytes, 4));
	eventually(stats().held_pages > limit / 2 - RECORD - 1);
	for (uint32_t round = 0; round < 10; round++) {
		must(send_call(&peers[0], XID(ECHO, round % 4, round)));
		receive_replies(&peers[0], round, 1);
		ck_assert_uint_le(stats().held_pages,
				  limit / 2 + RECORD + PEERS);
	}
	rpcbuf_reclaim(server.mm, UINT64_MAX);
	/* The received bytes may lie in two pages now. */
	eventually(stats().held_pages <= 2 * PEERS);
	must(send_call(&peers[0], XID(ECHO, SMALL, 0)));
	receive_replies(&peers[0], 0, 1);
	__atomic_store_n(&scattered, 0, __ATOMIC_RELEASE);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_long");
	TCase *tcase = tcase_create("long");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, stopped_peers, 0, 2);
	tcase_add_loop_test(tcase, all_at_once, 0, 3);
	tcase_add_test(tcase, ends);
	tcase_add_test(tcase, claims);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
