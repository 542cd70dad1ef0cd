/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a record that breaks a limit closes its connection and nothing else,
 * with a line that names limit, value and client; a record that takes too long
 * is ended; one that only waits is not; a budget of few pages serves all in
 * turn.
 * Method: clients that send too much, too little, too many pieces, too slowly
 * or nothing, beside one that must go on working.
 */
#include <signal.h>
#include <sys/wait.h>

#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define PEERS 30
/* Seconds; longer than other load may delay a test. */
#define SLOW_LIMIT 3

static struct peer peers[PEERS];
static struct peer good; /* must not be affected */

static void start(uint64_t memory, const struct rpcbuf_engine_options *o)
{
	server_start(memory, o);
	peer_open(&good);
	check_alive(&good);
}

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	start(16 << 20, &o);
}

/* One second is the shortest limit. */
static void setup_short_times(void)
{
	struct rpcbuf_engine_options o = server_options();

	o.idle_timeout = 1;
	o.record_timeout = 1;
	server_start(16 << 20, &o);
}

static void teardown(void)
{
	check_alive(&good);
	server_stop();
	peer_free(&good);
}

static void expect_refused(struct peer *peer)
{
	expect_end(peer);
	expect_closed(peer, RPCBUF_CLOSE_REFUSED);
}

/* One line names the client, the value and the limit. */
static void check_log(struct peer *peer, const char *value, const char *limit)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);
	char port[16];

	getsockname(peer->client, (void *)&address, &len);
	snprintf(port, sizeof(port), "%u", ntohs(address.sin_port));
	pthread_mutex_lock(&server.lock);
	ck_assert_uint_eq(server.log_lines, 1);
	ck_assert_msg(strstr(server.log, "127.0.0.1") &&
			      strstr(server.log, port) &&
			      strstr(server.log, value) &&
			      strstr(server.log, limit),
		      "log: %s; expected port %s, %s and %s", server.log, port,
		      value, limit);
	pthread_mutex_unlock(&server.lock);
}

START_TEST(too_long)
{
	struct peer *p = &peers[0];
	uint8_t marks[2][4] = { { 0, 0, 0, 0 } };

	peer_open(p);
	check_alive(p);
	if (_i == 0) {
		wire_mark(marks[1], MAX_CALL + 1, true);
	} else {
		wire_mark(marks[1], RPCBUF_MARK_LAST - 1, false);
	}
	send_bytes(p, marks, 8);
	expect_refused(p);
	check_log(p, _i ? "2147483647" : "262145", "262144");
	ck_assert_uint_eq(stats().refused_length, 1);
	ck_assert_uint_eq(stats().records_refused, 1);
	peer_free(p);
}
END_TEST

START_TEST(too_many_fragments)
{
	static const uint8_t marks[1001 * RPCBUF_MARK_SIZE];
	struct peer *p = &peers[0];

	peer_open(p);
	send_bytes(p, marks, sizeof(marks) - 1);
	eventually(stats().bytes_received >= sizeof(marks) - 1);
	check_alive(&good);
	ck_assert_uint_eq(seen(p->closed), 0);
	send_bytes(p, marks, 1);
	expect_refused(p);
	check_log(p, "1001", "1000");
	ck_assert_uint_eq(stats().refused_fragments, 1);
	peer_free(p);
}
END_TEST

/* Shorter than a call; long enough for a reply. */
START_TEST(too_short)
{
	static const uint8_t lengths[] = { 0, 19, 39, 20 };
	struct peer *p = &peers[0];
	uint8_t bytes[64] = { 0x80, 0, 0, lengths[_i] };
	char value[8];

	snprintf(value, sizeof(value), " %u,", lengths[_i]);
	peer_open(p);
	send_bytes(p, bytes, RPCBUF_MARK_SIZE + lengths[_i]);
	expect_refused(p);
	check_log(p, value, lengths[_i] < 20 ? "20" : "40");
	ck_assert_uint_eq(stats().refused_short, 1);
	ck_assert_uint_eq(p->calls, 0);
	peer_free(p);
}
END_TEST

/* Calls before the bad record run and are answered first. */
START_TEST(calls_before_a_refusal)
{
	struct peer *p = &peers[0];

	peer_open(p);
	send_call(p, XID(LATER, SMALL, 0));
	send_call(p, XID(LATER, MEDIUM, 1));
	send_bytes(p, "\xff\xff\xff\xff", 4);
	eventually(nr_later() == 2);
	eventually(stats().records_refused == 1);
	ck_assert_uint_eq(seen(p->closed), 0);
	answer_later();
	receive_replies(p, 0, 2);
	expect_refused(p);
	peer_free(p);
}
END_TEST

