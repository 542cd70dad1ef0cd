/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a long call delays neither its connection nor any other; a call may be
 * finished on any thread; an owner may take its descriptor back at any moment;
 * none of this loses or repeats a call.
 * Method: calls that wait at a gate while others must be answered, calls that
 * are put aside and finished by the test, drops from another thread at random
 * moments.
 */
#include <sys/resource.h>

#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define PEERS 24
#define MANY 100u

static struct peer peers[PEERS];

static void start_with(unsigned int receivers, unsigned int max_threads)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = receivers;
	o.max_threads = max_threads;
	server_start(16 << 20, &o);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
}

static void setup(void)
{
	start_with(2, 256);
}

static void setup_one_loop(void)
{
	start_with(1, 256);
}

static void setup_few_threads(void)
{
	start_with(1, 2);
}

static void teardown(void)
{
	for (int i = 0; i < PEERS; i++)
		peer_hang_up(&peers[i]);
	set_gate(true);
	server_stop();
	for (int i = 0; i < PEERS; i++)
		peer_free(&peers[i]);
}

static void block(struct peer *peer, uint32_t n)
{
	unsigned int before = seen(server.blocked);

	send_call(peer, XID(BLOCK, SMALL, n));
	eventually(seen(server.blocked) == before + 1);
}

/* The first call waits; those behind it, on the same connection, run. */
START_TEST(same_connection)
{
	uint32_t xid, i;

	send_call(&peers[0], XID(BLOCK, MEDIUM, 0));
	for (i = 1; i < MANY; i++)
		send_call(&peers[0], XID(ECHO, MEDIUM, i));
	receive_replies(&peers[0], 1, MANY - 1);
	ck_assert_uint_eq(seen(server.blocked), 1);
	ck_assert_uint_ge(stats().handovers, 1);
	ck_assert_uint_ge(stats().in_flight, 1);
	set_gate(true);
	must(receive_reply(&peers[0], &xid));
	ck_assert_uint_eq(xid, XID(BLOCK, MEDIUM, 0));
	ck_assert_uint_eq(peers[0].calls, MANY);
}
END_TEST

/* All connections belong to one loop, whose owner waits at the gate. */
START_TEST(other_connections)
{
	block(&peers[0], 0);
	for (int i = 1; i < PEERS; i++)
		send_call(&peers[i], XID(ECHO, MEDIUM, 1));
	for (int i = 1; i < PEERS; i++)
		receive_replies(&peers[i], 1, 1);
	ck_assert_uint_eq(seen(server.blocked), 1);
	ck_assert_uint_ge(stats().handovers, 1);
}
END_TEST

/* As many threads as waiting calls, and one more. */
START_TEST(many_slow_calls)
{
	for (uint32_t i = 0; i < 40; i++)
		block(&peers[i % PEERS], i / PEERS);
	/* One connection of each loop. */
	check_alive(&peers[0]);
	check_alive(&peers[1]);
	ck_assert_uint_ge(stats().handovers + stats().delegated, 40);
	ck_assert_uint_ge(stats().threads, 41);
	set_gate(true);
	for (int i = 0; i < PEERS; i++)
		receive_replies(&peers[i], 0, i < 40 - PEERS ? 2 : 1);
}
END_TEST

/* Threads that were started are used again. */
START_TEST(threads_are_used_again)
{
	uint64_t threads;

	for (int round = 0; round < 5; round++) {
		set_gate(false);
		for (uint32_t i = 0; i < 10; i++)
			block(&peers[i], 0);
		if (round == 0)
			threads = stats().threads;
		set_gate(true);
		for (int i = 0; i < 10; i++)
			receive_replies(&peers[i], 0, 1);
		eventually(stats().in_flight == 0);
	}
	/* One more where a worker was not idle again in time. */
	ck_assert_uint_le(stats().threads, threads + 10);
}
END_TEST

/* No further thread may start: calls wait, and none is lost. */
START_TEST(no_thread_left)
{
	uint32_t i;

	block(&peers[0], 0);
	block(&peers[1], 0);
	for (i = 2; i < PEERS; i++)
		send_call(&peers[i], XID(i & 1 ? BLOCK : ECHO, SMALL, 0));
	ck_assert_uint_eq(stats().threads, 2);
	ck_assert_uint_eq(seen(server.blocked), 2);
	set_gate(true);
	for (i = 0; i < PEERS; i++)
		receive_replies(&peers[i], 0, 1);
	ck_assert_uint_eq(stats().threads, 2);
}
END_TEST

/* Replies to outgoing calls are read even then: the calls that occupy the
 * threads may wait for them. */
