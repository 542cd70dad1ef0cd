/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: connections within the host get the congestion control that the
 * options name, whichever of its addresses they are of, and a name that the
 * system does not have is said and changes nothing.
 * Method: the kernel is asked what the server's end of a connection has.
 */
#include "engine_util.h"

static struct peer peer;

static void start(const char *congestion)
{
	struct rpcbuf_engine_options o = server_options();

	o.local_congestion = congestion;
	server_start(16 << 20, &o);
	peer_open(&peer);
	check_alive(&peer);
}

static void stop(void)
{
	peer_hang_up(&peer);
	server_stop();
	peer_free(&peer);
}

static void congestion_of(int fd, char name[16])
{
	socklen_t len = 16;

	must(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len) == 0);
}

/* Every kernel has reno. */
START_TEST(named)
{
	char name[16];

	start("reno");
	congestion_of(peer.fd, name);
	ck_assert_str_eq(name, "reno");
	stop();
	peer_source = INADDR_LOOPBACK + 1;
	start("reno");
	congestion_of(peer.fd, name);
	ck_assert_str_eq(name, "reno");
	stop();
}
END_TEST

START_TEST(left_alone)
{
	char before[16], name[16];

	start(_i ? "" : NULL);
	congestion_of(peer.client, before);
	congestion_of(peer.fd, name);
	ck_assert_str_eq(name, before);
	stop();
}
END_TEST

START_TEST(unknown)
{
	char before[16], name[16];

	start("no-such-thing");
	congestion_of(peer.client, before);
	congestion_of(peer.fd, name);
	ck_assert_str_eq(name, before);
	ck_assert_uint_eq(seen(server.log_lines), 1);
	ck_assert_ptr_nonnull(strstr(server.log, "\"no-such-thing\""));
	stop();
}
END_TEST

START_TEST(too_long)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm;

	must(rpcbuf_create(&mm, &options) == 0);
	o.local_congestion = "sixteen-letters!";
	ck_assert_int_eq(
		rpcbuf_engine_create(&server.engine, mm, &handlers, &o),
		-EINVAL);
	must(rpcbuf_destroy(mm) == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_local");
	TCase *tcase = tcase_create("local");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, named);
	tcase_add_loop_test(tcase, left_alone, 0, 2);
	tcase_add_test(tcase, unknown);
	tcase_add_test(tcase, too_long);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
