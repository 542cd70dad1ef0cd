/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: replies given to the engine arrive whole and in order, however little
 * the socket takes at a time and on whatever thread.  A client that does not
 * read is not read from, delays no other, and is closed in the end.  Unsent
 * bytes are counted exactly, are sent while the engine stops, and are released
 * when the connection ends, at any moment.
 * Method: an engine on sockets whose buffers take 4 KiB, with replies of sizes
 * around these; readers that stop within each reply and continue, reset, or
 * come too late; replies of other threads, and of calls that sleep; each memory
 * request fails in turn; the monitor takes the loop in between, and the server
 * is stopped for a while.
 */
#include <rpcbuf/fault.h>
#include <signal.h>
#include <sys/wait.h>

#include "engine_util.h"
#include "reply_util.h"
#include "rpcbuf/engine/engine_private.h"

#define NUMBER 3u

/* Number of lent bytes of the reply to call @n of a connection; 0: none. */
static uint32_t lent_to_calls;
static unsigned int answers, held_back, no_memory, asked, shortened;
static bool may_be_short;

static struct shape shape_of(uint32_t lends)
{
	return (struct shape){40, 100, lends, lends ? 1000 : 1};
}

/* A release may ask the engine: the engine calls it without a lock. */
static void ask_engine(void *arg)
{
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;

	(void)arg;
	rpcbuf_engine_stats(server.engine, &s);
	count(asked);
}

/* All replies are equal: two threads may answer two calls in another order. */
static void answer(struct rpcbuf_call *call)
{
	bool be_short = may_be_short && rpcbuf_call_be_short(call);
	struct shape s = shape_of(be_short ? 0 : lent_to_calls);
	struct rpcbuf_reply *reply = reply_make(server.mm, NUMBER, &s);

	if (be_short)
		count(shortened);
	if (!reply)
		count(no_memory);
	else
		must(!rpcbuf_reply_own_ref(reply, 0, ask_engine, NULL));
	if (reply && rpcbuf_call_reply(call, reply) == 1)
		count(held_back);
	rpcbuf_call_done(call);
	count(answers);
}

static void on_sending_call(struct rpcbuf_call *call)
{
	struct peer *peer = call->conn_data;
	struct rpcbuf_cursor cursor;
	uint8_t xid[4];

	rpcbuf_cursor_init(&cursor, &call->message);
	must(rpcbuf_cursor_read(&cursor, xid, 4) == 0);
	count(peer->calls);
	if (xid[0] >> 4 == BLOCK)
		wait_at_gate();
	if (xid[0] >> 4 != LATER) {
		answer(call);
		return;
	}
	pthread_mutex_lock(&server.lock);
	server.later[server.nr_later++] = call;
	pthread_mutex_unlock(&server.lock);
}

static void start_in(uint64_t memory, const struct rpcbuf_engine_options *o)
{
	struct rpcbuf_handlers with = handlers;

	with.call = on_sending_call;
	lend();
	answers = held_back = no_memory = asked = shortened = 0;
	server_start_with(memory, o, &with);
}

static void start_with(const struct rpcbuf_engine_options *o)
{
	start_in(64 << 20, o);
}

static void start(uint32_t lends)
{
	struct rpcbuf_engine_options o = server_options();

	lent_to_calls = lends;
	start_with(&o);
}

static void stop(void)
{
	server_stop();
	ck_assert(all_returned());
}

/* Gives a connection small socket buffers. */
static void narrow(struct peer *peer)
{
	int room = 4096;

	peer_connect_with(peer, room);
	setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	must(rpcbuf_engine_adopt(server.engine, peer->fd, peer, false,
				 &peer->conn) == 0);
}

static void ask(struct peer *peer, unsigned int nr, uint32_t how)
{
	for (uint32_t i = 0; i < nr; i++)
		must(send_call(peer, XID(how, SMALL, i)));
}

