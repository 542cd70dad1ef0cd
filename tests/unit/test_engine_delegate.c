/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: where the calls of a connection block, or are long enough that their
 * loop is taken over, they run in parallel, within the limit of threads;
 * otherwise the receiving thread runs them.
 * Method: a single loop.  A connection shows how its calls behave, then several
 * of them wait at a gate, and the test waits for all to arrive.
 */
#include "engine_util.h"

#define CALLS 12u

static struct peer peer;

static void start(uint32_t long_call_us, uint32_t handover_us,
		  unsigned int max_threads)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = 1;
	o.long_call_us = long_call_us;
	o.handover_us = handover_us;
	o.max_threads = max_threads;
	server_start(16 << 20, &o);
	peer_open(&peer);
}

/* The monitor does not act. */
#define NEVER (GUARD_S * 1000000u)

static void stop(void)
{
	peer_hang_up(&peer);
	set_gate(true);
	server_stop();
	peer_free(&peer);
}

/* One call at a time, each of which blocks for 4 ms. */
static void show_sleep(void)
{
	for (uint32_t n = 0; n < 40; n++) {
		send_call(&peer, XID(SLOW, SMALL, n << 8 | 200));
		receive_replies(&peer, n << 8 | 200, 1);
	}
}

static void send_to_gate(void)
{
	for (uint32_t n = 0; n < CALLS; n++)
		send_call(&peer, XID(BLOCK, SMALL, n));
}

static void open_gate(void)
{
	set_gate(true);
	receive_replies(&peer, 0, CALLS);
}

START_TEST(side_by_side)
{
	start(40, NEVER, 256);
	show_sleep();
	send_to_gate();
	eventually(seen(server.blocked) == CALLS);
	ck_assert_uint_eq(stats().handovers, 0);
	ck_assert_uint_ge(stats().delegated, CALLS);
	open_gate();
	stop();
}
END_TEST

/* Without a free thread, the owner runs the call and the rest waits.  The
 * monitor acts, as a thread may become idle a moment later. */
START_TEST(bounded)
{
	start(40, 500, 4);
	show_sleep();
	send_to_gate();
	eventually(seen(server.blocked) == 4);
	ck_assert_uint_eq(seen(peer.calls), 40 + 4);
	ck_assert_uint_eq(stats().threads, 4);
	open_gate();
	stop();
}
END_TEST

START_TEST(switched_off)
{
	start(0, NEVER, 256);
	show_sleep();
	send_to_gate();
	eventually(seen(server.blocked) == 1);
	open_gate();
	ck_assert_uint_eq(stats().delegated, 0);
	stop();
}
END_TEST

/* What the monitor sees is learned too. */
START_TEST(learned_from_hand_over)
{
	start(40, 100, 256);
	show_sleep();
	ck_assert_uint_ge(stats().delegated, 1);
	stop();
}
END_TEST

/* Calls that became short run on the receiving thread. */
START_TEST(unlearned)
{
	uint64_t before;

	start(40, NEVER, 256);
	show_sleep();
	for (uint32_t n = 0; n < 1000; n++) {
		send_call(&peer, XID(ECHO, SMALL, n));
		receive_replies(&peer, n, 1);
	}
	before = stats().delegated;
	for (uint32_t n = 0; n < 200; n++) {
		send_call(&peer, XID(ECHO, SMALL, n));
		receive_replies(&peer, n, 1);
	}
	ck_assert_uint_lt(stats().delegated - before, 200);
	stop();
}
END_TEST

/* The peer closes while other threads run its calls. */
START_TEST(hung_up)
{
	start(40, NEVER, 256);
	show_sleep();
	send_to_gate();
	eventually(seen(server.blocked) == CALLS);
	if (_i)
		rpcbuf_conn_drop(peer.conn);
	peer_hang_up(&peer);
	set_gate(true);
	eventually(seen(peer.closed) == 1);
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_delegate");
	TCase *tcase = tcase_create("delegate");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, side_by_side);
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, switched_off);
	tcase_add_test(tcase, learned_from_hand_over);
	tcase_add_test(tcase, unlearned);
	tcase_add_loop_test(tcase, hung_up, 0, 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
