/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a stop answers what was received, closes every connection once, ends
 * every thread, leaves no page out, and reports a call that still runs.
 * Method: the engine is stopped with calls in every state: waiting in sockets,
 * running, put aside by the handler, half received, never to be read by their
 * peer; and under traffic.
 */
#include "engine_util.h"

#define PEERS 20

static struct peer peers[PEERS];

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	server_start(16 << 20, &o);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
}

/* Two threads for calls, one loop. */
static void setup_few_threads(void)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = 1;
	o.max_threads = 2;
	server_start(16 << 20, &o);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
}

static void teardown(void)
{
	server_gone();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}

static void *stop_patiently(void *arg)
{
	(void)arg;
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	return NULL;
}

/* Begins a stop; after the return nothing new is adopted. */
static pthread_t begin_stop(void)
{
	struct rpcbuf_conn *conn;
	pthread_t thread;

	must(pthread_create(&thread, NULL, stop_patiently, NULL) == 0);
	eventually(rpcbuf_engine_adopt(server.engine, -1, NULL, false, &conn) ==
		   -ESHUTDOWN);
	return thread;
}

START_TEST(nothing_to_do)
{
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	for (int i = 0; i < PEERS; i++) {
		expect_end(&peers[i]);
		expect_closed(&peers[i], RPCBUF_CLOSE_STOP);
	}
	/* A second stop changes nothing. */
	must(rpcbuf_engine_stop(server.engine, 0) == 0);
}
END_TEST

/* Calls that run when the stop comes, and calls received behind them. */
START_TEST(running_calls)
{
	pthread_t thread;
	int i;

	for (i = 0; i < PEERS; i++) {
		send_call(&peers[i], XID(BLOCK, MEDIUM, 0));
		send_call(&peers[i], XID(BLOCK, SMALL, 1));
	}
	eventually(seen(server.blocked) == 2 * PEERS);
	thread = begin_stop();
	ck_assert_uint_eq(seen(server.closed), 0);
	set_gate(true);
	for (i = 0; i < PEERS; i++) {
		receive_replies(&peers[i], 0, 2);
		expect_end(&peers[i]);
		expect_closed(&peers[i], RPCBUF_CLOSE_STOP);
	}
	pthread_join(thread, NULL);
}
END_TEST

/* Calls in sockets of quiet connections: no thread had the time to read them
 * before the stop. */
START_TEST(unread_calls)
{
	pthread_t thread;
	int i;

	for (i = 0; i < PEERS; i++)
		check_alive(&peers[i]);
	for (i = 0; i < 2; i++) {
		send_call(&peers[i], XID(BLOCK, SMALL, 0));
		eventually(seen(server.blocked) == (unsigned int)i + 1);
	}
	for (i = 2; i < PEERS; i++) {
		send_call(&peers[i], XID(ECHO, SMALL, 0));
		send_call(&peers[i], XID(ECHO, MEDIUM, 1));
	}
	thread = begin_stop();
	set_gate(true);
	for (i = 0; i < PEERS; i++) {
		receive_replies(&peers[i], 0, i < 2 ? 1 : 2);
		expect_end(&peers[i]);
		expect_closed(&peers[i], RPCBUF_CLOSE_STOP);
	}
	pthread_join(thread, NULL);
}
END_TEST

/* Calls that the handler put aside: the connection waits for their end. */
START_TEST(late_calls)
{
	pthread_t thread;
	int i;

	for (i = 0; i < PEERS; i++)
		send_call(&peers[i], XID(LATER, MEDIUM, 0));
	eventually(nr_later() == PEERS);
	thread = begin_stop();
	ck_assert_uint_eq(answer_later(), PEERS);
	for (i = 0; i < PEERS; i++) {
		receive_replies(&peers[i], 0, 1);
		expect_end(&peers[i]);
	}
	pthread_join(thread, NULL);
}
END_TEST

/* A call that is not done in time keeps the engine from being destroyed; it may
 * still be answered after its connection was closed. */
START_TEST(calls_that_take_too_long)
{
	send_call(&peers[0], XID(_i ? BLOCK : LATER, SMALL, 0));
	if (_i)
		eventually(seen(server.blocked) == 1);
	else
		eventually(nr_later() == 1);
	ck_assert_int_eq(rpcbuf_engine_stop(server.engine, 300), -ETIMEDOUT);
	ck_assert_int_eq(rpcbuf_engine_stop(server.engine, 1), -ETIMEDOUT);
	ck_assert_uint_eq(stats().in_flight, 1);
	if (_i)
		set_gate(true);
	else
		answer_later();
	ck_assert_int_eq(rpcbuf_engine_stop(server.engine, GUARD_S * 1000), 0);
	for (int i = 0; i < PEERS; i++)
		expect_closed(&peers[i], RPCBUF_CLOSE_STOP);
}
END_TEST