/* Many refusals are all counted, while the log stays readable. */
START_TEST(log_is_limited)
{
	uint64_t before = os_now();
	unsigned int rounds = 10, i, j;

	for (j = 0; j < rounds; j++) {
		for (i = 0; i < PEERS; i++) {
			peer_open(&peers[i]);
			send_bytes(&peers[i], "\xff\xff\xff\xff", 4);
		}
		for (i = 0; i < PEERS; i++) {
			expect_refused(&peers[i]);
			peer_free(&peers[i]);
		}
	}
	ck_assert_uint_eq(stats().records_refused, PEERS * rounds);
	ck_assert_uint_ge(seen(server.log_lines), 10);
	/* Ten lines a second, and one about the suppressed ones. */
	ck_assert_uint_le(seen(server.log_lines),
			  11 * (unsigned int)((os_now() - before) / OS_SECOND_NS + 2));
}
END_TEST

/* Nothing for a second: idle.  With a call in flight: not. */
START_TEST(idle)
{
	struct peer *busy = &peers[1];

	peer_open(busy);
	send_call(busy, XID(LATER, SMALL, 0));
	eventually(nr_later() == 1);
	for (int round = 0; round < 2; round++) {
		struct peer *p = &peers[0];

		peer_open(p);
		expect_end(p);
		expect_closed(p, RPCBUF_CLOSE_IDLE);
		if (round == 0)
			check_log(p, "idle, seconds: ", "limit 1");
		peer_free(p);
	}
	ck_assert_uint_eq(seen(busy->closed), 0);
	ck_assert_uint_eq(stats().closed_idle, 2);
	answer_later();
	receive_replies(busy, 0, 1);
	expect_closed(busy, RPCBUF_CLOSE_IDLE);
	peer_free(busy);
	server_stop();
}
END_TEST

/* A waiting connection has sent something, so it is not idle.  The first one
 * holds all that partial records may, until its time is over, which is
 * longer. */
START_TEST(waiting_is_not_idle)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer *slow = &peers[0], *waits = &peers[1];
	static const uint8_t half[MAX_CALL / 2];
	uint8_t mark[RPCBUF_MARK_SIZE];

	o.receivers = 1;
	o.idle_timeout = 1;
	o.record_timeout = 3;
	o.max_partial = MAX_CALL / 4;
	server_start(16 << 20, &o);
	peer_open(slow);
	wire_mark(mark, MAX_CALL, true);
	send_bytes(slow, mark, sizeof(mark));
	send_bytes(slow, half, sizeof(half));
	eventually(stats().bytes_received >= sizeof(half));
	peer_open(waits);
	send_call(waits, XID(ECHO, LONGEST, 0));
	while (!seen(slow->closed)) {
		send_bytes(slow, "x", 1);
		usleep(100000);
	}
	receive_replies(waits, 0, 1);
	ck_assert_uint_ge(stats().parked_partial, 1);
	peer_hang_up(slow);
	peer_hang_up(waits);
	server_stop();
	peer_free(slow);
	peer_free(waits);
}
END_TEST

/* A record that is never finished, silent or trickling. */
START_TEST(unfinished_record)
{
	struct peer *p = &peers[0];

	peer_open(p);
	send_bytes(p, "\0\0\x10\0half", 8);
	while (_i && !seen(p->closed)) {
		send_bytes(p, "x", 1);
		usleep(100000);
	}
	expect_refused(p);
	ck_assert_uint_eq(stats().refused_timeout, 1);
	ck_assert_uint_eq(stats().closed_idle, 0);
	peer_free(p);
	server_stop();
}
END_TEST

/* A record that takes several times the record timeout, as on a slow link. */
START_TEST(slow_link)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer *p = &peers[0];
	size_t len, at, n;
	uint8_t *record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);

	o.record_timeout = SLOW_LIMIT;
	server_start(16 << 20, &o);
	peer_open(p);
	for (at = 0; at < len; at += n) {
		n = len - at < 1024 ? len - at : 1024;
		must(send_bytes(p, record + at, n));
		usleep(20000);
	}
	receive_replies(p, 0, 1);
	ck_assert_uint_eq(stats().records_refused, 0);
	free(record);
	peer_hang_up(p);
	server_stop();
	peer_free(p);
}
END_TEST

/* A record that was begun just now, and whose time is over. */
static void let_time_pass(void)
{
	static struct peer silent;

	peer_open(&silent);
	send_bytes(&silent, "\0\0\x10\0half", 8);
	expect_refused(&silent);
	peer_free(&silent);
}

