/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: calls of a hanging share occupy no more than its part of the threads,
 * whatever their number: calls of other shares run, on the same connection and
 * on new ones. Each call is answered once, some with "later", and none runs for
 * a closed connection.
 * Method: calls of share 1 wait at a gate; calls of share 0, and of no share,
 * do not. The test waits for events, and for the second after which a share
 * hangs.
 */
#include "engine_util.h"

#define THREADS	  16u /* 8 for a share, 4 for a client */
#define SHARE	  8u
#define CLIENT	  4u
#define MAX_CALLS 32u
#define MANY	  300u
#define CONNS	  10u
#define BUDGET	  (16u << 20)

enum {
	FREE_SHARE,
	HUNG_SHARE,
	LATE_SHARE,
	NO_SHARE = 15
};

/* Bits 23 to 20 of an xid are the share. */
#define SHARED(share, how, n) XID(how, SMALL, (uint32_t)(share) << 20 | (n))

static struct peer peers[CONNS], other;
static unsigned int answered_later; /* calls answered with "later" */
static bool replied[MANY], delayed[MANY];

static uint32_t xid_of(const struct rpcbuf_call *call)
{
	struct rpcbuf_cursor cursor;
	uint8_t xid[4];

	rpcbuf_cursor_init(&cursor, &call->message);
	must(rpcbuf_cursor_read(&cursor, xid, 4) == 0);
	return get32(xid);
}

static int share_of(const struct rpcbuf_call *call)
{
	uint32_t share = xid_of(call) >> 20 & 15;

	return share == NO_SHARE || share == LATE_SHARE ? -1 : (int)share;
}

/* A reply of length 0: "later". */
static void reply_later(struct rpcbuf_call *call)
{
	struct peer *peer = call->conn_data;
	uint8_t record[REPLY_BYTES] = {0};

	wire_mark(record, RPCBUF_REPLY_MIN, true);
	put32(record + 4, xid_of(call));
	put32(record + 8, 1);
	count(answered_later);
	pthread_mutex_lock(&peer->sending);
	(void)!send(peer->fd, record, sizeof(record), MSG_NOSIGNAL);
	pthread_mutex_unlock(&peer->sending);
	rpcbuf_call_done(call);
}

static void on_shared_call(struct rpcbuf_call *call)
{
	uint32_t share = xid_of(call) >> 20 & 15;

	if (call->later || (share == LATE_SHARE &&
			    rpcbuf_call_share(call, HUNG_SHARE) == -EBUSY)) {
		must(call->later && call->share == HUNG_SHARE);
		reply_later(call);
		return;
	}
	must(call->share == (share == NO_SHARE	   ? -1
			     : share == LATE_SHARE ? HUNG_SHARE
						   : (int)share));
	must(rpcbuf_call_share(call, HUNG_SHARE) == 0 || share != HUNG_SHARE);
	on_call(call);
}

static void start(uint32_t max_calls)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;

	with.call = on_shared_call;
	with.share = share_of;
	with.share_name = "export";
	o.max_threads = THREADS;
	o.max_calls = max_calls;
	o.handover_us = 100;
	server_start_with(BUDGET, &o, &with);
}

static void open_all(unsigned int nr)
{
	peer_source = INADDR_LOOPBACK;
	for (unsigned int i = 0; i < nr; i++)
		peer_open(&peers[i]);
	peer_open(&other);
}

static void close_all(unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		peer_hang_up(&peers[i]);
	peer_hang_up(&other);
	set_gate(true);
	server_stop();
	for (unsigned int i = 0; i < nr; i++)
		peer_free(&peers[i]);
	peer_free(&other);
}

static void send_hung(struct peer *peer, unsigned int first, unsigned int nr)
{
	for (unsigned int n = first; n < first + nr; n++)
		send_call(peer, SHARED(HUNG_SHARE, BLOCK, n));
}

/* Calls of other shares. */
static void check_served(struct peer *peer)
{
	for (uint32_t n = 0; n < 10; n++)
		send_call(peer, SHARED(n % 2 ? NO_SHARE : FREE_SHARE, ECHO,
				       0xffff0 + n));
	for (uint32_t n = 0; n < 10; n++) {
		uint32_t xid;

		receive_reply_or_say(peer, &xid);
		must((xid & 0xfffff) >= 0xffff0);
	}
}

/* A hung call: its number, and whether it was answered "later". */
static unsigned int take_reply(struct peer *peer, bool *later)
{
	uint8_t record[REPLY_BYTES];
	struct pollfd pfd = {.fd = peer->client, .events = POLLIN};
	size_t at = 0;

	while (at < sizeof(record)) {
		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		ssize_t n =
			recv(peer->client, record + at, sizeof(record) - at, 0);

		must(n > 0);
		at += (size_t)n;
	}
	*later = get32(record + 12) == 0;
	return get32(record + 4) & 0xfffff;
}

/* As many calls of one client run as may, and the others wait without a
 * thread. */