/* Many calls are answered just when the stop waits for them. */
static void *answer_for_a_while(void *arg)
{
	(void)arg;
	for (unsigned int nr = 0; nr < 10 * PEERS;)
		nr += answer_later();
	return NULL;
}

START_TEST(last_answers)
{
	pthread_t thread;

	setup();
	for (int i = 0; i < PEERS; i++)
		for (uint32_t n = 0; n < 10; n++)
			send_call(&peers[i], XID(LATER, SMALL, n));
	eventually(seen(peers[PEERS - 1].calls) == 10);
	eventually(nr_later() == 10 * PEERS);
	pthread_create(&thread, NULL, answer_for_a_while, NULL);
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	server_gone();
	pthread_join(thread, NULL);
	for (int i = 0; i < PEERS; i++) {
		receive_replies(&peers[i], 0, 10);
		peer_free(&peers[i]);
	}
}
END_TEST

START_TEST(half_a_call)
{
	for (int i = 0; i < PEERS; i++)
		send_bytes(&peers[i], "\0\0\x10\0half", 8);
	eventually(stats().bytes_received == 8 * PEERS);
	ck_assert_uint_ge(pages_out(), PEERS);
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	for (int i = 0; i < PEERS; i++)
		expect_end(&peers[i]);
}
END_TEST

/* Owners drop their connections before, during, and after. */
START_TEST(drops)
{
	pthread_t thread;
	int i;

	send_call(&peers[0], XID(LATER, SMALL, 0));
	eventually(nr_later() == 1);
	for (i = 0; i < 5; i++)
		rpcbuf_conn_drop(peers[i].conn);
	thread = begin_stop();
	for (; i < 10; i++)
		rpcbuf_conn_drop(peers[i].conn);
	answer_later();
	pthread_join(thread, NULL);
	for (i = 0; i < PEERS; i++)
		rpcbuf_conn_drop(peers[i].conn);
	for (i = 0; i < PEERS; i++)
		ck_assert_uint_eq(seen(peers[i].closed), 1);
}
END_TEST

/* Sends calls as fast as they are answered until the connection ends. */
static void *hammer(void *arg)
{
	struct peer *peer = arg;
	uint64_t seed = (uint64_t)(uintptr_t)peer | 1;
	uint32_t xid, sent = 0, answered = 0;

	for (;;) {
		if (!send_call(peer, XID(ECHO, test_below(&seed, 3), sent++)))
			break;
		if (sent % 8)
			continue;
		for (; answered < sent; answered++)
			if (!receive_reply(peer, &xid))
				return NULL;
	}
	while (receive_reply(peer, &xid))
		answered++;
	must(answered <= sent);
	return NULL;
}

START_TEST(under_traffic)
{
	pthread_t threads[PEERS];
	int i;

	for (i = 0; i < PEERS; i++)
		pthread_create(&threads[i], NULL, hammer, &peers[i]);
	eventually(stats().requests > 200 + 100 * (unsigned int)_i);
	must(rpcbuf_engine_stop(server.engine, 10000) == 0);
	for (i = 0; i < PEERS; i++)
		pthread_join(threads[i], NULL);
}
END_TEST

/* However rarely the monitor scans, a stop does not wait for its next scan. */
START_TEST(slow_monitor)
{
	struct rpcbuf_engine_options o = server_options();

	o.handover_us = UINT32_MAX;
	server_start(16 << 20, &o);
	peer_open(&peers[0]);
	check_alive(&peers[0]);
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	server_gone();
	peer_free(&peers[0]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_stop");
	TCase *tcase = tcase_create("stop"), *few = tcase_create("few threads");
	TCase *bare = tcase_create("own set-up");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, nothing_to_do);
	tcase_add_test(tcase, running_calls);
	tcase_add_test(tcase, late_calls);
	tcase_add_loop_test(tcase, calls_that_take_too_long, 0, 2);
	tcase_add_test(tcase, half_a_call);
	tcase_add_test(tcase, drops);
	tcase_add_loop_test(tcase, under_traffic, 0, 5);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(few, 2 * GUARD_S);
	tcase_add_checked_fixture(few, setup_few_threads, teardown);
	tcase_add_test(few, unread_calls);
	suite_add_tcase(suite, few);
	tcase_set_timeout(bare, 2 * GUARD_S);
	tcase_add_checked_fixture(bare, NULL, NULL);
	tcase_add_loop_test(bare, last_answers, 0, 10);
	tcase_add_test(bare, slow_monitor);
	suite_add_tcase(suite, bare);
	return wire_run(suite);
}
