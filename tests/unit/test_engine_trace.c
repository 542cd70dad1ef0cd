/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a reader that traces gets one correct event for each call; without
 * readers none is written; the table of clients shows connections, waits and
 * refusals.
 * Method: a server that publishes in a folder of the test's own, with its
 * readers in the same process.  Calls of known sizes, one at a time, pipelined,
 * in fragments, put aside, while readers come and go.
 */
#include <rpcbuf/fault.h>
#include <rpcbuf/publish.h>
#include <rpcbuf/stats.h>
#include <rpcbuf/writer.h>

#include "engine_util.h"

#define set(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELEASE)

#define PEERS 6
/* Pages of the reserve for replies. */
#define RESERVED	  4
#define CALLS 200u

static struct peer peers[PEERS];
static struct rpcbuf_publisher *publisher;
static struct rpcbuf_segment *segment;
static char folder[] = "/dev/shm/rpcbuf-test.XXXXXX";

static void start_with(unsigned int receivers)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_publisher_options p = { .size = sizeof(p), .folder = folder };

	strcpy(strrchr(folder, '.'), ".XXXXXX");
	must(mkdtemp(folder) != NULL);
	o.receivers = receivers;
	o.limits.min_length = RPCBUF_CALL_MIN;
	server.reserved_pages = RESERVED;
	server_start(16 << 20, &o);
	must(rpcbuf_publisher_create(&publisher, &p) == 0);
	must(rpcbuf_engine_publish(server.engine, publisher) == 0);
	must(rpcbuf_engine_publish(server.engine, publisher) == -EALREADY);
	must(rpcbuf_stats_publish(server.mm, publisher) == 0);
	must(rpcbuf_segment_attach(&segment,
				   rpcbuf_publisher_path(publisher)) == 0);
	for (int i = 0; i < PEERS; i++) {
		peer_source = INADDR_LOOPBACK + (i >= PEERS / 2);
		peer_open(&peers[i]);
	}
}

static void setup(void)
{
	start_with(1);
}

static void setup_two(void)
{
	start_with(2);
}

static void end_trace(void);

static void teardown(void)
{
	end_trace();
	for (int i = 0; i < PEERS; i++)
		peer_hang_up(&peers[i]);
	rpcbuf_segment_detach(segment);
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	rpcbuf_publisher_remove(publisher, server.mm);
	server_gone();
	rpcbuf_publisher_destroy(publisher);
	must(rmdir(folder) == 0);
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}

static struct rpcbuf_event event;
static pthread_t renewer;
static bool renewing;

static bool next_event(void)
{
	return rpcbuf_segment_next_event(segment, &event) == 1;
}

static void *renew(void *arg)
{
	while (seen(renewing)) {
		must(rpcbuf_segment_watch(segment, RPCBUF_WATCH_EVENTS) == 0);
		usleep(50000);
	}
	return arg;
}

static void end_trace(void)
{
	if (!renewing)
		return;
	set(renewing, false);
	pthread_join(renewer, NULL);
}

/* Each loop checks for readers when something arrives; a call whose first byte
 * it missed has no event. */
static void begin_trace(void)
{
	uint32_t n = 0;

	(void)next_event();
	renewing = true;
	must(pthread_create(&renewer, NULL, renew, NULL) == 0);
	for (int i = 0; i < PEERS; i++)
		do {
			(void)rpcbuf_segment_refresh(segment, 1000);
			send_call(&peers[i], XID(ECHO, SMALL, n));
			receive_replies(&peers[i], n++, 1);
			usleep(1000);
		} while (!next_event());
	while (next_event())
		;
}

static uint16_t port_of(const struct peer *peer)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	must(getsockname(peer->client, (void *)&address, &len) == 0);
	return ntohs(address.sin_port);
}

