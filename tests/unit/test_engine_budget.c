/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a budget of few pages serves any number of clients in turn: a client
 * that sends is answered, one that stops in the middle of a record loses its
 * pages in the end, none waits for ever, and no page is lost.
 * Method: the smallest budgets that an engine accepts, and many clients that
 * send large calls at the same time, halves of them, or nothing after the half.
 */
#include <rpcbuf/rqst.h>

#include "engine_util.h"

#define PEERS 30
#define VECTOR_PAGES 65u /* of the longest call, from any offset */

static struct peer peers[PEERS];
static struct peer small; /* sends small calls only */

/* @extra: pages above the smallest budget for so many receivers.  @handover_us:
 * 0 is the default. */
static void start_with(unsigned int receivers, unsigned int extra,
		       uint32_t record_timeout, uint32_t handover_us)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = receivers;
	o.record_timeout = record_timeout;
	if (handover_us)
		o.handover_us = handover_us;
	server_start((uint64_t)((receivers + 2) * VECTOR_PAGES + extra) *
			     RPCBUF_PAGE_SIZE,
		     &o);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
	peer_open(&small);
}

static void start(unsigned int receivers, unsigned int extra,
		  uint32_t record_timeout)
{
	start_with(receivers, extra, record_timeout, 0);
}

static void finish(void)
{
	server_stop();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
	peer_free(&small);
}

struct client {
	struct peer *peer;
	uint64_t seed;
	unsigned int rounds, depth; /* calls sent before a reply is read */
	int how;
	bool answered;
};

/* Large calls, some at a time: each is answered. */
static void *call_large(void *arg)
{
	struct client *c = arg;

	for (uint32_t i = 0; i < c->rounds; i += c->depth) {
		for (uint32_t n = 0; n < c->depth; n++) {
			uint32_t size = test_below(&c->seed, 4);

			must(send_call(c->peer, XID(c->how, size, i + n)));
		}
		receive_replies(c->peer, i, c->depth);
	}
	c->answered = true;
	return NULL;
}

static void *run_clients(void *(*main)(void *), struct client *model)
{
	struct client clients[PEERS];
	pthread_t threads[PEERS];
	uint64_t seed = test_seed();

	for (int i = 0; i < PEERS; i++) {
		clients[i] = *model;
		clients[i].peer = &peers[i];
		clients[i].seed = ((uint64_t)test_random(&seed) << 8) | 1;
		must(!pthread_create(&threads[i], NULL, main, &clients[i]));
	}
	for (int i = 0; i < PEERS; i++) {
		pthread_join(threads[i], NULL);
		/* It is answered, or closed because it took too long. */
		if (!clients[i].answered)
			expect_closed(&peers[i], RPCBUF_CLOSE_REFUSED);
	}
	return NULL;
}

/* All send at the same time: none is refused, however few the pages. */
START_TEST(all_at_once)
{
	struct client client = { .rounds = TEST_ROUNDS(50), .how = ECHO };

	client.depth = _i & 4 ? 5 : 1;
	start(_i & 1 ? 2 : 1, _i & 2 ? 40 : 0, 60);
	run_clients(call_large, &client);
	check_alive(&small);
	ck_assert_uint_eq(stats().records_refused, 0);
	ck_assert_uint_eq(stats().requests, PEERS * TEST_ROUNDS(50) + 1);
	finish();
}
END_TEST

/* Pages of the beginning of a call: few enough that a loop publishes them only
 * when it moves on to other connections. */
#define BEGINNING (7 * RPCBUF_PAGE_SIZE)

static unsigned int begun;

/* The beginning of a large call, and the rest once pages are short. */
static void *call_in_two(void *arg)
{
	struct client *c = arg;
	uint32_t xid = XID(ECHO, LONGEST, 0);
	size_t len;
	uint8_t *record = call_record(xid, 1, NULL, &len);

	must(send_bytes(c->peer, record, BEGINNING));
	if (count(begun) == PEERS)
		set_gate(true);
	eventually(stats().parked_pages > 0);
	must(send_bytes(c->peer, record + BEGINNING, len - BEGINNING));
	receive_replies(c->peer, 0, 1);
	c->answered = true;
	free(record);
	return NULL;
}

/* A loop finds the beginnings of all in one scan, more than there are pages: it
 * leaves enough for the holder of the grant. */
START_TEST(begin_at_once)
{
	struct client client = { 0 };

	start_with(1, 0, 60, 1000000000);
	send_call(&small, XID(BLOCK, SMALL, 0));
	eventually(seen(server.blocked) == 1);
	run_clients(call_in_two, &client);
	receive_replies(&small, 0, 1);
	ck_assert_uint_eq(stats().records_refused, 0);
	finish();
}
END_TEST

static bool finishing;

static void *finish_later(void *arg)
{
	(void)arg;
	while (!seen(finishing)) {
		answer_later();
		usleep(500);
	}
	return NULL;
}