START_TEST(reply_when_no_thread_is_left)
{
	struct peer own;

	block(&peers[0], 0);
	block(&peers[1], 0);
	peer_connect(&own);
	must(rpcbuf_engine_adopt(server.engine, own.fd, &own, true,
				 &own.conn) == 0);
	send_call(&own, XID(ECHO, LARGE, 0));
	receive_replies(&own, 0, 1);
	ck_assert_uint_eq(seen(server.blocked), 2);
	/* Its thread runs no calls of clients. */
	send_call(&peers[2], XID(ECHO, SMALL, 0));
	send_call(&own, XID(ECHO, SMALL, 1));
	receive_replies(&own, 1, 1);
	ck_assert_uint_eq(seen(peers[2].calls), 0);
	peer_hang_up(&own);
	expect_closed(&own, RPCBUF_CLOSE_EOF);
	peer_free(&own);
	set_gate(true);
	for (int i = 0; i < 3; i++)
		receive_replies(&peers[i], 0, 1);
}
END_TEST

/* Number of threads that were requested, started or not. */
static unsigned int threads_wanted(void)
{
	struct workers *workers = &server.engine->workers;
	unsigned int wanted;

	pthread_mutex_lock(&workers->lock);
	wanted = workers->next_number;
	pthread_mutex_unlock(&workers->lock);
	return wanted;
}

/* The system has no thread to give: the loop waits for one, and nothing is
 * lost. */
START_TEST(no_thread_to_be_had)
{
	struct rlimit limit;
	unsigned int wanted;

	/* The calls' memory is allocated by then. */
	send_call(&peers[0], XID(LATER, SMALL, 0));
	eventually(nr_later() == 1);
	check_alive(&peers[0]);
	check_alive(&peers[1]);
	answer_later();
	receive_replies(&peers[0], 0, 1);
	getrlimit(RLIMIT_AS, &limit);
	limit.rlim_cur = 1 << 20; /* less than is mapped already */
	ck_assert_int_eq(setrlimit(RLIMIT_AS, &limit), 0);
	wanted = threads_wanted();
	block(&peers[0], 0);
	eventually(threads_wanted() > wanted + 1);
	ck_assert_uint_eq(stats().handovers, 0);
	eventually(stats().threads == 1);
	send_call(&peers[1], XID(ECHO, SMALL, 0));
	if (_i)
		set_gate(true); /* the call's thread is free again */
	limit.rlim_cur = _i ? limit.rlim_cur : limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
	receive_replies(&peers[1], 0, 1);
	set_gate(true);
	receive_replies(&peers[0], 0, 1);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_AS, &limit);
}
END_TEST

/* Calls are finished on other threads, in another order, while others run. */
START_TEST(finished_elsewhere)
{
	for (uint32_t i = 0; i < MANY; i++) {
		send_call(&peers[0], XID(LATER, i % 50 ? MEDIUM : LARGE, i));
		if (i % 10 == 0)
			check_alive(&peers[0]);
	}
	eventually(nr_later() == MANY);
	ck_assert_uint_eq(stats().in_flight, MANY);
	check_alive(&peers[1]);
	ck_assert_uint_eq(answer_later(), MANY);
	receive_replies(&peers[0], 0, MANY);
	eventually(stats().in_flight == 0);
}
END_TEST

/* The sum of what handlers report about calls. */
static void account(struct rpcbuf_call *call)
{
	call->bytes_copied += 100;
	call->in_place += 2;
	call->copied += 3;
	on_call(call);
}

START_TEST(accounts)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;
	uint64_t copied;

	with.call = account;
	server_start_with(16 << 20, &o, &with);
	peer_open(&peers[0]);
	for (uint32_t i = 0; i < 5; i++)
		send_call(&peers[0], XID(i == 4 ? LATER : ECHO, SMALL, i));
	eventually(nr_later() == 1);
	receive_replies(&peers[0], 0, 4);
	/* A finished call is counted. */
	eventually(stats().in_flight == 1);
	copied = stats().bytes_copied;
	ck_assert_uint_eq(copied, 400);
	answer_later();
	ck_assert_uint_eq(stats().bytes_copied, 500);
	ck_assert_uint_eq(stats().payloads_in_place, 10);
	ck_assert_uint_eq(stats().payloads_copied, 15);
	server_stop();
	peer_free(&peers[0]);
}
END_TEST

/* A drop closes the connection when no call is in flight, including one whose
 * thread has not reached the handler yet; half a call does not count. */