/* Reads up to byte @to of the stream; *@at bytes were read before. */
static void read_to(struct peer *peer, size_t *at, size_t to)
{
	struct shape s = shape_of(lent_to_calls);
	struct pollfd pfd = {.fd = peer->client, .events = POLLIN};
	uint8_t bytes[65536];
	size_t len = shape_bytes(&s);

	while (*at < to) {
		ssize_t n;

		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		n = recv(peer->client, bytes,
			 rpcbuf_min(sizeof(bytes), to - *at), 0);
		must(n > 0);
		for (ssize_t i = 0; i < n; i++, ++*at)
			must(bytes[i] == shape_byte(&s, NUMBER, *at % len));
	}
}

static size_t reply_len(void)
{
	struct shape s = shape_of(lent_to_calls);

	return shape_bytes(&s);
}

static bool server_said(const char *words)
{
	bool found;

	pthread_mutex_lock(&server.lock);
	found = strstr(server.log, words);
	pthread_mutex_unlock(&server.lock);
	return found;
}

/* It sends no more, and ends. */
static void bye(struct peer *peer)
{
	peer_hang_up(peer);
	eventually(seen(peer->closed) == 1);
	peer_free(peer);
}

START_TEST(arrive)
{
	struct peer peer;
	size_t at = 0;

	start(_i ? 30000 : 0);
	peer_open(&peer);
	for (uint32_t i = 0; i < 50; i++) {
		ask(&peer, 1, i % 3 == 2 ? LATER : ECHO);
		if (i % 3 == 2) {
			eventually(nr_later() == 1);
			answer(server.later[--server.nr_later]);
		}
		read_to(&peer, &at, (i + 1) * reply_len());
	}
	eventually(all_returned());
	ck_assert_uint_eq(stats().unsent_bytes, 0);
	bye(&peer);
	stop();
}
END_TEST

/* Calls that arrive together: their replies leave in few system calls, and the
 * last waits for nothing. */
START_TEST(together)
{
	struct peer peer;
	uint8_t calls[20 * 200];
	size_t at = 0, end = 0, len;

	start(0);
	peer_open(&peer);
	for (uint32_t i = 0; i < 20; i++) {
		uint8_t *call = call_record(XID(ECHO, SMALL, i), 1, NULL, &len);

		memcpy(calls + end, call, len);
		end += len;
		free(call);
	}
	must(send_bytes(&peer, calls, end));
	read_to(&peer, &at, 20 * reply_len());
	must(seen(held_back) > 0 && stats().batches > 0);
	bye(&peer);
	stop();
}
END_TEST

/* The batch into which the monitor breaks: @intrude is the number of the
 * notification. */
static unsigned int intrude, nr_told;

void __real_out_more(struct rpcbuf_out *out, bool more);
void __wrap_out_more(struct rpcbuf_out *out, bool more);

void __wrap_out_more(struct rpcbuf_out *out, bool more)
{
	struct rpcbuf_conn *conn = rpcbuf_container_of(
		rpcbuf_container_of(out, struct sending, out),
		struct rpcbuf_conn, sending);

	if (count(nr_told) == seen(intrude)) {
		pthread_mutex_lock(&server.engine->monitor.lock);
		batch_uncork_late(conn->loop);
		pthread_mutex_unlock(&server.engine->monitor.lock);
	}
	__real_out_more(out, more);
}

/* Whenever the monitor comes, corked replies leave. */
START_TEST(monitor_comes_in_between)
{
	struct peer peer;
	uint8_t calls[6 * 200];
	size_t at = 0, end = 0, len;

	start(0);
	peer_open(&peer);
	for (uint32_t i = 0; i < 6; i++) {
		uint8_t *call = call_record(XID(ECHO, SMALL, i), 1, NULL, &len);

		memcpy(calls + end, call, len);
		end += len;
		free(call);
	}
	for (uint32_t i = 1; i <= 12; i++) {
		__atomic_store_n(&nr_told, 0, __ATOMIC_RELEASE);
		__atomic_store_n(&intrude, i, __ATOMIC_RELEASE);
		must(send_bytes(&peer, calls, end));
		read_to(&peer, &at, i * 6 * reply_len());
	}
	__atomic_store_n(&intrude, 0, __ATOMIC_RELEASE);
	bye(&peer);
	stop();
}
END_TEST