/* The expected event of @xid on @peer, in so many fragments. */
static void check_event(const struct peer *peer, int number, uint32_t xid,
			uint32_t fragments)
{
	const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, 127, 0, 0,
				     (uint8_t)(1 + (number >= PEERS / 2)) };
	uint8_t *body = malloc(call_length(xid));
	uint32_t len = call_build(body, xid);
	uint32_t least = rpcbuf_pages_spanned(0, event.bytes);

	ck_assert_uint_eq(event.xid, xid);
	ck_assert_mem_eq(event.address, mapped, 16);
	ck_assert_uint_eq(event.port, port_of(peer));
	ck_assert_uint_eq(event.program, get32(body + 12));
	ck_assert_uint_eq(event.version, get32(body + 16));
	ck_assert_uint_eq(event.procedure, get32(body + 20));
	ck_assert_uint_eq(event.flags, 0);
	ck_assert_uint_eq(event.nr_ops, 0);
	ck_assert_uint_eq(event.fragments, fragments);
	ck_assert_uint_eq(event.bytes, len + fragments * RPCBUF_MARK_SIZE);
	ck_assert_uint_ge(event.pages, least);
	ck_assert_uint_le(event.pages, least + 1);
	ck_assert_uint_ge(event.runs, 1);
	ck_assert_uint_le(event.runs, event.pages);
	ck_assert_uint_le(event.reused, event.pages);
	ck_assert_uint_gt(event.thread, 0);
	ck_assert_uint_lt(event.receive_ns, GUARD_S * OS_SECOND_NS);
	ck_assert_uint_lt(event.reply_ns, GUARD_S * OS_SECOND_NS);
	ck_assert_uint_gt(event.reply_ns, 0);
	ck_assert_uint_le(event.wait_ns, event.receive_ns);
	free(body);
}

/* One at a time: pages are filled for the call that takes them. */
START_TEST(one_at_a_time)
{
	uint64_t seed = test_seed(), filled = 0, before = 0;

	begin_trace();
	for (uint32_t n = 0; n < CALLS; n++) {
		int number = (int)test_below(&seed, PEERS);
		uint32_t size = test_below(&seed, 8) ? test_below(&seed, 2)
						     : LARGE;
		uint32_t xid = XID(ECHO, size, n);

		send_call(&peers[number], xid);
		receive_replies(&peers[number], n, 1);
		eventually(next_event());
		check_event(&peers[number], number, xid, 1);
		ck_assert_uint_ge(event.receives, 1);
		ck_assert_uint_ge(event.time_ns, before);
		ck_assert_uint_ge(event.filled + event.reused, event.pages);
		if (size == LARGE)
			ck_assert_uint_ge(event.pages, 33);
		before = event.time_ns;
		filled += event.filled;
		ck_assert_uint_eq(!event.filled, !event.bulk_calls);
	}
	ck_assert_uint_gt(filled, 0);
	ck_assert_uint_le(filled, stats().pages_filled);
	ck_assert(!next_event());
	ck_assert_uint_eq(rpcbuf_segment_lost(segment), 0);
}
END_TEST

/* Each once, in the order of their ends; the sums are those of the engine. */
START_TEST(pipelined)
{
	struct rpcbuf_engine_stats before = RPCBUF_ENGINE_STATS_INIT, after = RPCBUF_ENGINE_STATS_INIT;
	uint64_t seed = test_seed(), pages = 0, runs = 0, bytes = 0, nr = 0;
	uint32_t fragments[CALLS], n;
	bool got[CALLS] = { false };
	uint64_t end = os_now() + GUARD_S * OS_SECOND_NS;

	begin_trace();
	before = stats();
	for (n = 0; n < CALLS; n++) {
		uint32_t xid = XID(ECHO, test_below(&seed, 2), n);
		size_t len;
		uint8_t *record = call_record(xid, 1 + n % 3, &seed, &len);

		must(send_bytes(&peers[0], record, len));
		fragments[n] = (uint32_t)((len - call_length(xid)) /
					  RPCBUF_MARK_SIZE);
		free(record);
	}
	receive_replies(&peers[0], 0, CALLS);
	while (nr < CALLS) {
		must(os_now() < end);
		if (!next_event())
			continue;
		n = event.xid & 0xffffff;
		ck_assert_uint_lt(n, CALLS);
		ck_assert(!got[n]);
		got[n] = true;
		nr++;
		check_event(&peers[0], 0, event.xid, fragments[n]);
		pages += event.pages;
		runs += event.runs;
		bytes += event.bytes;
	}
	after = stats();
	ck_assert(!next_event());
	ck_assert_uint_eq(rpcbuf_segment_lost(segment), 0);
	ck_assert_uint_eq(after.pages - before.pages, pages);
	ck_assert_uint_eq(after.runs - before.runs, runs);
	ck_assert_uint_eq(after.bytes_received - before.bytes_received, bytes);
}
END_TEST

