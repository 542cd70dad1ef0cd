/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: connections within the host get the congestion control that the
 * options name, whichever of its addresses they are of, and a name that the
 * system does not have is said and changes nothing.
 * Method: the kernel is asked what the server's end of a connection has.
 */
#include "engine_util.h"

static struct peer peer;

static void start_server(const char *congestion)
{
	struct rpcbuf_engine_options o = server_options();

	o.local_congestion = congestion;
	server_start(16 << 20, &o);
}

static void start(const char *congestion)
{
	start_server(congestion);
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

/* A socket of both families, -1 where there is no IPv6. */
static int listen_both(void)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6};
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0), no = 0;

	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &no, sizeof(no));
	must(bind(fd, (void *)&address, sizeof(address)) == 0);
	must(listen(fd, 1) == 0);
	return fd;
}

/* Puts the peer's two ends in place of those that it has. */
static void connect_mapped(int listener, in_addr_t source)
{
	struct sockaddr_in6 both;
	struct sockaddr_in from = {.sin_family = AF_INET}, to = from;
	socklen_t len = sizeof(both);

	must(getsockname(listener, (void *)&both, &len) == 0);
	to.sin_port = both.sin6_port;
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	from.sin_addr.s_addr = htonl(source);
	close(peer.client);
	close(peer.fd);
	peer.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(bind(peer.client, (void *)&from, sizeof(from)) == 0);
	must(connect(peer.client, (void *)&to, sizeof(to)) == 0);
	peer.fd = accept(listener, NULL, NULL);
	must(peer.fd >= 0);
}

/* A socket of both families shows IPv4 addresses as IPv6. */
START_TEST(mapped)
{
	char name[16];
	int listener = listen_both();

	if (listener < 0)
		return;
	start_server("reno");
	peer_connect(&peer);
	connect_mapped(listener, INADDR_LOOPBACK + (in_addr_t)_i);
	must(rpcbuf_engine_adopt(server.engine, peer.fd, &peer, false,
				 &peer.conn) == 0);
	check_alive(&peer);
	congestion_of(peer.fd, name);
	ck_assert_str_eq(name, "reno");
	stop();
	close(listener);
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
	tcase_add_loop_test(tcase, mapped, 0, 2);
	tcase_add_loop_test(tcase, left_alone, 0, 2);
	tcase_add_test(tcase, unknown);
	tcase_add_test(tcase, too_long);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