START_TEST(bounded)
{
	start(0);
	open_all(CONNS);
	for (unsigned int i = 0; i < CONNS; i++)
		send_hung(&peers[i], i * MANY / CONNS, MANY / CONNS);
	eventually(seen(server.blocked) == CLIENT &&
		   stats().queued == MANY - CLIENT);
	ck_assert_uint_le(stats().threads, CLIENT + 3);
	check_served(&other);
	check_served(&peers[0]);
	ck_assert_uint_eq(seen(server.blocked), CLIENT);
	eventually(stats().in_flight == MANY);
	ck_assert_ptr_nonnull(strstr(server.log, "export 1 is full"));
	set_gate(true);
	for (unsigned int i = 0; i < CONNS; i++)
		for (unsigned int n = 0; n < MANY / CONNS; n++) {
			bool later;
			unsigned int got = take_reply(&peers[i], &later);

			must(!later && got / (MANY / CONNS) == i);
			must(!replied[got]);
			replied[got] = true;
		}
	eventually(stats().queued == 0);
	ck_assert_uint_eq(answered_later, 0);
	close_all(CONNS);
}
END_TEST

/* Other clients have the rest of the share, and all together no more than
 * that. */
START_TEST(clients)
{
	start(0);
	for (unsigned int i = 0; i < 3; i++) {
		peer_source = INADDR_LOOPBACK + i;
		peer_open(&peers[i]);
		send_hung(&peers[i], 0, 20);
	}
	peer_open(&other);
	eventually(seen(server.blocked) == SHARE &&
		   stats().queued == 60 - SHARE);
	check_served(&other);
	ck_assert_uint_eq(seen(server.blocked), SHARE);
	set_gate(true);
	for (unsigned int i = 0; i < 3; i++)
		receive_replies(&peers[i], HUNG_SHARE << 20, 20);
	close_all(3);
}
END_TEST

/* On one connection, calls above its calls in flight are answered "later" once
 * the share hangs; sent again, each is answered once. */
START_TEST(one_connection)
{
	unsigned int left = MANY, laters = 0;
	uint32_t call;
	bool later;

	start(MAX_CALLS);
	open_all(1);
	send_hung(&peers[0], 0, MANY);
	/* The last one is answered at once: all others were before. */
	send_call(&peers[0], SHARED(FREE_SHARE, ECHO, 0xfffff));
	while ((call = take_reply(&peers[0], &later)) != 0xfffff) {
		must(later && !delayed[call]);
		delayed[call] = true;
		laters++;
	}
	ck_assert_uint_eq(laters, MANY - MAX_CALLS * 3 / 4);
	ck_assert_uint_eq(stats().delayed, laters);
	ck_assert_uint_eq(seen(server.blocked), CLIENT);
	check_served(&other);
	check_served(&peers[0]);
	set_gate(true);
	for (unsigned int n = 0; n < MANY; n++)
		if (delayed[n])
			send_hung(&peers[0], n, 1);
	while (left) {
		call = take_reply(&peers[0], &later);
		must(!replied[call]);
		/* It came before one of them progressed. */
		if (later)
			send_hung(&peers[0], call, 1);
		else
			replied[call] = true;
		left -= !later;
	}
	close_all(1);
}
END_TEST

/* A call that waits and is sent again is executed and answered once, and is not
 * answered "later", as others that come then are. */
START_TEST(sent_again)
{
	const uint32_t twice = MAX_CALLS - 1;
	bool later, done = false;
	uint32_t call;

	start(MAX_CALLS);
	open_all(1);
	send_hung(&peers[0], 0, MANY);
	send_call(&peers[0], SHARED(FREE_SHARE, ECHO, 0xfffff));
	while (take_reply(&peers[0], &later) != 0xfffff)
		must(later);
	/* The share hangs. */
	send_hung(&peers[0], twice, 1);
	send_hung(&peers[0], twice, 1);
	check_served(&peers[0]);
	ck_assert_uint_eq(stats().repeated, 2);
	eventually(stats().in_flight == MAX_CALLS * 3 / 4);
	set_gate(true);
	for (unsigned int n = 0; n < MAX_CALLS * 3 / 4; n++) {
		call = take_reply(&peers[0], &later);
		must(!later && !(call == twice && done));
		done |= call == twice;
	}
	must(done);
	close_all(1);
}
END_TEST

/* The same where it was sent again before the share hung: it is executed, or
 * answered "later", not both. */
START_TEST(sent_again_before)
{
	const uint32_t twice = 1000;
	unsigned int answered = 0;
	uint32_t call;
	bool later;

	start(MAX_CALLS);
	open_all(1);
	send_hung(&peers[0], 0, CLIENT);
	send_hung(&peers[0], twice, 1);
	send_hung(&peers[0], twice, 1);
	send_hung(&peers[0], CLIENT, MANY - CLIENT);
	send_call(&peers[0], SHARED(FREE_SHARE, ECHO, 0xfffff));
	while ((call = take_reply(&peers[0], &later)) != 0xfffff)
		answered += call == twice;
	ck_assert_uint_eq(stats().repeated, 1);
	eventually(stats().in_flight == MAX_CALLS * 3 / 4);
	set_gate(true);
	for (unsigned int n = 0; n < MAX_CALLS * 3 / 4; n++)
		answered += take_reply(&peers[0], &later) == twice;
	ck_assert_uint_eq(answered, 1);
	close_all(1);
}
END_TEST