/* Replies before a call that does not end leave while it runs. */
START_TEST(behind_a_long_call)
{
	struct peer peer;
	uint8_t calls[3 * 200];
	size_t at = 0, end = 0, len;

	start(0);
	set_gate(false);
	peer_open(&peer);
	for (uint32_t i = 0; i < 3; i++) {
		uint8_t *call = call_record(
			XID(i == 1 ? BLOCK : ECHO, SMALL, i), 1, NULL, &len);

		memcpy(calls + end, call, len);
		end += len;
		free(call);
	}
	must(send_bytes(&peer, calls, end));
	read_to(&peer, &at, reply_len());
	set_gate(true);
	eventually(seen(answers) == 3);
	bye(&peer);
	stop();
}
END_TEST

/* The reader stops within each reply, at every part of it, and continues. */
START_TEST(stops_and_goes_on)
{
	static const size_t within[] = {1, 39, 40, 41, 141, 2000, 4095, 6900};
	struct peer peer;
	size_t at = 0;

	start(7000);
	narrow(&peer);
	for (uint32_t i = 0; i < WIRE_NR(within); i++) {
		size_t base = 4 * i * reply_len();

		ask(&peer, 4, ECHO);
		eventually(seen(answers) == 4 * (i + 1));
		for (uint32_t r = 0; r < 4; r++) {
			read_to(&peer, &at, base + r * reply_len() + within[i]);
			/* Others are served meanwhile. */
			must(stats().unsent_bytes <= 4 * reply_len());
		}
		read_to(&peer, &at, base + 4 * reply_len());
		eventually(stats().unsent_bytes == 0);
	}
	eventually(all_returned());
	bye(&peer);
	stop();
}
END_TEST

/* With a full socket a connection is not read from until its peer has read;
 * others are. */
START_TEST(waits_for_its_reader)
{
	struct peer peer, other;
	unsigned int nr = 12;
	size_t at = 0;

	start(100000);
	narrow(&peer);
	ask(&peer, nr, ECHO);
	eventually(stats().parked_unsent == 1);
	/* A full socket is no reason for a line in the log. */
	must(seen(answers) == 1);
	must(!server_said("bytes of its unread replies"));
	must(stats().unsent_bytes <= reply_len());
	peer_open(&other);
	ask(&other, 1, ECHO);
	{
		size_t other_at = 0;

		read_to(&other, &other_at, reply_len());
	}
	must(seen(peer.calls) == 1);
	read_to(&peer, &at, nr * reply_len());
	must(seen(peer.calls) == nr && stats().parked_unsent > 1);
	eventually(stats().unsent_bytes == 0 && all_returned());
	bye(&peer);
	bye(&other);
	stop();
}
END_TEST

/* Calls that were begun before are answered all the same.  Above its limit,
 * which is not less than one reply of the longest record, there is a line in
 * the log. */
START_TEST(beyond_its_bound)
{
	struct rpcbuf_engine_options o = server_options();
	unsigned int nr = MAX_CALL / 100000 + 3;
	struct peer peer;
	size_t at = 0;

	lent_to_calls = 100000;
	o.max_unsent = 1;
	start_with(&o);
	narrow(&peer);
	ask(&peer, nr, LATER);
	eventually(seen(peer.calls) == nr);
	for (unsigned int i = 0; i < nr; i++)
		answer(server.later[i]);
	must(stats().unsent_bytes >= (nr - 1) * reply_len());
	ask(&peer, 1, ECHO);
	eventually(server_said("bytes of its unread replies"));
	must(stats().parked_unsent == 1 && seen(answers) == nr);
	read_to(&peer, &at, (nr + 1) * reply_len());
	eventually(stats().unsent_bytes == 0 && all_returned());
	bye(&peer);
	stop();
}
END_TEST

