/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: pages that idle loops keep for the next call are released when memory
 * is short; a request to busy loops does no harm.
 * Method: rpcbuf_reclaim() beside idle connections, beside none, and all the
 * time while clients call.
 */
#include <rpcbuf/budget.h>

#include "engine_util.h"

#define CLIENTS 4

static struct peer peers[CLIENTS];
static bool finished;

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	server_start(16 << 20, &o);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/*
 * Idle loops also release by themselves, after two seconds: the shrinker did it
 * if it took less than one.  On a busy machine that may need some tries.
 */
START_TEST(idle_loops)
{
	uint64_t took, start = now_ms();

	do {
		must(now_ms() - start < GUARD_S * 1000);
		for (int i = 0; i < CLIENTS; i++)
			peer_open(&peers[i]);
		for (int i = 0; i < CLIENTS; i++)
			check_alive(&peers[i]);
		for (int i = 0; _i && i < CLIENTS; i++) {
			peer_hang_up(&peers[i]);
			expect_closed(&peers[i], RPCBUF_CLOSE_EOF);
		}
		eventually(stats().in_flight == 0);
		took = now_ms();
		rpcbuf_reclaim(server.mm, UINT64_MAX);
		eventually(pages_out() == 0);
		took = now_ms() - took;
		for (int i = 0; !_i && i < CLIENTS; i++) {
			check_alive(&peers[i]);
			peer_hang_up(&peers[i]);
			expect_closed(&peers[i], RPCBUF_CLOSE_EOF);
		}
		for (int i = 0; i < CLIENTS; i++)
			peer_free(&peers[i]);
	} while (took >= 1000);
	server_stop();
}
END_TEST

/* Without a request: a loop without a connection keeps no pages either. */
START_TEST(left_alone)
{
	peer_open(&peers[0]);
	check_alive(&peers[0]);
	peer_hang_up(&peers[0]);
	expect_closed(&peers[0], RPCBUF_CLOSE_EOF);
	peer_free(&peers[0]);
	eventually(pages_out() == 0);
	server_stop();
}
END_TEST

static void *reclaim_always(void *arg)
{
	while (!seen(finished))
		rpcbuf_reclaim(arg, UINT64_MAX);
	return NULL;
}

static void *call(void *arg)
{
	struct peer *peer = arg;

	for (uint32_t i = 0; i < TEST_ROUNDS(1000); i += 4) {
		for (uint32_t n = i; n < i + 4; n++)
			must(send_call(peer, XID(ECHO, n % 4, n)));
		receive_replies(peer, i, 4);
	}
	return NULL;
}

START_TEST(busy_loops)
{
	pthread_t clients[CLIENTS], reclaimer;

	for (int i = 0; i < CLIENTS; i++)
		peer_open(&peers[i]);
	must(!pthread_create(&reclaimer, NULL, reclaim_always, server.mm));
	for (int i = 0; i < CLIENTS; i++)
		must(!pthread_create(&clients[i], NULL, call, &peers[i]));
	for (int i = 0; i < CLIENTS; i++)
		pthread_join(clients[i], NULL);
	/* Also while the engine stops. */
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	__atomic_store_n(&finished, true, __ATOMIC_RELEASE);
	pthread_join(reclaimer, NULL);
	server_gone();
	for (int i = 0; i < CLIENTS; i++)
		peer_free(&peers[i]);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_reclaim");
	TCase *tcase = tcase_create("reclaim");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_checked_fixture(tcase, setup, NULL);
	tcase_add_loop_test(tcase, idle_loops, 0, 2);
	tcase_add_test(tcase, left_alone);
	tcase_add_test(tcase, busy_loops);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