/* The event comes when the call is done. */
START_TEST(put_aside)
{
	uint64_t sent;

	begin_trace();
	send_call(&peers[1], XID(LATER, SMALL, 7));
	eventually(nr_later() == 1);
	ck_assert(!next_event());
	sent = os_now();
	usleep(20000);
	answer_later();
	receive_replies(&peers[1], 7, 1);
	eventually(next_event());
	check_event(&peers[1], 1, XID(LATER, SMALL, 7), 1);
	ck_assert_uint_ge(event.reply_ns, 20000000);
	ck_assert_uint_le(event.time_ns, sent);
}
END_TEST

START_TEST(nobody_traces)
{
	ck_assert(!next_event());
	for (uint32_t n = 0; n < CALLS; n++) {
		send_call(&peers[0], XID(ECHO, SMALL, n));
		receive_replies(&peers[0], n, 1);
	}
	ck_assert(!next_event());
	ck_assert_uint_eq(rpcbuf_segment_lost(segment), 0);
	ck_assert_uint_eq(stats().fills_timed, 0);
}
END_TEST

START_TEST(timed_fills)
{
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;
	uint64_t timed = 0;
	uint32_t n = 0;

	do {
		must(rpcbuf_segment_watch(segment, RPCBUF_WATCH_TIMES) == 0);
		send_call(&peers[0], XID(ECHO, LARGE, n));
		receive_replies(&peers[0], n++, 1);
	} while (stats().fills_timed < 5);
	s = stats();
	ck_assert_uint_gt(s.fill_ns_sum, 0);
	for (unsigned int i = 0; i < RPCBUF_HIST_NS; i++)
		timed += s.hist_fill_ns[i];
	ck_assert_uint_eq(timed, s.fills_timed);
	ck_assert(!next_event());
}
END_TEST

static struct rpcbuf_snapshot snapshot = RPCBUF_SNAPSHOT_INIT;

static const struct rpcbuf_client *client_row(int number)
{
	const uint8_t last = (uint8_t)(1 + (number >= PEERS / 2));

	must(rpcbuf_segment_watch(segment, RPCBUF_WATCH_CLIENTS) == 0);
	must(rpcbuf_segment_refresh(segment, GUARD_S * 1000) == 0);
	must(rpcbuf_segment_read(segment, &snapshot) == 0);
	for (uint32_t i = 0; i < snapshot.nr_clients; i++)
		if (snapshot.clients[i].address[15] == last)
			return &snapshot.clients[i];
	ck_abort_msg("no row of 127.0.0.%u", last);
	return NULL;
}

/* More than a socket takes, and than may wait for one peer. */
static uint8_t much[16 << 20];

static void no_release(void *arg)
{
	(void)arg;
}

/* The one that was put aside. */
static struct rpcbuf_call *take_later(void)
{
	struct rpcbuf_call *call;

	pthread_mutex_lock(&server.lock);
	call = server.later[--server.nr_later];
	pthread_mutex_unlock(&server.lock);
	return call;
}

static void answer_with_much(void)
{
	struct rpcbuf_call *call = take_later();
	struct rpcbuf_reply *reply;

	reply = rpcbuf_reply_create(
		server.mm, rpcbuf_alloc_page(server.mm, RPCBUF_GFP_NOWAIT));
	must(!rpcbuf_reply_add(reply, much, sizeof(much)));
	must(!rpcbuf_reply_own_ref(reply, sizeof(much), no_release, NULL));
	must(rpcbuf_call_reply(call, reply) == 0);
	rpcbuf_call_done(call);
}

static void receive_much(struct peer *peer)
{
	static uint8_t got[64 << 10];

	for (size_t at = 0, n; at < sizeof(much); at += n) {
		n = (size_t)recv(peer->client, got,
				 rpcbuf_min(sizeof(got), sizeof(much) - at), 0);
		must(n > 0 && n <= sizeof(got));
	}
}