/* The pages belong to calls that the test completes little by little. */
START_TEST(pages_in_flight)
{
	struct client client = { .rounds = TEST_ROUNDS(50),
				 .depth = 1,
				 .how = LATER };
	pthread_t thread;

	start((unsigned int)_i + 1, 0, 60);
	pthread_create(&thread, NULL, finish_later, NULL);
	run_clients(call_large, &client);
	__atomic_store_n(&finishing, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(stats().records_refused, 0);
	check_alive(&small);
	finish();
}
END_TEST

/* Half a call, and after a while the rest. */
static void *call_in_halves(void *arg)
{
	struct client *c = arg;
	uint32_t xid = XID(ECHO, LARGE, 1), got;
	size_t len, half;
	uint8_t *record = call_record(xid, 20, &c->seed, &len);

	half = len / 2;
	must(send_bytes(c->peer, record, half));
	usleep(test_below(&c->seed, 200000));
	if (send_bytes(c->peer, record + half, len - half))
		c->answered = receive_reply(c->peer, &got) && got == xid;
	free(record);
	return NULL;
}

START_TEST(halves)
{
	struct client client = { .how = ECHO };

	start((unsigned int)_i % 2 + 1, (unsigned int)_i / 2 * 40, 60);
	run_clients(call_in_halves, &client);
	check_alive(&small);
	for (int i = 0; i < PEERS; i++)
		if (!seen(peers[i].closed))
			check_alive(&peers[i]);
	finish();
}
END_TEST

/* Sends halves of large calls. */
static void send_halves(int nr)
{
	uint64_t seed = test_seed();

	for (int i = 0; i < nr; i++) {
		uint32_t xid = XID(ECHO, LARGE, 1);
		size_t len;
		uint8_t *record = call_record(xid, 20, &seed, &len);

		send_bytes(&peers[i], record, len / 2);
		free(record);
	}
}

/* Small calls are answered while large ones hold all pages that they may. */
START_TEST(small_calls_pass)
{
	start((unsigned int)_i + 1, 0, 60);
	send_halves(PEERS);
	eventually(stats().parked_partial >= PEERS / 3);
	for (int i = 0; i < 20; i++)
		check_alive(&small);
	finish();
}
END_TEST

/* Half a call and no more: the pages come back, others are served meanwhile. */
START_TEST(only_halves)
{
	unsigned int nr = 6, i;

	start((unsigned int)_i + 1, 0, 1);
	send_halves((int)nr);
	for (i = 0; i < 20; i++)
		check_alive(&small);
	for (i = 0; i < nr; i++)
		expect_closed(&peers[i], RPCBUF_CLOSE_REFUSED);
	check_alive(&small);
	ck_assert_uint_eq(stats().refused_timeout, nr);
	eventually(pages_out() == 0);
	finish();
}
END_TEST

static bool readable(const struct peer *peer)
{
	struct pollfd pfd = { .fd = peer->client, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

/* A loop that waits for pages keeps its place, however long it waits, and does
 * not look for any before it is notified. */
START_TEST(place_in_the_queue)
{
	static void *hoard[1000];
	struct rpcbuf_rqst *behind;
	unsigned int nr = 0;
	uint64_t parked, bulk_calls;
	uint32_t n = 0;

	start(1, 0, 60);
	must(!rpcbuf_rqst_create(&behind, server.mm, NULL, VECTOR_PAGES));
	nr = rpcbuf_alloc_bulk_array(server.mm, 0, WIRE_NR(hoard), hoard);
	/* One call with pages of the reserve, then one that finds none, however
	 * often it tries. */
	send_call(&peers[0], XID(LATER, LONGEST, 0));
	eventually(nr_later() == 1);
	do {
		if (n)
			receive_replies(&peers[0], n, 1);
		nr += rpcbuf_alloc_bulk_array(server.mm, 0,
					      WIRE_NR(hoard) - nr, hoard + nr);
		parked = stats().parked_pages;
		send_call(&peers[0], XID(ECHO, SMALL, ++n));
		eventually(readable(&peers[0]) ||
			   stats().parked_pages > parked);
		/* Now another loop's unused pages come. */
		usleep(50000);
	} while (readable(&peers[0]));
	ck_assert(rpcbuf_wait_pending(server.mm));
	ck_assert_int_eq(rpcbuf_rqst_try_fill(behind), -EAGAIN);
	bulk_calls = stats().bulk_calls;
	sleep(4);
	/* The one behind could make it look again. */
	ck_assert_uint_le(stats().bulk_calls, bulk_calls + 10);
	rpcbuf_free_bulk_array(server.mm, 1, hoard);
	receive_replies(&peers[0], n, 1);
	rpcbuf_free_bulk_array(server.mm, nr, hoard);
	rpcbuf_rqst_destroy(behind);
	answer_later();
	receive_replies(&peers[0], 0, 1);
	finish();
	ck_assert_msg(strstr(server.log, "pages in use: "), "%s",
		      server.log);
}
END_TEST

/* Allocates all pages but those of the loops and the reserve. */
static unsigned int hoard_pages(void **pages, unsigned int nr, unsigned int max)
{
	return nr + rpcbuf_alloc_bulk_array(server.mm, 0, max - nr, pages + nr);
}

/* Sends a small call, whose page it keeps; it finds one, or waits. */
static bool finds_page(struct peer *peer)
{
	unsigned int later = nr_later();
	uint64_t parked = stats().parked_pages;

	send_call(peer, XID(LATER, SMALL, 0));
	eventually(nr_later() > later || stats().parked_pages > parked);
	/* Now another loop's unused pages come. */
	if (nr_later() == later)
		usleep(50000);
	return nr_later() > later;
}

/* Waiting connections get pages in order, whatever their loop: clients in turn,
 * and of a client the longest waiting. */
START_TEST(round_robin)
{
	static const int order[] = {1, 5, 2, 3, 4}; /* the last one is small */
	static void *hoard[1000];
	unsigned int nr = 0, first = 0, i, later;

	peer_source = 0x7f000002;
	start_with(2, 0, 60, 0);
	peer_source = 0x7f000003;
	peer_hang_up(&small);
	expect_closed(&small, RPCBUF_CLOSE_EOF);
	peer_free(&small);
	peer_open(&small);
	do
		nr = hoard_pages(hoard, nr, WIRE_NR(hoard));
	while (first++ < 300 && finds_page(&peers[0]));
	for (i = 1; i < WIRE_NR(order); i++)
		ck_assert(!finds_page(&peers[i]));
	ck_assert(!finds_page(&small));
	later = nr_later();
	rpcbuf_free_bulk_array(server.mm, 1, hoard);
	eventually(nr_later() == later + 1);
	ck_assert_uint_eq(seen(peers[0].calls), first);
	for (i = 0; i < WIRE_NR(order); i++) {
		struct peer *next = order[i] == 5 ? &small : &peers[order[i]];

		ck_assert_uint_eq(seen(next->calls), 0);
		rpcbuf_free_bulk_array(server.mm, 1, hoard + 1 + i);
		eventually(nr_later() == later + 2 + i);
		ck_assert_uint_eq(seen(next->calls), 1);
	}
	rpcbuf_free_bulk_array(server.mm, nr, hoard);
	answer_later();
	receive_replies(&small, 0, 1);
	finish();
}
END_TEST

/* Replies to calls of this process are received while others wait for pages and
 * there are none. */
START_TEST(replies_pass)
{
	static void *hoard[1000];
	unsigned int nr = 0, tries = 0;
	struct peer ours;

	start_with(1, 100, 60, 0);
	peer_connect(&ours);
	must(rpcbuf_engine_adopt(server.engine, ours.fd, &ours, true,
				 &ours.conn) == 0);
	check_alive(&ours);
	do
		nr = hoard_pages(hoard, nr, WIRE_NR(hoard));
	while (tries++ < 300 && finds_page(&peers[0]));
	ck_assert(!finds_page(&peers[1]));
	for (int i = 0; i < 10; i++) {
		nr = hoard_pages(hoard, nr, WIRE_NR(hoard));
		check_alive(&ours);
	}
	rpcbuf_free_bulk_array(server.mm, nr, hoard);
	eventually(seen(peers[1].calls) == 1);
	answer_later();
	receive_replies(&peers[1], 0, 1);
	finish();
	peer_free(&ours);
}
END_TEST

/* Parked connections end like others: by a drop, a reset or a stop. */
START_TEST(parked_connections_end)
{
	pthread_t thread;
	unsigned int i;

	start(1, 0, 60);
	for (i = 0; i < PEERS; i++)
		send_call(&peers[i], XID(LATER, LONGEST, 1));
	eventually(stats().parked_pages > 0);
	for (i = 0; i < PEERS / 3; i++)
		rpcbuf_conn_drop(peers[i].conn);
	pthread_create(&thread, NULL, finish_later, NULL);
	for (i = 0; i < PEERS / 3; i++)
		expect_closed(&peers[i], RPCBUF_CLOSE_DROPPED);
	for (; i < PEERS; i++)
		receive_replies(&peers[i], 1, 1);
	__atomic_store_n(&finishing, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	check_alive(&small);
	finish();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_budget");
	TCase *tcase = tcase_create("budget");

	tcase_set_timeout(tcase, 3 * GUARD_S);
	tcase_add_loop_test(tcase, all_at_once, 0, 8);
	tcase_add_test(tcase, begin_at_once);
	tcase_add_loop_test(tcase, pages_in_flight, 0, 2);
	tcase_add_loop_test(tcase, halves, 0, 4);
	tcase_add_loop_test(tcase, small_calls_pass, 0, 2);
	tcase_add_loop_test(tcase, only_halves, 0, 2);
	tcase_add_test(tcase, place_in_the_queue);
	tcase_add_test(tcase, round_robin);
	tcase_add_test(tcase, replies_pass);
	tcase_add_test(tcase, parked_connections_end);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