START_TEST(dropped_in_flight)
{
	struct peer *p = &peers[0];

	if (_i == 0) {
		send_call(p, XID(LATER, SMALL, 0));
		eventually(nr_later() == 1);
	} else if (_i == 1) {
		block(p, 0);
	} else {
		send_bytes(p, "\0\0\x10\0half", 8);
		eventually(stats().bytes_received == 8);
	}
	rpcbuf_conn_drop(p->conn);
	rpcbuf_conn_drop(p->conn);
	for (int i = 0; i < 10; i++)
		check_alive(&peers[i + 1]);
	if (_i < 2)
		ck_assert_uint_eq(seen(p->closed), 0);
	set_gate(true);
	answer_later();
	expect_closed(p, RPCBUF_CLOSE_DROPPED);
	eventually(stats().in_flight == 0);
	rpcbuf_conn_drop(p->conn);
	check_alive(&peers[1]);
}
END_TEST

struct dropper {
	struct peer *peer;
	uint64_t seed;
	unsigned int rounds;
};

/* Calls until the connection ends; each reply belongs to a call that was
 * sent. */
static void *call_until_end(void *arg)
{
	struct dropper *d = arg;
	uint32_t xid, n = 0, answered = 0;
	int how = test_below(&d->seed, 2) ? ECHO : LATER;

	while (send_call(d->peer, XID(how, test_below(&d->seed, 2), n++)))
		if (n % 4 == 0 && !receive_reply(d->peer, &xid))
			return NULL;
		else
			answered += n % 4 == 0;
	while (receive_reply(d->peer, &xid))
		answered++;
	must(answered <= n);
	return NULL;
}

/* One connection after the other: calls, and a drop at a random moment. */
static void *drop_at_random(void *arg)
{
	struct dropper *d = arg;

	while (d->rounds--) {
		struct dropper caller = { .peer = d->peer, .seed = d->seed };
		pthread_t thread;

		peer_open(d->peer);
		pthread_create(&thread, NULL, call_until_end, &caller);
		usleep(test_below(&d->seed, 3000));
		rpcbuf_conn_drop(d->peer->conn);
		if (test_below(&d->seed, 2))
			rpcbuf_conn_drop(d->peer->conn);
		/* The handler does not use the peer after this. */
		eventually((answer_later(), seen(d->peer->closed)));
		/* A socket full of unread calls raises no event. */
		shutdown(d->peer->client, SHUT_WR);
		pthread_join(thread, NULL);
		must(d->peer->reason == RPCBUF_CLOSE_DROPPED);
		peer_free(d->peer);
	}
	return NULL;
}

START_TEST(dropped_at_random)
{
	struct rpcbuf_engine_options o = server_options();
	uint64_t seed = test_seed();
	struct dropper dropper = { .peer = &peers[0], .seed = seed };

	dropper.rounds = TEST_ROUNDS(300);
	server_start(16 << 20, &o);
	peer_open(&peers[1]);
	drop_at_random(&dropper);
	check_alive(&peers[1]);
	server_stop();
	peer_free(&peers[1]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_calls");
	TCase *two = tcase_create("two loops"), *one = tcase_create("one loop");
	TCase *few = tcase_create("few threads");
	TCase *bare = tcase_create("own set-up");

	tcase_set_timeout(two, 2 * GUARD_S);
	tcase_add_checked_fixture(two, setup, teardown);
	tcase_add_test(two, same_connection);
	tcase_add_test(two, many_slow_calls);
	tcase_add_test(two, threads_are_used_again);
	tcase_add_test(two, finished_elsewhere);
	tcase_add_loop_test(two, dropped_in_flight, 0, 3);
	suite_add_tcase(suite, two);
	tcase_set_timeout(one, 2 * GUARD_S);
	tcase_add_checked_fixture(one, setup_one_loop, teardown);
	tcase_add_test(one, other_connections);
	tcase_add_test(one, same_connection);
	/* Sanitizers need memory of their own. */
	if (!TEST_SANITIZED)
		tcase_add_loop_test(one, no_thread_to_be_had, 0, 2);
	suite_add_tcase(suite, one);
	tcase_set_timeout(few, 2 * GUARD_S);
	tcase_add_checked_fixture(few, setup_few_threads, teardown);
	tcase_add_test(few, reply_when_no_thread_is_left);
	tcase_add_test(few, no_thread_left);
	suite_add_tcase(suite, few);
	tcase_set_timeout(bare, 2 * GUARD_S);
	tcase_add_test(bare, accounts);
	tcase_add_test(bare, dropped_at_random);
	suite_add_tcase(suite, bare);
	return wire_run(suite);
}
