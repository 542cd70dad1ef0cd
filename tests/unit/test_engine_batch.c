/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: replies to calls that wait together leave together, within bounds; no
 * reply is held back by a call that runs long, by the last call, or when there
 * is nothing behind it.
 * Method: a handler that sends by itself asks the kernel whether the socket holds
 * back what is sent, while it runs each of several calls that came in one
 * segment.  (test_engine_sending.c has the replies that the engine sends.)
 */
#include "engine_util.h"
#include "rpcbuf/os/os.h"

#define MANY 40u

static struct peer peer;
static uint32_t reply_bytes; /* what the handler says */
static uint64_t call_ns;     /* how long it takes */
static struct {
	bool held[MANY]; /* while call n ran */
	unsigned int nr;
} seen_by_handler;

static bool held(void)
{
	socklen_t len = sizeof(int);
	int on = -1;

	must(getsockopt(peer.fd, IPPROTO_TCP, TCP_CORK, &on, &len) == 0);
	return on;
}

static void on_batched_call(struct rpcbuf_call *call)
{
	seen_by_handler.held[seen_by_handler.nr] = held();
	__atomic_store_n(&seen_by_handler.nr, seen_by_handler.nr + 1,
			 __ATOMIC_RELEASE);
	call->reply_bytes = reply_bytes;
	for (uint64_t end = os_now() + call_ns; os_now() < end;)
		;
	on_call(call);
}

static void start_with(unsigned int batch_calls, uint32_t handover_us)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;

	with.call = on_batched_call;
	o.receivers = 1;
	o.batch_calls = batch_calls;
	o.handover_us = handover_us;
	memset(&seen_by_handler, 0, sizeof(seen_by_handler));
	server_start_with(16 << 20, &o, &with);
	peer_open(&peer);
}

/* One thread runs all calls, however slow the machine is. */
static void start(unsigned int batch_calls)
{
	start_with(batch_calls, GUARD_S * 1000000u);
}

static void stop(void)
{
	peer_hang_up(&peer);
	set_gate(true);
	server_stop();
	peer_free(&peer);
}

/* @nr calls in one segment, the last of which is handled in its own way. */
static void send_together(unsigned int nr, uint32_t last)
{
	uint8_t all[MANY * 200];
	size_t at = 0, len;

	for (uint32_t i = 0; i < nr; i++) {
		uint8_t *record =
			call_record(XID(i == nr - 1 ? last : ECHO, SMALL, i), 1,
				    NULL, &len);

		must(at + len <= sizeof(all));
		memcpy(all + at, record, len);
		at += len;
		free(record);
	}
	/* The first receive of a connection takes a page. */
	must(at <= RPCBUF_PAGE_SIZE);
	must(send_bytes(&peer, all, at));
}

/* 20 calls that come together, after one that showed what replies are like. */
static void send_after_one(void)
{
	send_call(&peer, XID(ECHO, SMALL, 0));
	receive_replies(&peer, 0, 1);
	seen_by_handler.nr = 0;
	send_together(20, ECHO);
	receive_replies(&peer, 0, 20);
}

/* A batch may end early, because time is up, but it never grows. */
static void check_batches(unsigned int nr, unsigned int most)
{
	ck_assert_uint_eq(seen(seen_by_handler.nr), nr);
	for (unsigned int i = 0; i < nr; i++)
		if (most == 1 || !i)
			ck_assert(seen_by_handler.held[i] == (most > 1));
	/* All but the last call had one behind it. */
	if (most > 1)
		ck_assert_uint_ge(stats().batches * most, nr - 1);
	else
		ck_assert_uint_eq(stats().batches, 0);
	eventually(!held());
}

START_TEST(together)
{
	static const unsigned int sizes[] = {1, 2, 4, 1024};
	unsigned int most = sizes[_i];

	start(most);
	send_together(20, ECHO);
	receive_replies(&peer, 0, 20);
	check_batches(20, most);
	stop();
}
END_TEST

/* Nothing waits behind it, so it leaves at once. */
START_TEST(alone)
{
	start(4);
	for (uint32_t i = 0; i < 20; i++) {
		send_call(&peer, XID(ECHO, SMALL, i));
		receive_replies(&peer, i, 1);
	}
	for (unsigned int i = 0; i < 20; i++)
		ck_assert(!seen_by_handler.held[i]);
	ck_assert_uint_eq(stats().batches, 0);
	stop();
}
END_TEST

/* The replies before a call that does not end are let go while it runs. */
START_TEST(long_call)
{
	uint32_t xid;

	start_with(1024, 500);
	send_together(2, BLOCK);
	eventually(seen(server.blocked) == 1);
	eventually(!held());
	receive_replies(&peer, 0, 1);
	set_gate(true);
	must(receive_reply(&peer, &xid));
	ck_assert_uint_eq(xid, XID(BLOCK, SMALL, 1));
	/* The first call saw that its reply waits. */
	ck_assert(seen_by_handler.held[0]);
	stop();
}
END_TEST

/* After a long reply nothing is held back, until there is a short one. */
START_TEST(large_replies)
{
	reply_bytes = 128 << 10;
	start(1024);
	send_after_one();
	for (unsigned int i = 0; i < 20; i++)
		ck_assert(!seen_by_handler.held[i]);
	reply_bytes = 0;
	seen_by_handler.nr = 0;
	send_together(20, ECHO);
	receive_replies(&peer, 0, 20);
	ck_assert(!seen_by_handler.held[0]);
	ck_assert_uint_ge(stats().batches, 1);
	stop();
}
END_TEST

/* Each pushes out the one before, so time does not end the batch. */
START_TEST(pushing_replies)
{
	reply_bytes = 16 << 10;
	call_ns = 200000;
	start(1024);
	send_after_one();
	for (unsigned int i = 0; i < 19; i++)
		ck_assert_msg(seen_by_handler.held[i], "call %u", i);
	ck_assert_uint_eq(stats().batches, 1);
	eventually(!held());
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_batch");
	TCase *tcase = tcase_create("batch");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, together, 0, 4);
	tcase_add_test(tcase, alone);
	tcase_add_test(tcase, long_call);
	tcase_add_test(tcase, large_replies);
	tcase_add_test(tcase, pushing_replies);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
