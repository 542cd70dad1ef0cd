/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: clients share the time of the loops equally, of each loop and of all,
 * whatever the number of their connections and the length of their calls; none
 * waits long.
 * Method: loops without threads and connections without sockets, on a clock
 * that the test advances by the cost of each call.  Nothing is random, so the
 * parts are exact.
 */
#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define LOOPS	    2u
#define US	    UINT64_C(1000)
#define CLIENTS	    3
#define CONNECTIONS 64u /* of a client in a loop, at most */

struct party {
	struct client *client;
	struct rpcbuf_conn conns[LOOPS][CONNECTIONS];
	uint64_t cost;		/* of a call, ns */
	uint64_t served[LOOPS]; /* calls */
};

static int watch(struct loop *loop, struct rpcbuf_conn *conn)
{
	(void)loop;
	conn->watched = true;
	return 0;
}

static void unwatch(struct loop *loop, struct rpcbuf_conn *conn)
{
	(void)loop;
	conn->watched = false;
}

static const struct backend backend = {.watch = watch, .unwatch = unwatch};

static struct rpcbuf_engine *engine;
static struct party parties[CLIENTS];
static uint64_t now[LOOPS], began;
static unsigned int at; /* the loop that is next */

static uint64_t clock_of_test(void)
{
	return now[at];
}

static void setup(void)
{
	engine = calloc(1, sizeof(*engine));
	engine->nr_loops = LOOPS;
	engine->loops = aligned_alloc(64, LOOPS * sizeof(*engine->loops));
	memset(engine->loops, 0, LOOPS * sizeof(*engine->loops));
	memset(parties, 0, sizeof(parties));
	clients_init(&engine->clients);
	for (unsigned int i = 0; i < LOOPS; i++) {
		engine->loops[i].engine = engine;
		engine->loops[i].backend = &backend;
		list_init(&engine->loops[i].fair.ready);
		now[i] = began = 1000 * US;
	}
}

static void rest(struct rpcbuf_conn *conn)
{
	must(!reception_move(conn, RECEPTION_WATCHED, FOR_NOTHING));
}