static uint64_t kept_by(const struct peer *peer)
{
	return __atomic_load_n(&peer->conn->sending.out.pinned,
			       __ATOMIC_RELAXED);
}

/*
 * Replies to all clients have a limit: above it, connections with any unsent
 * replies are not read from, though each is below its own limit.  Others are
 * served, and once the replies are read the rest is answered.  The count equals
 * what is in the lists.
 */
START_TEST(all_have_a_bound)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer peers[40], other;
	const struct rpcbuf_engine *engine;
	uint64_t one, sum = 0;
	size_t at = 0;

	lent_to_calls = 30000;
	start_in(8 << 20, &o);
	engine = server.engine;
	ck_assert_uint_eq(engine->unsent_limit, 2 << 20);
	one = lent_to_calls + 2 * RPCBUF_PAGE_SIZE;
	for (unsigned int i = 0; i < WIRE_NR(peers); i++) {
		narrow(&peers[i]);
		ask(&peers[i], 8, ECHO);
	}
	eventually(stats().parked_unsent >= WIRE_NR(peers));
	eventually(seen(engine->flight.nr) == 0);
	for (unsigned int i = 0; i < WIRE_NR(peers); i++)
		sum += kept_by(&peers[i]);
	ck_assert_uint_eq(seen(engine->unsent_pinned), sum);
	ck_assert_uint_gt(sum, engine->unsent_limit);
	ck_assert_uint_le(sum, engine->unsent_limit + WIRE_NR(peers) * one);
	peer_open(&other);
	for (uint32_t i = 1; i <= 20; i++) {
		ask(&other, 1, ECHO);
		read_to(&other, &at, i * reply_len());
	}
	for (unsigned int i = 0; i < WIRE_NR(peers); i++) {
		at = 0;
		read_to(&peers[i], &at, 8 * reply_len());
	}
	eventually(seen(engine->unsent_pinned) == 0 && all_returned());
	ck_assert_uint_eq(stats().unsent_bytes, 0);
	for (unsigned int i = 0; i < WIRE_NR(peers); i++)
		bye(&peers[i]);
	bye(&other);
	stop();
}
END_TEST

/*
 * Each of many connections has a reply that its peer does not read.  From half
 * of the budget on replies are shortened: however many there are, they pin no
 * more than that, and a page each.  Another client, which reads, gets whole
 * ones; and in the end all do.  Connections of as many clients pin three
 * quarters.
 */
START_TEST(many_are_short)
{
	struct rpcbuf_engine_options o = server_options();
	static struct peer peers[250];
	const uint64_t most = (_i ? 3 : 2) << 20;
	struct peer other;
	size_t at = 0;

	may_be_short = true;
	lent_to_calls = 100000;
	start_in(4 << 20, &o);
	for (unsigned int i = 0; i < WIRE_NR(peers); i++) {
		peer_source = INADDR_LOOPBACK + (_i ? 2 + i : 0);
		narrow(&peers[i]);
		ask(&peers[i], 1, ECHO);
		eventually(seen(answers) == i + 1);
		ck_assert_uint_le(stats().unsent_kept_bytes,
				  most + lent_to_calls +
					  2 * RPCBUF_PAGE_SIZE * (i + 1));
	}
	ck_assert_uint_ge(stats().unsent_kept_bytes, most);
	ck_assert_uint_eq(stats().short_replies, seen(shortened));
	ck_assert_uint_gt(seen(shortened), WIRE_NR(peers) / 2);
	ck_assert(server_said("shortening READ replies"));
	peer_source = INADDR_LOOPBACK + 1;
	peer_open(&other);
	peer_source = 0;
	ask(&other, 1, ECHO);
	if (_i == 0)
		read_to(&other, &at, reply_len());
	eventually(seen(answers) == WIRE_NR(peers) + 1);
	for (unsigned int i = 0; i < WIRE_NR(peers); i++)
		bye(&peers[i]);
	eventually(stats().unsent_kept_bytes == 0);
	at = seen(shortened);
	peer_open(&peers[0]);
	ask(&peers[0], 1, ECHO);
	eventually(seen(answers) == WIRE_NR(peers) + 2);
	ck_assert_uint_eq(seen(shortened), at);
	bye(&peers[0]);
	bye(&other);
	stop();
	may_be_short = false;
}
END_TEST

