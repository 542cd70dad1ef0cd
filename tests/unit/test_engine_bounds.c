/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: each limit that makes a client wait, or refuses it, is exact, is
 * counted, and is logged with client, value and limit; a waiting client
 * continues when there is room; no other client is affected.
 * Method: engines with small limits, a client that exceeds each of them, and
 * another that must go on working.
 */
#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define PEERS 40

static struct peer peers[PEERS];
static struct peer good; /* must not be affected */

static void start(uint64_t memory, const struct rpcbuf_engine_options *o)
{
	server_start(memory, o);
	peer_open(&good);
	check_alive(&good);
}

static void finish(void)
{
	check_alive(&good);
	server_stop();
	peer_free(&good);
}

/* A line with the client's port, the subject, and the limit. */
static void check_line(const struct peer *peer, const char *what,
		       const char *limit)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	char port[16];

	getsockname(peer->client, (void *)&address, &len);
	snprintf(port, sizeof(port), "port %u", ntohs(address.sin_port));
	eventually(seen(server.log_lines) > 0);
	pthread_mutex_lock(&server.lock);
	ck_assert_msg(strstr(server.log, "127.0.0.1") &&
			      strstr(server.log, port) &&
			      strstr(server.log, what) &&
			      strstr(server.log, limit),
		      "log: %s; expected %s, %s, %s", server.log, port, what,
		      limit);
	pthread_mutex_unlock(&server.lock);
}

/* Calls in flight: the next one waits, is not lost, and runs in the end. */
START_TEST(calls_in_flight)
{
	struct rpcbuf_engine_options o = server_options();
	unsigned int limit = _i ? 8 : 1, nr = 50, answered = 0;
	char text[32];

	snprintf(text, sizeof(text), "limit %u", limit);
	o.max_calls = limit;
	start(16 << 20, &o);
	peer_open(&peers[0]);
	for (uint32_t i = 0; i < nr; i++)
		send_call(&peers[0], XID(LATER, i % 2 ? MEDIUM : SMALL, i));
	while (answered < nr) {
		/* It continues when a quarter is done, not after each. */
		unsigned int least = rpcbuf_min(limit - limit / 4 + limit / 8,
						nr - answered);

		eventually(nr_later() >= least);
		check_alive(&good);
		ck_assert_uint_le(nr_later(), limit);
		/* A reply to the good client may still be queued. */
		ck_assert_uint_le(stats().in_flight, limit + 1);
		answered += answer_later();
	}
	receive_replies(&peers[0], 0, nr);
	ck_assert_uint_ge(stats().parked_calls, nr / limit / 2);
	check_line(&peers[0], "its calls in flight", text);
	/* One line, however often it waited. */
	ck_assert_uint_eq(seen(server.log_lines), 1);
	ck_assert_uint_eq(seen(peers[0].closed), 0);
	finish();
	peer_free(&peers[0]);
}
END_TEST

/* A connection that waits for its calls ends like others. */
START_TEST(busy_connections_end)
{
	struct rpcbuf_engine_options o = server_options();
	enum rpcbuf_close_reason reason = RPCBUF_CLOSE_DROPPED;
	struct peer *p = &peers[0];

	o.max_calls = 2;
	start(16 << 20, &o);
	peer_open(p);
	for (uint32_t i = 0; i < 3; i++)
		send_call(p, XID(LATER, SMALL, i));
	eventually(stats().parked_calls == 1);
	if (_i == 0) {
		rpcbuf_conn_drop(p->conn);
	} else if (_i == 1) {
		reason = RPCBUF_CLOSE_EOF;
		shutdown(p->client, SHUT_WR);
	} else {
		reason = RPCBUF_CLOSE_STOP;
	}
	check_alive(&good);
	ck_assert_uint_eq(seen(p->closed), 0);
	answer_later();
	if (_i == 1) {
		eventually(nr_later() == 1);
		answer_later();
		receive_replies(p, 0, 3);
	}
	if (_i < 2)
		expect_closed(p, reason);
	else
		eventually(nr_later() == 1);
	answer_later();
	finish();
	peer_free(p);
}
END_TEST

/* The next one is refused; after a close there is room for another. */
START_TEST(connections)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer extra;

	o.max_connections = PEERS + 1;
	start(16 << 20, &o);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
	peer_connect(&extra);
	for (unsigned int round = 0; round < 3; round++) {
		ck_assert_int_eq(rpcbuf_engine_adopt(server.engine, extra.fd,
						     &extra, false,
						     &extra.conn),
				 -EUSERS);
		ck_assert_uint_eq(stats().connections, PEERS + 1);
		ck_assert_uint_eq(stats().refused_connections, round + 1);
		check_line(&extra, "refusing connection", "41, limit 41");
	}
	/* Connections that this process opened are never refused. */
	must(!rpcbuf_engine_adopt(server.engine, extra.fd, &extra, true,
				  &extra.conn));
	rpcbuf_conn_drop(extra.conn);
	expect_closed(&extra, RPCBUF_CLOSE_DROPPED);
	peer_free(&extra);
	for (int i = 0; i < PEERS; i++)
		check_alive(&peers[i]);
	peer_hang_up(&peers[0]);
	expect_closed(&peers[0], RPCBUF_CLOSE_EOF);
	peer_free(&peers[0]);
	peer_open(&peers[0]);
	check_alive(&peers[0]);
	finish();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}
END_TEST

/* Connections without calls leave half of the heap to calls: the first call
 * runs, after as many connections as can be had. */