static void be_ready(struct rpcbuf_conn *conn)
{
	reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

/* Adds @nr connections of client number @who to a loop, all of them always ready. */
static void join(int who, unsigned int loop, unsigned int nr, uint64_t cost)
{
	struct party *party = &parties[who];

	party->cost = cost;
	for (unsigned int i = 0; i < nr; i++) {
		struct rpcbuf_conn *conn = &party->conns[loop][i];
		struct sockaddr_in from = {.sin_family = AF_INET};
		struct sockaddr_in to = from;
		int listener = socket(AF_INET, SOCK_STREAM, 0);
		int fd = socket(AF_INET, SOCK_STREAM, 0), accepted;
		socklen_t len = sizeof(to);

		/* A client is the address of a socket's peer. */
		from.sin_addr.s_addr = htonl(0x7f000002 + (uint32_t)who);
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		must(!bind(listener, (void *)&to, len) && !listen(listener, 1));
		must(!getsockname(listener, (void *)&to, &len));
		must(!bind(fd, (void *)&from, sizeof(from)));
		must(!connect(fd, (void *)&to, len));
		accepted = accept(listener, NULL, NULL);
		party->client = client_get(engine, accepted, false);
		close(accepted);
		close(fd);
		close(listener);

		conn->loop = &engine->loops[loop];
		conn->part = &party->client->parts[loop];
		conn->data = party;
		reception_init(&conn->reception);
		fair_join(conn);
		rest(conn);
		be_ready(conn);
	}
}

/* Runs the next call of the loop that is behind the other. */
static struct party *serve_next(void)
{
	struct rpcbuf_conn *conn;
	struct party *party;

	at = 0;
	for (unsigned int i = 1; i < LOOPS; i++)
		if (list_empty(&engine->loops[at].fair.ready) ||
		    (!list_empty(&engine->loops[i].fair.ready) &&
		     now[i] < now[at]))
			at = i;
	conn = fair_next(&engine->loops[at], clock_of_test);
	party = conn->data;
	now[at] += party->cost;
	party->served[at]++;
	fair_charge(&engine->loops[at], clock_of_test);
	be_ready(conn);
	return party;
}

static void run_until(uint64_t until)
{
	while (now[0] < until || now[1] < until)
		serve_next();
}

/* Time of a client, in percent of the time of one clock. */
static unsigned int percent(int who, unsigned int loop)
{
	uint64_t time = parties[who].served[loop] * parties[who].cost;

	return (unsigned int)(100 * time / (now[loop] - began));
}

static void teardown(void)
{
	for (int i = 0; i < CLIENTS; i++) {
		struct client *client = parties[i].client;

		while (client && client->nr_conns > 1)
			client_put(engine, client);
		if (client)
			client_put(engine, client);
	}
	ck_assert_uint_eq(engine->clients.nr, 0);
	free(engine->loops);
	free(engine);
}

/* In each round each client has its part, and no connection is forgotten. */
START_TEST(rounds)
{
	const uint64_t costs[][2] = {{5, 5}, {5, 45}, {45, 5}, {1, 300}};
	const uint64_t *cost = costs[_i];
	uint64_t begin, most = 0, lone;

	join(0, 0, CONNECTIONS, cost[0] * US);
	join(1, 0, 1, cost[1] * US);
	now[1] = UINT64_MAX; /* no connection is ready */
	for (int i = 0; i < TEST_ROUNDS(5000); i++) {
		begin = now[0];
		while (serve_next() != &parties[1])
			;
		most = rpcbuf_max(most, now[0] - begin);
	}
	/* It waits for at most a quantum of the other's, and for a call that is
	 * not interrupted; it waits longer only after it took more itself. */
	lone = rpcbuf_max(cost[1], UINT64_C(50)) * US;
	ck_assert_uint_le(most, lone + 50 * US + (cost[0] + cost[1]) * US);
	ck_assert_uint_ge(percent(1, 0), 48);
	ck_assert_uint_le(percent(1, 0), 52);
}
END_TEST

/* A client that has the other loop to itself leaves most of this one. */
START_TEST(one_in_both_loops)
{
	join(0, 0, CONNECTIONS / 2, 20 * US);
	join(0, 1, CONNECTIONS / 2, 20 * US);
	join(1, 0, 1, 5 * US);
	run_until(UINT64_C(200000) * US);
	ck_assert_uint_ge(percent(1, 0), 85);
	/* Clients that share the loop with it still get theirs. */
	ck_assert_uint_ge(percent(0, 0), 8);
	ck_assert_uint_eq(percent(0, 1), 100);
}
END_TEST

/* ...  but only while it has: its connections there may be silent. */
START_TEST(silent_in_the_other)
{
	join(0, 0, 8, 20 * US);
	join(0, 1, 8, 20 * US);
	join(1, 0, 1, 5 * US);
	run_until(UINT64_C(100000) * US);
	for (int i = 0; i < 8; i++)
		rest(&parties[0].conns[1][i]);
	now[1] = UINT64_MAX;
	began = now[0];
	memset(parties[0].served, 0, sizeof(parties[0].served));
	memset(parties[1].served, 0, sizeof(parties[1].served));
	run_until(began + UINT64_C(200000) * US);
	ck_assert_uint_ge(percent(1, 0), 48);
	ck_assert_uint_le(percent(1, 0), 52);
}
END_TEST

/* Two loops, three clients: two thirds of a loop for each. */
START_TEST(two_loops_for_three)
{
	join(0, 0, 1, 5 * US);
	join(1, 1, 1, 20 * US);
	join(2, 0, 32, 10 * US);
	join(2, 1, 32, 10 * US);
	run_until(UINT64_C(200000) * US);
	ck_assert_uint_ge(percent(0, 0), 60);
	ck_assert_uint_ge(percent(1, 1), 60);
	ck_assert_uint_ge(percent(2, 0) + percent(2, 1), 60);
}
END_TEST

/* Each in both loops: halves. */
START_TEST(both_in_both)
{
	for (unsigned int i = 0; i < LOOPS; i++) {
		join(0, i, CONNECTIONS / 2, 5 * US);
		join(1, i, 1, 30 * US);
	}
	run_until(UINT64_C(200000) * US);
	for (unsigned int i = 0; i < LOOPS; i++) {
		ck_assert_uint_ge(percent(1, i), 45);
		ck_assert_uint_le(percent(1, i), 55);
	}
}
END_TEST

/* A client that calls rarely is served at once, except once for a quantum of
 * its own. */
START_TEST(seldom)
{
	struct rpcbuf_conn *conn = &parties[1].conns[0][0];
	unsigned int waited = 0;

	join(0, 0, CONNECTIONS, 5 * US);
	join(1, 0, 1, 5 * US);
	now[1] = UINT64_MAX;
	for (int i = 0; i < 1000; i++) {
		uint64_t begin;

		rest(conn);
		for (int n = 0; n < 50; n++)
			ck_assert_ptr_eq(serve_next(), &parties[0]);
		be_ready(conn);
		begin = now[0];
		while (serve_next() != &parties[1])
			;
		ck_assert_uint_le(now[0] - begin, 110 * US);
		waited += now[0] - begin > 5 * US;
	}
	ck_assert_uint_le(waited, 101);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("fair");
	TCase *tcase = tcase_create("fair");

	tcase_set_timeout(tcase, GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, rounds, 0, 4);
	tcase_add_test(tcase, one_in_both_loops);
	tcase_add_test(tcase, silent_in_the_other);
	tcase_add_test(tcase, two_loops_for_three);
	tcase_add_test(tcase, both_in_both);
	tcase_add_test(tcase, seldom);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