/* A reply of @len bytes and its mark, to @call, or a part of it. */
static int answer_with(struct rpcbuf_call *call, struct rpcbuf_mempool *reserve,
		       size_t len)
{
	struct rpcbuf_reply *reply;
	struct rpcbuf_writer w;
	int err = rpcbuf_writer_begin(&w, server.mm, reserve, &call->respages);

	if (err)
		return err;
	err = rpcbuf_writer_end(&w, !rpcbuf_writer_put(&w, much, len), &reply);
	if (err)
		return err;
	must(rpcbuf_call_reply(call, reply) == 0);
	return 0;
}

static void receive_bytes(struct peer *peer, size_t len)
{
	static uint8_t got[1 << 20];

	must(len <= sizeof(got));
	must(recv(peer->client, got, len, MSG_WAITALL) == (ssize_t)len);
}

/* Bytes and pages of sent replies are in the event, the sums, the histogram and
 * the row of the client; so are pages of the reserve, and the number of times
 * that it was empty. */
START_TEST(replies_are_counted)
{
	enum {
		PAGES = 3,
		LEN = (PAGES - 1) * RPCBUF_PAGE_SIZE
	};
	struct rpcbuf_fault only_reserves = RPCBUF_FAULT_INIT;
	struct rpcbuf_mempool *reserve = server.reserve;
	struct rpcbuf_engine_stats before = RPCBUF_ENGINE_STATS_INIT, after = RPCBUF_ENGINE_STATS_INIT;
	struct rpcbuf_call *call;
	uint64_t row;

	only_reserves.reserve = true;
	begin_trace();
	before = stats();
	row = client_row(1)->reply_bytes;
	send_call(&peers[1], XID(LATER, SMALL, 7));
	eventually(nr_later() == 1);
	call = take_later();
	/* In two parts. */
	must(!answer_with(call, reserve, LEN));
	must(!answer_with(call, reserve, 8));
	rpcbuf_call_done(call);
	receive_bytes(&peers[1], LEN + 8 + 2 * RPCBUF_MARK_SIZE);
	eventually(next_event());
	ck_assert_uint_eq(event.reply_bytes, LEN + 8 + 2 * RPCBUF_MARK_SIZE);
	ck_assert_uint_eq(event.reply_pages, PAGES + 1);
	ck_assert_uint_eq(event.reply_reserved, 0);
	after = stats();
	ck_assert_uint_eq(after.reply_bytes - before.reply_bytes,
			  event.reply_bytes);
	ck_assert_uint_eq(after.reply_pages - before.reply_pages, PAGES + 1);
	ck_assert_uint_eq(
		after.hist_reply_pages[2] - before.hist_reply_pages[2], 1);
	ck_assert_uint_eq(client_row(1)->reply_bytes - row, event.reply_bytes);
	ck_assert_uint_eq(after.reply_reserve_pages, 0);

	/* The only pages are those of the call and of the reserve, and one too
	 * few of them. */
	send_call(&peers[1], XID(LATER, SMALL, 8));
	eventually(nr_later() == 1);
	call = take_later();
	must(!rpcbuf_fault_set(server.mm, &only_reserves));
	ck_assert_int_eq(answer_with(call, reserve,
				     (RPCBUF_RESPAGES + RESERVED + 1) *
					     RPCBUF_PAGE_SIZE),
			 -ENOMEM);
	ck_assert_uint_eq(stats().reply_reserve_empty, 1);
	must(!answer_with(call, reserve, LEN));
	rpcbuf_call_done(call);
	must(!rpcbuf_fault_set(server.mm, NULL));
	receive_bytes(&peers[1], LEN + RPCBUF_MARK_SIZE);
	eventually(next_event());
	ck_assert_uint_eq(event.reply_pages, PAGES);
	ck_assert_uint_eq(event.reply_reserved, PAGES);
	ck_assert_uint_eq(stats().reply_reserve_pages, PAGES);
	ck_assert_uint_eq(stats().reply_reserve_empty, 1);

	/* A call without a reply has none. */
	before = stats();
	send_call(&peers[1], XID(LATER, SMALL, 9));
	eventually(nr_later() == 1);
	rpcbuf_call_done(take_later());
	eventually(next_event());
	ck_assert_uint_eq(event.reply_bytes + event.reply_pages, 0);
	after = stats();
	ck_assert_mem_eq(before.hist_reply_pages, after.hist_reply_pages,
			 sizeof(after.hist_reply_pages));
}
END_TEST