/* In a process of its own: stops the server @us for longer than the send
 * timeout. */
static void stop_for_a_while(pid_t us)
{
	kill(us, SIGSTOP);
	usleep(4500000);
	kill(us, SIGCONT);
	_exit(0);
}

/* Time in which the server was stopped does not count against its client. */
START_TEST(stopped_while_they_wait)
{
	pid_t us = getpid(), pid;
	struct peer peer;
	size_t at = 0;
	int status;

	start(100000);
	narrow(&peer);
	rpcbuf_conn_set_send_timeout(peer.conn, 4);
	ask(&peer, 2, ECHO);
	eventually(seen(answers) == 1 && stats().unsent_bytes > 0);
	pid = fork();
	must(pid >= 0);
	if (pid == 0)
		stop_for_a_while(us);
	must(waitpid(pid, &status, 0) == pid && status == 0);
	read_to(&peer, &at, 2 * reply_len());
	ck_assert_uint_eq(stats().closed_unread, 0);
	bye(&peer);
	stop();
}
END_TEST

/* A flush of all replies that gives up ends the connection: no drop is
 * needed. */
START_TEST(given_up)
{
	struct peer peer;

	start(200000);
	narrow(&peer);
	ask(&peer, 8, ECHO);
	eventually(stats().parked_unsent == 1);
	must(rpcbuf_conn_flush(peer.conn, 0) == -ETIMEDOUT);
	must(rpcbuf_conn_flush(peer.conn, os_now() + 20000000) == -ETIMEDOUT);
	expect_closed(&peer, RPCBUF_CLOSE_ERROR);
	must(rpcbuf_conn_flush(peer.conn, 0) == -EPIPE);
	must(stats().unsent_bytes == 0 && all_returned());
	peer_free(&peer);
	stop();
}
END_TEST

/* A peer that never reads is closed, and its memory is released. */
START_TEST(never_reads)
{
	struct peer peer;

	start(100000);
	narrow(&peer);
	rpcbuf_conn_set_send_timeout(peer.conn, 1);
	ask(&peer, 2, ECHO);
	expect_closed(&peer, RPCBUF_CLOSE_UNREAD);
	must(stats().closed_unread == 1 && stats().unsent_bytes == 0);
	must(server_said("does not read"));
	eventually(all_returned());
	peer_free(&peer);
	stop();
}
END_TEST

/* Unsent replies when their client resets, is dropped, or closes. */
START_TEST(ends_while_they_wait)
{
	const struct linger linger = {1, 0};
	struct peer peer;

	start(25000);
	for (int i = 0; i < 20; i++) {
		narrow(&peer);
		ask(&peer, 2, ECHO);
		eventually(seen(peer.calls) == 2);
		eventually(stats().unsent_bytes > 0);
		if (_i == 0)
			setsockopt(peer.client, SOL_SOCKET, SO_LINGER, &linger,
				   sizeof(linger));
		if (_i == 2)
			rpcbuf_conn_drop(peer.conn);
		else
			peer_hang_up(&peer);
		eventually(seen(peer.closed) == 1);
		must(stats().unsent_bytes == 0 && all_returned());
		peer_free(&peer);
	}
	stop();
}
END_TEST

/* It has sent its last call, and reads slowly: it gets all replies. */
START_TEST(half_closed)
{
	struct peer peer;
	size_t at = 0;

	start(5000);
	narrow(&peer);
	ask(&peer, 10, ECHO);
	must(shutdown(peer.client, SHUT_WR) == 0);
	eventually(seen(answers) >= 5);
	read_to(&peer, &at, 10 * reply_len());
	expect_closed(&peer, RPCBUF_CLOSE_EOF);
	bye(&peer);
	stop();
}
END_TEST