START_TEST(idle_connections)
{
	struct rpcbuf_engine_options o = server_options();
	const uint64_t limit = PEERS * sizeof(struct rpcbuf_conn);
	char text[32];
	int err = 0, i;

	snprintf(text, sizeof(text), "limit %llu",
		 (unsigned long long)limit / 2);
	server_start(16 << 20, &o);
	server.engine->heap.limit = limit;
	for (i = 0; i < PEERS; i++) {
		peer_connect(&peers[i]);
		err = rpcbuf_engine_adopt(server.engine, peers[i].fd, &peers[i],
					  false, &peers[i].conn);
		if (err)
			break;
	}
	ck_assert_int_eq(err, -EUSERS);
	check_alive(&peers[0]);
	check_line(&peers[i], "bytes of connections: ", text);
	ck_assert_int_eq(i, PEERS / 2);
	server_stop();
	close(peers[i].fd);
	peer_hang_up(&peers[i]);
	while (i--)
		peer_free(&peers[i]);
}
END_TEST

/* Calls use all of the heap, and more calls wait for some. Replies to calls of
 * this process, which the running calls may wait for, are received all the
 * same. */
START_TEST(calls_without_heap)
{
	struct rpcbuf_engine_options o = server_options();
	const int nr = 4, each = 20;
	struct peer ours;
	int done = 0;

	server_start(16 << 20, &o);
	server.engine->heap.limit = PEERS * sizeof(struct rpcbuf_conn);
	peer_connect(&ours);
	must(rpcbuf_engine_adopt(server.engine, ours.fd, &ours, true,
				 &ours.conn) == 0);
	if (_i)
		check_alive(&ours);
	for (int i = 0; i < nr; i++)
		peer_open(&peers[i]);
	for (int i = 0; i < nr * each; i++)
		send_call(&peers[i % nr],
			  XID(LATER, SMALL, (uint32_t)(i / nr)));
	eventually(stats().parked_pages >= (unsigned int)nr);
	ck_assert_uint_lt(nr_later(), (unsigned int)(nr * each));
	for (int i = 0; i < 20; i++)
		check_alive(&ours);
	/* Waiting calls run when others are done. */
	while (done < nr * each)
		done += (int)answer_later();
	for (int i = 0; i < nr; i++)
		receive_replies(&peers[i], 0, (unsigned int)each);
	server_stop();
	peer_free(&ours);
	for (int i = 0; i < nr; i++)
		peer_free(&peers[i]);
}
END_TEST

/* Sends half of a call of the largest size. */
static void send_half(struct peer *peer)
{
	size_t len;
	uint8_t *record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);

	must(send_bytes(peer, record, len / 2));
	free(record);
}

static void send_rest(struct peer *peer)
{
	size_t len;
	uint8_t *record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);

	must(send_bytes(peer, record + len / 2, len - len / 2));
	free(record);
}

/*
 * Partial records stay within their limit. A connection above its own limit
 * continues when it has the grant: all calls are answered.
 */
START_TEST(partial_records)
{
	struct rpcbuf_engine_options o = server_options();
	const uint32_t limit = 40 << RPCBUF_PAGE_SHIFT;
	unsigned int nr = 6, i;

	if (_i == 0)
		o.max_partial = limit;
	else
		o.max_partial_conn = limit / 4;
	start(16 << 20, &o);
	for (i = 0; i < nr; i++) {
		peer_open(&peers[i]);
		send_half(&peers[i]);
	}
	eventually(stats().parked_partial >= nr - 2);
	for (i = 0; i < 20; i++) {
		check_alive(&good);
		/* The holder of the grant may hold a record, and a connection
		 * without pages may receive one. */
		ck_assert_uint_le(stats().held_pages,
				  65 + (_i ? (nr - 1) * 11 : 40 + nr));
	}
	/* One client may hold half. Which of the two limits the last line names
	 * depends on the order of the checks. */
	if (_i == 0)
		ck_assert_msg(strstr(server.log, "its client's partial "
						 "records") ||
				      strstr(server.log,
					     "all partial records"),
			      "log: %s", server.log);
	else
		ck_assert(strstr(server.log, "bytes of its partial record:"));
	ck_assert(strstr(server.log, _i ? "limit 40960" : "limit "));
	for (i = 0; i < nr; i++)
		send_rest(&peers[i]);
	for (i = 0; i < nr; i++)
		receive_replies(&peers[i], 0, 1);
	ck_assert_uint_eq(stats().records_refused, 0);
	eventually(stats().held_pages == 0);
	finish();
	for (i = 0; i < nr; i++)
		peer_free(&peers[i]);
}
END_TEST

/* A mark with the largest length takes no memory: it is refused, or, where such
 * a record is allowed, one page holds it. */
START_TEST(claims)
{
	struct rpcbuf_engine_options o = server_options();
	static const uint8_t mark[4] = { 0, 4, 0, 0 }; /* MAX_CALL */
	uint64_t heap;

	start(16 << 20, &o);
	heap = stats().heap_bytes;
	for (int i = 0; i < PEERS; i++) {
		peer_open(&peers[i]);
		send_bytes(&peers[i], i % 2 ? "\xff\xff\xff\xff" : (void *)mark,
			   4);
	}
	for (int i = 1; i < PEERS; i += 2)
		expect_closed(&peers[i], RPCBUF_CLOSE_REFUSED);
	eventually(stats().held_pages == PEERS / 2);
	ck_assert_uint_le(stats().heap_bytes - heap, PEERS * 4096);
	ck_assert_uint_eq(stats().refused_length, PEERS / 2);
	finish();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_bounds");
	TCase *tcase = tcase_create("bounds");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, calls_in_flight, 0, 2);
	tcase_add_loop_test(tcase, busy_connections_end, 0, 3);
	tcase_add_test(tcase, connections);
	tcase_add_test(tcase, idle_connections);
	tcase_add_loop_test(tcase, calls_without_heap, 0, 2);
	tcase_add_loop_test(tcase, partial_records, 0, 2);
	tcase_add_test(tcase, claims);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
