/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client that comes back from the same port finds no call of its old
 * connection running, and calls that had not begun when a connection was reset
 * do not run later.
 * Method: a call waits at a gate and others behind it, when the client resets
 * and connects again from its port.  The test checks which calls ran before the
 * gate opens and after.
 */
#include "engine_util.h"

#define BEHIND 20u

static struct peer old, new;

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	o.max_calls = 1; /* so those behind another have not begun */
	server_start(16 << 20, &o);
	peer_open(&old);
	peer_source_port = 0;
}

static void teardown(void)
{
	peer_hang_up(&old);
	peer_hang_up(&new);
	set_gate(true);
	server_stop();
	peer_free(&old);
	peer_free(&new);
}

static uint16_t source_port(const struct peer *peer)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	must(getsockname(peer->client, (void *)&address, &len) == 0);
	return ntohs(address.sin_port);
}

static void reset(struct peer *peer)
{
	const struct linger now = { .l_onoff = 1 };

	setsockopt(peer->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	peer_hang_up(peer);
}

static void block(struct peer *peer)
{
	send_call(peer, XID(BLOCK, SMALL, 0));
	eventually(seen(server.blocked) == 1);
}

static void send_calls(struct peer *peer)
{
	for (uint32_t i = 1; i <= BEHIND; i++)
		send_call(peer, XID(ECHO, SMALL, i));
}

START_TEST(same_port)
{
	block(&old);
	send_calls(&old);
	eventually(stats().parked_calls >= 1);
	peer_source_port = source_port(&old);
	reset(&old);
	peer_open(&new);
	send_call(&new, XID(ECHO, SMALL, 1));
	/* Time for a wrong order to show. */
	usleep(200000);
	ck_assert_uint_eq(seen(new.calls), 0);
	ck_assert_uint_eq(seen(old.closed), 0);
	set_gate(true);
	receive_replies(&new, 1, 1);
	expect_closed(&old, RPCBUF_CLOSE_ERROR);
	ck_assert_uint_eq(seen(old.calls), 1);
}
END_TEST

/* A call that never ends does not keep the client waiting for ever. */
START_TEST(same_port_at_last)
{
	block(&old);
	peer_source_port = source_port(&old);
	reset(&old);
	peer_open(&new);
	check_alive(&new);
	ck_assert_uint_eq(seen(server.blocked), 1);
	ck_assert_uint_eq(seen(old.closed), 0);
}
END_TEST

START_TEST(other_port)
{
	block(&old);
	reset(&old);
	peer_open(&new);
	check_alive(&new);
	ck_assert_uint_eq(seen(server.blocked), 1);
}
END_TEST

/* From the same port to another port of the server. */
START_TEST(old_one_lives)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener = server.listener, one = 1;

	block(&old);
	setsockopt(old.client, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	peer_source_port = source_port(&old);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(server.listener, (void *)&address, sizeof(address)) == 0);
	must(listen(server.listener, 1) == 0);
	peer_open(&new);
	close(server.listener);
	server.listener = listener;
	check_alive(&new);
	ck_assert_uint_eq(seen(server.blocked), 1);
	set_gate(true);
	receive_replies(&old, 0, 1);
	check_alive(&old);
}
END_TEST

START_TEST(reset_before_it_began)
{
	peer_connect(&new);
	send_calls(&new);
	reset(&new);
	must(rpcbuf_engine_adopt(server.engine, new.fd, &new, false,
				 &new.conn) == 0);
	expect_closed(&new, RPCBUF_CLOSE_ERROR);
	ck_assert_uint_eq(seen(new.calls), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_successor");
	TCase *tests = tcase_create("reconnects");

	tcase_set_timeout(tests, 2 * GUARD_S);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, same_port, 0, 3);
	tcase_add_test(tests, same_port_at_last);
	tcase_add_test(tests, other_port);
	tcase_add_test(tests, old_one_lives);
	tcase_add_test(tests, reset_before_it_began);
	suite_add_tcase(suite, tests);
	return wire_run(suite);
}