static void *late_reader(void *arg)
{
	size_t at = 0;

	eventually(seen(answers) == 4);
	read_to(arg, &at, 4 * reply_len());
	return NULL;
}

/* The engine stops: a client that reads gets its unsent replies; one that does
 * not is closed within the time of the stop. */
START_TEST(stops_with_replies)
{
	bool reads = _i == 0;
	struct peer peer;
	pthread_t thread;

	start(13000);
	narrow(&peer);
	ask(&peer, 4, ECHO);
	eventually(seen(answers) == 4);
	must(stats().unsent_bytes > 2 * reply_len());
	if (reads)
		must(!pthread_create(&thread, NULL, late_reader, &peer));
	must(rpcbuf_engine_stop(server.engine, reads ? GUARD_S * 1000 : 2000) ==
	     0);
	if (reads)
		pthread_join(thread, NULL);
	must(stats().unsent_bytes == 0 && all_returned());
	must(peer.reason == RPCBUF_CLOSE_STOP);
	peer_free(&peer);
	server_gone();
}
END_TEST

/* Many connections, replies of many threads, readers of all kinds. */
static void *client_main(void *arg)
{
	struct peer peer;
	size_t at = 0;
	uintptr_t n = (uintptr_t)arg;

	narrow(&peer);
	for (uint32_t i = 1; i <= 20; i++) {
		ask(&peer, 3, ECHO);
		read_to(&peer, &at, n % 2 ? at + 1000 : 3 * i * reply_len());
	}
	if (n % 3)
		read_to(&peer, &at, 60 * reply_len());
	bye(&peer);
	return NULL;
}

START_TEST(many_connections)
{
	pthread_t threads[12];

	start(9000);
	for (uintptr_t i = 0; i < WIRE_NR(threads); i++)
		must(!pthread_create(&threads[i], NULL, client_main,
				     (void *)i));
	for (unsigned int i = 0; i < WIRE_NR(threads); i++)
		pthread_join(threads[i], NULL);
	must(stats().unsent_bytes == 0);
	stop();
}
END_TEST

/* One request for pages after the other fails: replies that could not be made
 * are missing, and no others. */
START_TEST(faults)
{
	struct rpcbuf_fault fault = RPCBUF_FAULT_INIT;

	start(4000);
	for (uint64_t nth = 1; nth < 30; nth++) {
		struct peer peer;

		fault.nth = nth;
		fault.slow = true;
		__atomic_store_n(&answers, 0, __ATOMIC_RELEASE);
		must(rpcbuf_fault_set(server.mm, &fault) == 0);
		narrow(&peer);
		ask(&peer, 5, ECHO);
		eventually(seen(answers) == 5);
		must(rpcbuf_fault_set(server.mm, NULL) == 0);
		bye(&peer);
		must(all_returned() && stats().unsent_bytes == 0);
	}
	must(seen(no_memory) > 0);
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_sending");
	TCase *tcase = tcase_create("sending");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, arrive, 0, 2);
	tcase_add_test(tcase, together);
	tcase_add_test(tcase, monitor_comes_in_between);
	tcase_add_test(tcase, behind_a_long_call);
	tcase_add_test(tcase, stops_and_goes_on);
	tcase_add_test(tcase, waits_for_its_reader);
	tcase_add_test(tcase, beyond_its_bound);
	tcase_add_test(tcase, all_have_a_bound);
	tcase_add_loop_test(tcase, many_are_short, 0, 2);
	tcase_add_test(tcase, stopped_while_they_wait);
	tcase_add_test(tcase, given_up);
	tcase_add_test(tcase, never_reads);
	tcase_add_loop_test(tcase, ends_while_they_wait, 0, 3);
	tcase_add_test(tcase, half_closed);
	tcase_add_loop_test(tcase, stops_with_replies, 0, 2);
	tcase_add_test(tcase, many_connections);
	tcase_add_test(tcase, faults);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