/* Hanging calls that wait do not take all memory, though none of their
 * connections has too many: all that arrives is read. */
START_TEST(memory)
{
	const unsigned int each = 2 * BUDGET / CONNS / MAX_CALL;

	start(MAX_CALLS);
	open_all(CONNS);
	for (unsigned int i = 0; i < CONNS; i++)
		for (unsigned int n = 0; n < each; n++)
			send_call(&peers[i], SHARED(HUNG_SHARE, BLOCK, n) |
						     LONGEST << 24);
	eventually(stats().in_flight + seen(answered_later) == CONNS * each);
	ck_assert_uint_eq(seen(server.blocked), CLIENT);
	check_served(&other);
	set_gate(true);
	eventually(stats().in_flight == 0);
	close_all(CONNS);
}
END_TEST

/* The share of a call becomes known only when it runs. */
START_TEST(found_out_late)
{
	unsigned int laters = 0;
	bool later;

	start(0);
	open_all(1);
	for (uint32_t n = 0; n < 3 * CLIENT; n++)
		send_call(&peers[0], SHARED(LATE_SHARE, BLOCK, n));
	for (; laters < 2 * CLIENT; laters++) {
		take_reply(&peers[0], &later);
		must(later);
	}
	eventually(seen(server.blocked) == CLIENT);
	send_hung(&peers[0], 100, 1);
	eventually(stats().queued == 1);
	check_served(&peers[0]);
	set_gate(true);
	for (unsigned int n = 0; n < CLIENT + 1; n++) {
		take_reply(&peers[0], &later);
		must(!later);
	}
	close_all(1);
}
END_TEST

enum {
	RESET,
	DROP,
	GONE_WAYS
};

/* Waiting calls do not run for a closed connection. It is closed although its
 * share hangs, except for the calls that run. */
START_TEST(gone)
{
	struct linger hard = {.l_onoff = 1};
	unsigned int before;

	start(MAX_CALLS);
	open_all(2);
	send_hung(&peers[0], 0, CLIENT);
	eventually(seen(server.blocked) == CLIENT);
	send_hung(&peers[1], CLIENT, 20);
	eventually(stats().queued == 20);
	before = seen(peers[1].calls);
	if (_i == RESET)
		setsockopt(peers[1].client, SOL_SOCKET, SO_LINGER, &hard,
			   sizeof(hard));
	else
		rpcbuf_conn_drop(peers[1].conn);
	peer_hang_up(&peers[1]);
	eventually(seen(peers[1].closed) == 1);
	ck_assert_uint_eq(stats().queued, 0);
	eventually(stats().in_flight == CLIENT);
	set_gate(true);
	receive_replies(&peers[0], HUNG_SHARE << 20, CLIENT);
	ck_assert_uint_eq(seen(peers[1].calls), before);
	close_all(2);
}
END_TEST

/* A client that shut down its sending side is answered. */
START_TEST(half_closed)
{
	start(0);
	open_all(1);
	send_hung(&peers[0], 0, 20);
	shutdown(peers[0].client, SHUT_WR);
	eventually(stats().queued == 20 - CLIENT);
	set_gate(true);
	receive_replies(&peers[0], HUNG_SHARE << 20, 20);
	expect_closed(&peers[0], RPCBUF_CLOSE_EOF);
	close_all(1);
}
END_TEST

static void *open_soon(void *arg)
{
	(void)arg;
	/* The engine stops. */
	eventually(rpcbuf_engine_adopt(server.engine, -1, NULL, false, NULL) ==
		   -ESHUTDOWN);
	set_gate(true);
	return NULL;
}

/* Calls received before the stop run; those that hang are dropped. */
START_TEST(stop)
{
	pthread_t thread;
	bool hangs = _i;

	start(0);
	open_all(1);
	send_hung(&peers[0], 0, 20);
	eventually(stats().queued == 20 - CLIENT);
	if (hangs) {
		ck_assert_int_eq(rpcbuf_engine_stop(server.engine, 500),
				 -ETIMEDOUT);
		ck_assert_uint_eq(stats().queued, 0);
		ck_assert_uint_eq(stats().in_flight, CLIENT);
		set_gate(true);
	} else {
		must(!pthread_create(&thread, NULL, open_soon, NULL));
	}
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	ck_assert_uint_eq(seen(peers[0].calls), hangs ? CLIENT : 20);
	if (!hangs) {
		receive_replies(&peers[0], HUNG_SHARE << 20, 20);
		pthread_join(thread, NULL);
	}
	server_gone();
	peer_free(&peers[0]);
	peer_free(&other);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_share");
	TCase *tcase = tcase_create("share");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, clients);
	tcase_add_test(tcase, one_connection);
	tcase_add_test(tcase, sent_again);
	tcase_add_test(tcase, sent_again_before);
	tcase_add_test(tcase, memory);
	tcase_add_test(tcase, found_out_late);
	tcase_add_loop_test(tcase, gone, 0, GONE_WAYS);
	tcase_add_test(tcase, half_closed);
	tcase_add_loop_test(tcase, stop, 0, 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