/* A call without a page for its reply waits, in the row of its client and on no
 * thread, and runs when another reply has left. */
START_TEST(calls_wait_for_pages_of_replies)
{
	static void *held[16 << 8];
	unsigned int nr = 0, sent = 0;

	/* Each has pages of its own, the last ones from the reserve. */
	while (!stats().reply_reserve_empty) {
		must(sent < 2 * RESERVED + 2);
		send_call(&peers[sent % 2], XID(LATER, SMALL, sent));
		sent++;
		eventually(nr_later() == sent || stats().reply_reserve_empty);
		while (nr < WIRE_NR(held) &&
		       (held[nr] = rpcbuf_alloc_page(server.mm,
						     RPCBUF_GFP_NOWAIT)))
			nr++;
	}
	ck_assert_uint_ge(sent, RESERVED + 2);
	eventually(client_row(0)->waiting == 1);
	ck_assert_uint_eq(nr_later(), sent - 1);
	ck_assert_uint_ge(stats().parked_pages, 1);
	/* The last one has a page of the reserve. */
	for (unsigned int i = 0; i < sent; i++) {
		struct rpcbuf_call *call;

		eventually(nr_later() > 0);
		call = take_later();
		must(!answer_with(call, server.reserve, 8));
		rpcbuf_call_done(call);
	}
	eventually(stats().in_flight == 0);
	ck_assert_uint_eq(client_row(0)->waiting, 0);
	rpcbuf_free_bulk_array(server.mm, nr, held);
	receive_bytes(&peers[0], (sent + 1) / 2 * 12);
	receive_bytes(&peers[1], sent / 2 * 12);
}
END_TEST

START_TEST(clients)
{
	const uint8_t part[100] = { 0, 0, 0x80 }; /* of 32 KiB */
	const uint8_t small[24] = { 0x80, 0, 0, 20 };
	const struct rpcbuf_client *row;

	send_call(&peers[0], XID(LATER, SMALL, 1));
	send_call(&peers[1], XID(ECHO, SMALL, 2));
	receive_replies(&peers[1], 2, 1);
	eventually(nr_later() == 1);
	send_bytes(&peers[2], part, sizeof(part));
	/* An answered call may not be done yet. */
	eventually(client_row(0)->held_bytes == sizeof(part) &&
		   client_row(0)->in_flight == 1);
	row = client_row(0);
	ck_assert_uint_eq(snapshot.nr_clients, 2);
	ck_assert_uint_eq(row->connections, PEERS / 2);
	ck_assert_uint_eq(row->requests, 2);
	ck_assert_uint_eq(row->bytes, call_length(XID(LATER, SMALL, 1)) +
					      call_length(XID(ECHO, SMALL, 2)) +
					      2 * RPCBUF_MARK_SIZE);
	ck_assert_uint_eq(row->held_pages, 1);
	ck_assert_uint_eq(row->waiting + row->unsent + row->busy, 0);
	ck_assert_uint_eq(row->waiting_ns, 0);
	ck_assert_uint_eq(row->refused_short, 0);
	ck_assert_uint_eq(client_row(PEERS - 1)->connections,
			  PEERS - PEERS / 2);
	ck_assert_uint_eq(client_row(PEERS - 1)->requests, 0);

	/* A refusal is counted while other connections of its client are
	 * open. */
	send_bytes(&peers[PEERS - 1], small, sizeof(small));
	eventually(seen(peers[PEERS - 1].closed) == 1);
	row = client_row(PEERS - 1);
	ck_assert_uint_eq(row->connections, PEERS - PEERS / 2 - 1);
	ck_assert_uint_eq(row->refused_short, 1);
	ck_assert_uint_eq(row->refused_length + row->refused_fragments +
				  row->refused_timeout,
			  0);

	/* A peer that does not read its replies. */
	answer_with_much();
	send_call(&peers[0], XID(ECHO, SMALL, 2));
	eventually(client_row(0)->unsent == 1);
	row = client_row(0);
	ck_assert_uint_eq(row->in_flight, 0);
	ck_assert_uint_gt(row->waiting_ns, 0);
	ck_assert_uint_le(row->waiting_ns, os_now());
	ck_assert_uint_gt(row->unsent_bytes, 0);
	ck_assert_uint_lt(row->unsent_bytes, sizeof(much) * 2);
	ck_assert_uint_gt(row->unsent_kept_bytes, sizeof(much));
	ck_assert_uint_eq(stats().unsent_kept_bytes, row->unsent_kept_bytes);
	ck_assert_uint_eq(row->reply_bytes, sizeof(much));
	receive_much(&peers[0]);
	receive_replies(&peers[0], 2, 1);
	eventually(client_row(0)->unsent_bytes == 0);
	eventually(client_row(0)->unsent_kept_bytes == 0);
	ck_assert_uint_eq(client_row(0)->unsent, 0);
	ck_assert_uint_eq(client_row(0)->waiting_ns, 0);
}
END_TEST