/* The engine stops reading because of calls in flight: the rest of a record
 * waits for that, not for its peer. */
START_TEST(time_of_ours)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer *p = &peers[0];
	size_t first_len, len;
	uint8_t *first, *record;

	first = call_record(XID(LATER, SMALL, 0), 1, NULL,
			    &first_len);
	record = call_record(XID(ECHO, SMALL, 1), 1, NULL, &len);
	first = realloc(first, first_len + len);
	memcpy(first + first_len, record, len);
	o.receivers = 1;
	o.max_calls = 1;
	o.record_timeout = SLOW_LIMIT;
	server_start_with(16 << 20, &o, &handlers);
	peer_open(p);
	send_bytes(p, first, first_len + len / 2);
	eventually(stats().parked_calls == 1);
	let_time_pass();
	ck_assert_uint_eq(seen(p->calls), 1);
	answer_later();
	/* From now on the engine waits for the peer. */
	eventually(os_load(&p->conn->reception.state) ==
			   RECEPTION_WATCHED ||
		   seen(p->closed));
	ck_assert_uint_eq(seen(p->closed), 0);
	send_bytes(p, record + len / 2, len - len / 2);
	receive_replies(p, 0, 2);
	ck_assert_uint_eq(stats().refused_timeout, 1);
	free(first);
	free(record);
	peer_hang_up(p);
	server_stop();
	peer_free(p);
}
END_TEST

/* Another process sends @record to @p, and stops this process in the middle,
 * for longer than the record timeout. */
static void send_and_stop(pid_t us, const struct peer *p, const uint8_t *record,
			  size_t len, bool meanwhile)
{
	size_t half = len / 2, piece = meanwhile ? len / 1000 : 0;

	if (send(p->client, record, half, 0) != (ssize_t)half)
		_exit(1);
	usleep(100000);
	kill(us, SIGSTOP);
	for (int i = 0; i < (SLOW_LIMIT + 2) * 10; i++, half += piece) {
		if (send(p->client, record + half, piece, 0) != (ssize_t)piece)
			_exit(1);
		usleep(100000);
	}
	kill(us, SIGCONT);
	usleep(300000);
	_exit(send(p->client, record + half, len - half, 0) !=
	      (ssize_t)(len - half));
}

/* The server was stopped, while its client went on sending or not. */
START_TEST(stopped)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer *p = &peers[0];
	size_t len;
	uint8_t *record = call_record(XID(ECHO, MEDIUM, 0), 1, NULL, &len);
	int status;
	pid_t us = getpid(), pid;

	o.record_timeout = SLOW_LIMIT;
	server_start(16 << 20, &o);
	peer_open(p);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		send_and_stop(us, p, record, len, _i == 0);
	must(waitpid(pid, &status, 0) == pid && status == 0);
	receive_replies(p, 0, 1);
	ck_assert_uint_eq(stats().records_refused, 0);
	free(record);
	peer_hang_up(p);
	server_stop();
	peer_free(p);
}
END_TEST

/* A connection of outgoing calls may be silent, and may be slow. */
START_TEST(outgoing_has_no_limits)
{
	struct peer *p = &peers[0], *idle_one = &peers[1];

	peer_connect(p);
	must(rpcbuf_engine_adopt(server.engine, p->fd, p, true, &p->conn) == 0);
	for (int round = 0; round < 3; round++) {
		send_bytes(p, "\0\0\0\1x", 5);
		peer_open(idle_one);
		expect_closed(idle_one, RPCBUF_CLOSE_IDLE);
		peer_free(idle_one);
	}
	ck_assert_uint_eq(seen(p->closed), 0);
	server_stop();
	peer_free(p);
}
END_TEST

static unsigned int nr_opened;

/* The owner opens another connection as soon as one is closed. */
static void open_next(void *data, enum rpcbuf_close_reason reason)
{
	on_closed(data, reason);
	if (reason != RPCBUF_CLOSE_DROPPED)
		return;
	peer_open(&peers[seen(nr_opened) + 1]);
	count(nr_opened);
}

/* A connection is adopted during a scan for idle ones. */
START_TEST(adopted_during_a_look)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;

	with.closed = open_next;
	o.receivers = 1;
	o.idle_timeout = 50;
	server_start_with(16 << 20, &o, &with);
	peer_open(&peers[0]);
	for (unsigned int i = 0; i < PEERS - 1; i++) {
		rpcbuf_conn_drop(peers[i].conn);
		eventually(seen(nr_opened) == i + 1);
		check_alive(&peers[i + 1]);
		usleep(100000);
	}
	ck_assert_uint_eq(stats().closed_idle, 0);
	server_stop();
	for (unsigned int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}