static bool stop_reading;

/* A reader that comes and goes; every event that it gets is whole. */
static void *reader(void *arg)
{
	struct rpcbuf_segment *mine;
	struct rpcbuf_event got;

	(void)arg;
	while (!seen(stop_reading)) {
		must(rpcbuf_segment_attach(&mine,
					   rpcbuf_publisher_path(publisher)) ==
		     0);
		(void)rpcbuf_segment_next_event(mine, &got);
		must(rpcbuf_segment_watch(mine, 7) == 0);
		(void)rpcbuf_segment_refresh(mine, 100);
		for (unsigned int i = 0; i < 1000; i++) {
			if (!rpcbuf_segment_next_event(mine, &got))
				continue;
			must(got.bytes == call_length(got.xid) +
						  RPCBUF_MARK_SIZE);
			must(got.pages && got.reused <= got.pages);
		}
		rpcbuf_segment_detach(mine);
	}
	return NULL;
}

static void *caller(void *arg)
{
	struct peer *peer = arg;
	uint64_t seed = (uintptr_t)arg | 1;

	for (uint32_t n = 0; n < TEST_ROUNDS(1000u); n += 10) {
		for (uint32_t i = 0; i < 10; i++)
			must(send_call(peer,
				       XID(ECHO, test_below(&seed, 2), n + i)));
		receive_replies(peer, n, 10);
	}
	return NULL;
}

START_TEST(readers_come_and_go)
{
	pthread_t callers[PEERS], readers[2];

	stop_reading = false;
	for (int i = 0; i < 2; i++)
		must(pthread_create(&readers[i], NULL, reader, NULL) == 0);
	for (int i = 0; i < PEERS; i++)
		must(pthread_create(&callers[i], NULL, caller, &peers[i]) == 0);
	for (int i = 0; i < PEERS; i++)
		pthread_join(callers[i], NULL);
	set(stop_reading, true);
	for (int i = 0; i < 2; i++)
		pthread_join(readers[i], NULL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_trace");
	TCase *one = tcase_create("one loop"), *two = tcase_create("two");

	tcase_set_timeout(one, 100);
	tcase_add_checked_fixture(one, setup, teardown);
	tcase_add_test(one, one_at_a_time);
	tcase_add_test(one, pipelined);
	tcase_add_test(one, put_aside);
	tcase_add_test(one, nobody_traces);
	tcase_add_test(one, timed_fills);
	tcase_add_test(one, replies_are_counted);
	tcase_add_test(one, calls_wait_for_pages_of_replies);
	tcase_set_timeout(two, 100);
	tcase_add_checked_fixture(two, setup_two, teardown);
	tcase_add_test(two, clients);
	tcase_add_test(two, readers_come_and_go);
	suite_add_tcase(suite, one);
	suite_add_tcase(suite, two);
	return wire_run(suite);
}