END_TEST

static const struct backend no_backend = {.name = "none"};

/* A loop without a thread, and a connection without a socket. */
static struct rpcbuf_conn *make_alone(struct rpcbuf_engine *engine,
				      struct loop *loop)
{
	*engine = (struct rpcbuf_engine){.loops = loop, .nr_loops = 1};
	memset(loop, 0, sizeof(*loop));
	loop->engine = engine;
	loop->backend = &no_backend;
	clients_init(&engine->clients);
	conns_init(loop);
	return conn_create(loop, client_get(engine, -1, true), -1, NULL, false);
}

static void free_alone(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	list_del(&conn->member.link);
	client_put(engine, conn->part->client);
	rpcbuf_conn_put(conn);
	rpcbuf_conn_put(conn);
	clients_exit(&engine->clients);
}

/* All times from which peers are waited for. */
static uint64_t *since(struct rpcbuf_conn *conn, unsigned int i)
{
	uint64_t *const all[] = {
		&conn->times.progress_ns,  &conn->times.record_ns,
		&conn->times.slow_ns,	   &conn->admit.quota.over_quota_ns,
		&conn->admit.gate_entry.idle_ns, &conn->sending.out.blocked_ns,
	};

	return i < WIRE_NR(all) ? all[i] : NULL;
}

static void check_since(struct rpcbuf_conn *conn, uint64_t expected)
{
	for (unsigned int i = 0; since(conn, i); i++)
		ck_assert_uint_eq(*since(conn, i), expected);
}

static void set_since(struct rpcbuf_conn *conn, uint64_t ns)
{
	for (unsigned int i = 0; since(conn, i); i++)
		*since(conn, i) = ns;
}

/* A late scan is not the peers' fault: their times move by the delay of the
 * scan, but not past now.  A small delay, and unset times, change nothing. */
START_TEST(time_without_a_look)
{
	const uint64_t begin = 100 * OS_SECOND_NS, late = 7 * OS_SECOND_NS;
	struct rpcbuf_engine *engine = malloc(sizeof(*engine));
	struct loop *loop = aligned_alloc(64, sizeof(*loop));
	struct rpcbuf_conn *conn = make_alone(engine, loop);

	list_add_tail(&conn->member.link, &loop->conns.all);
	loop->now_ns = begin + 2 * late;
	set_since(conn, begin);
	loop_excuse(loop, 0);
	loop_excuse(loop, LAG_SCAN_NS);
	loop_excuse(loop, 2 * LAG_SCAN_NS);
	check_since(conn, begin);
	loop_excuse(loop, 2 * LAG_SCAN_NS + 1);
	check_since(conn, begin + LAG_SCAN_NS + 1);
	set_since(conn, begin);
	loop_excuse(loop, late);
	check_since(conn, begin + late - LAG_SCAN_NS);
	set_since(conn, loop->now_ns - 1);
	loop_excuse(loop, late);
	check_since(conn, loop->now_ns);
	set_since(conn, 0);
	loop_excuse(loop, late);
	check_since(conn, 0);
	free_alone(conn);
	free(loop);
	free(engine);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_limits");
	TCase *tcase = tcase_create("refusals"), *times = tcase_create("times");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, too_long, 0, 2);
	tcase_add_test(tcase, too_many_fragments);
	tcase_add_loop_test(tcase, too_short, 0, 4);
	tcase_add_test(tcase, calls_before_a_refusal);
	tcase_add_test(tcase, log_is_limited);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(times, 2 * GUARD_S);
	tcase_add_checked_fixture(times, setup_short_times, NULL);
	tcase_add_test(times, idle);
	tcase_add_loop_test(times, unfinished_record, 0, 2);
	tcase_add_test(times, outgoing_has_no_limits);
	suite_add_tcase(suite, times);
	times = tcase_create("own set-up");
	tcase_set_timeout(times, 2 * GUARD_S);
	tcase_add_test(times, adopted_during_a_look);
	tcase_add_test(times, waiting_is_not_idle);
	tcase_add_test(times, slow_link);
	tcase_add_test(times, time_of_ours);
	tcase_add_loop_test(times, stopped, 0, 2);
	suite_add_tcase(suite, times);
	times = tcase_create("without a thread");
	tcase_add_test(times, time_without_a_look);
	suite_add_tcase(suite, times);
	return wire_run(suite);
}
