/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: programs made for libtirpc are served as by libtirpc, by svc_run() and
 * by rpcbuf_svc_run(), and clients of libtirpc see no difference.
 * Method: one service behind three servers (the third is libtirpc's own, which
 * shows that the service and the references work there), clients of libtirpc;
 * all kinds of arguments, results and errors; other transports beside those
 * under test; more descriptors than libtirpc's table takes.
 */
#include <signal.h>
#include <sys/resource.h>

#include "tests/tirpc/tirpc_util.h"

static const u_int lengths[] = {0,    1,     3,	    4,	    100,
				1023, 1024,  4000,  4096,   5001,
				8192, 65536, 70000, 262144, 1048576};

/* Every procedure, with arguments and results of many lengths. */
START_TEST(every_procedure)
{
	CLIENT *client;
	u_int nr = 300000, uid = getuid();
	struct caller caller;

	server_start((enum mode)_i);
	client = client_open();
	must(client_call(client, NUL, xdr_void, NULL, xdr_void, NULL) ==
	     RPC_SUCCESS);
	for (quad_t i = 0; i < 200; i++)
		client_add(client, i << 40 | i);
	for (unsigned int i = 0; i < WIRE_NR(lengths); i++) {
		client_blob(client, COPY, lengths[i]);
		client_blob(client, REFER, lengths[i]);
	}
	/* Longer than the pages that a reply gets at a time. */
	must(client_call(client, NUMBERS, xdr_u_int, &nr, xdr_numbers, &nr) ==
	     RPC_SUCCESS);
	auth_destroy(client->cl_auth);
	client->cl_auth = authunix_create("machine", uid + 7, 1, 0, NULL);
	must(client_call(client, CALLER, xdr_void, NULL, xdr_caller, &caller) ==
	     RPC_SUCCESS);
	must(caller.uid == uid + 7);
	auth_destroy(client->cl_auth);
	client->cl_auth = authnone_create();
	must(client_call(client, CALLER, xdr_void, NULL, xdr_caller, &caller) ==
	     RPC_AUTHERROR);
	client_add(client, 1);
	client_close(client);
	if (_i != STOCK) {
		eventually(stats().connections == 0);
		must(stats().replies > 200 && stats().bytes_attached > 1000000);
		must(stats().reply_fragments >= 1);
	}
	server_stop();
}
END_TEST

/* Programs, versions and procedures that are not served. */
START_TEST(every_error)
{
	CLIENT *client;
	struct rpc_err err;
	u_int number = 1;
	quad_t value;

	server_start((enum mode)_i);
	client = client_open();
	must(client_call(client, (enum proc)77, xdr_void, NULL, xdr_void,
			 NULL) == RPC_PROCUNAVAIL);
	/* A hyper is two numbers. */
	must(client_call(client, ADD, xdr_u_int, &number, xdr_hyper, &value) ==
	     RPC_CANTDECODEARGS);
	number = VERS + 1;
	must(clnt_control(client, CLSET_VERS, (void *)&number));
	must(client_call(client, NUL, xdr_void, NULL, xdr_void, NULL) ==
	     RPC_PROGVERSMISMATCH);
	clnt_geterr(client, &err);
	must(err.re_vers.low == VERS && err.re_vers.high == VERS);
	number = PROG + 1;
	must(clnt_control(client, CLSET_PROG, (void *)&number));
	must(client_call(client, NUL, xdr_void, NULL, xdr_void, NULL) ==
	     RPC_PROGUNAVAIL);
	number = PROG;
	must(clnt_control(client, CLSET_PROG, (void *)&number));
	number = VERS;
	must(clnt_control(client, CLSET_VERS, (void *)&number));
	client_add(client, 1);
	client_close(client);
	server_stop();
}
END_TEST

/* libtirpc reads the padding of opaque data into one place for all threads,
 * which ThreadSanitizer would report. */
static u_int padded(u_int length)
{
	return __SANITIZE_THREAD__ ? length & ~3u : length;
}

static void *busy_client(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg * 77 + 1;
	CLIENT *client = client_open();

	for (int i = 0; i < TEST_ROUNDS(300); i++) {
		client_add(client, i);
		client_blob(client, i % 2 ? COPY : REFER,
			    padded(test_below(&seed, i % 10 ? 9000 : 300000)));
	}
	client_close(client);
	return NULL;
}

START_TEST(many_clients)
{
	pthread_t threads[16];

	server_start((enum mode)_i);
	for (uintptr_t i = 0; i < WIRE_NR(threads); i++)
		must(!pthread_create(&threads[i], NULL, busy_client,
				     (void *)i));
	for (unsigned int i = 0; i < WIRE_NR(threads); i++)
		pthread_join(threads[i], NULL);
	if (_i != STOCK)
		eventually(stats().connections == 0);
	server_stop();
}
END_TEST

/* Calls of many connections on a budget of some vectors: they wait, and all
 * are answered. */
START_TEST(small_budget)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	pthread_t threads[16];

	o.memory = 6 << 20;
	server.engine.receivers = 1;
	server_start_with(ENGINE, &o);
	for (uintptr_t i = 0; i < WIRE_NR(threads); i++)
		must(!pthread_create(&threads[i], NULL, busy_client,
				     (void *)i));
	for (unsigned int i = 0; i < WIRE_NR(threads); i++)
		pthread_join(threads[i], NULL);
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

/* Calls of a client that wait in its socket do not delay other clients, once
 * the calls that were received together have run. */
START_TEST(turns_of_clients)
{
	enum {
		READ_AHEAD = 64 << 10 /* of svc_run(), where calls are small */
	};
	uint8_t args[8] = {0}, *call, *add, *calls;
	int many = 208 << 10, fds[2];
	size_t len, add_len, sent = 0;
	ssize_t n;

	server_start(SINGLE);
	for (int i = 0; i < 2; i++)
		fds[i] = connected();
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &many, sizeof(many));
	add = raw_call(2, ADD, args, sizeof(args), NULL, 0, &add_len);
	must(raw_send(fds[1], add, add_len));
	args[7] = 1;
	raw_expect(fds[1], 2, args, sizeof(args));
	call = raw_call(1, BLOCK, NULL, 0, NULL, 0, &len);
	must(raw_send(fds[0], call, len));
	eventually(seen(server.blocked) == 1);
	put32(call + RPCBUF_MARK_SIZE + 20, NUL);
	calls = malloc(1000 * len);
	for (size_t i = 0; i < 1000; i++)
		memcpy(calls + i * len, call, len);
	while ((n = send(fds[0], calls + sent % len, 999 * len, MSG_DONTWAIT)) >
	       0)
		sent += (size_t)n;
	must(sent > 3 * READ_AHEAD);
	must(raw_send(fds[1], add, add_len));
	open_gate();
	raw_expect(fds[1], 2, args, sizeof(args));
	must(seen(server.nuls_before) <= 2 * READ_AHEAD / len + 1);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	free(calls);
	free(call);
	free(add);
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

/* Calls of ADD, and behind them one of @last, in one segment. */
static void send_adds(int fd, uint32_t nr, enum proc last)
{
	uint8_t args[8] = {0}, all[4096];
	size_t at = 0;

	for (uint32_t xid = 0; xid <= nr; xid++) {
		uint32_t args_len = xid < nr ? sizeof(args) : 0;
		size_t len;
		uint8_t *call;

		args[7] = (uint8_t)xid;
		call = raw_call(xid, xid < nr ? ADD : last, args, args_len,
				NULL, 0, &len);
		must(at + len <= sizeof(all));
		memcpy(all + at, call, len);
		at += len;
		free(call);
	}
	must(raw_send(fd, all, at));
}

static void expect_adds(int fd, uint32_t nr)
{
	uint8_t results[8] = {0};

	for (uint32_t xid = 0; xid < nr; xid++) {
		results[7] = (uint8_t)(xid + 1);
		raw_expect(fd, xid, results, sizeof(results));
	}
}

/* Replies that leave together do not wait for a long call, nor for one that is
 * not answered. */
START_TEST(replies_together)
{
	static const enum proc lasts[] = {NUL, BLOCK, SILENT, BLOCK, NUL};
	uint32_t nr = 50;
	int fd;

	server_start((enum mode)_i);
	fd = connected();
	for (unsigned int i = 0; i < WIRE_NR(lasts); i++) {
		send_adds(fd, nr, lasts[i]);
		expect_adds(fd, nr);
		if (lasts[i] == BLOCK) {
			eventually(seen(server.blocked) == 1);
			open_gate();
		}
		if (lasts[i] != SILENT)
			raw_expect(fd, nr, NULL, 0);
		set_gate(false);
	}
	must(stats().replies_kept > 0);
	/* Corked replies leave before the end. */
	send_adds(fd, nr, SILENT);
	must(shutdown(fd, SHUT_WR) == 0);
	expect_adds(fd, nr);
	raw_expect_end(fd);
	close(fd);
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

static void *blocked_client(void *arg)
{
	CLIENT *client = client_open();

	(void)arg;
	must(client_call(client, BLOCK, xdr_void, NULL, xdr_void, NULL) ==
	     RPC_SUCCESS);
	client_close(client);
	return NULL;
}

/* Long calls delay no other. */
START_TEST(calls_that_last)
{
	pthread_t threads[10];
	CLIENT *client;

	server_start(ENGINE);
	for (unsigned int i = 0; i < WIRE_NR(threads); i++)
		must(!pthread_create(&threads[i], NULL, blocked_client, NULL));
	eventually(seen(server.blocked) == WIRE_NR(threads));
	client = client_open();
	for (int i = 0; i < 100; i++)
		client_add(client, i);
	client_blob(client, REFER, 1 << 20);
	client_close(client);
	must(seen(server.blocked) == WIRE_NR(threads));
	open_gate();
	for (unsigned int i = 0; i < WIRE_NR(threads); i++)
		pthread_join(threads[i], NULL);
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

/* The dispatcher destroys its transport: the reply arrives, then the end. */
START_TEST(destroyed_by_the_dispatcher)
{
	server_start((enum mode)_i);
	for (int i = 0; i < 20; i++) {
		size_t len;
		uint8_t *call = raw_call(9, DESTROY, NULL, 0, NULL, 0, &len);
		int fd = connected();

		must(raw_send(fd, call, len));
		raw_expect(fd, 9, NULL, 0);
		raw_expect_end(fd);
		close(fd);
		free(call);
	}
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

#define CALLS 6u

/* Calls in one write, some answered here and some by a forked child: each once,
 * whichever replies are corked at the fork. Not with AddressSanitizer: its
 * allocator does not hold its locks over fork(), as libc's does, so a child
 * forked while another thread allocates may wait in its first malloc() for
 * ever. */
START_TEST(answered_by_children)
{
	const uint8_t args[5004] = {0, 0, 5000 >> 8, 5000 & 0xff, 'a', 'b'};
	bool forked[CALLS] = {false, false, true, false, true, false};
	int fd;

	signal(SIGCHLD, SIG_IGN);
	server_start((enum mode)_i);
	fd = connected();
	for (int round = 0; round < TEST_ROUNDS(25); round++) {
		unsigned int seen[CALLS] = {0};
		uint8_t all[CALLS * (sizeof(args) + 64)], *call;
		size_t len, end = 0;

		for (uint32_t i = 0; i < CALLS; i++) {
			call = raw_call(i, forked[i] ? FORKED : NUL, args,
					forked[i] ? sizeof(args) : 0, NULL, 0,
					&len);
			memcpy(all + end, call, len);
			end += len;
			free(call);
		}
		must(raw_send(fd, all, end));
		for (unsigned int i = 0; i < CALLS; i++) {
			uint32_t got, xid, results;
			uint8_t *reply = raw_reply(fd, &got);

			must(reply);
			xid = get32(reply);
			must(xid < CALLS && !seen[xid]++);
			results = forked[xid] ? sizeof(args) : 0;
			must(got == 24 + results);
			must(!memcmp(reply + 24, args, results));
			free(reply);
		}
		call = raw_call(CALLS, NUL, NULL, 0, NULL, 0, &len);
		must(raw_send(fd, call, len));
		raw_expect(fd, CALLS, NULL, 0);
		free(call);
	}
	close(fd);
	server_stop();
}
END_TEST

/* A connection that the program accepted, as inetd's children have. */
START_TEST(given_connections)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	CLIENT *clients[2];
	int fd = listening();

	/* The listener is libtirpc's, only the connections are those under
	 * test. */
	server_create((enum mode)_i, &o);
	for (int i = 0; i < 2; i++) {
		u_short port = server.port;
		int accepted;

		server.port = port_of(fd);
		clients[i] = client_open();
		server.port = port;
		accepted = accept(fd, NULL, NULL);
		must(accepted >= 0);
		must(svc_rpcbuf_fd_create(accepted, &o));
		if (i == 0)
			server_run(); /* one before, one while it runs */
		if (i == 0 && _i == SINGLE)
			break;
	}
	for (int i = 0; i < 2 && clients[i] && (_i == ENGINE || i == 0); i++) {
		client_add(clients[i], 5);
		client_blob(clients[i], COPY, 100000);
		client_close(clients[i]);
	}
	eventually(stats().connections == 0);
	close(fd);
	server_stop();
}
END_TEST

/* UDP and a stock TCP transport beside those under test. */
START_TEST(other_transports)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct netbuf netbuf = {sizeof(address), sizeof(address), &address};
	struct rpcbuf_svc_options o = svc_options_for_tests();
	int udp = socket(AF_INET, SOCK_DGRAM, 0), tcp = listening();
	CLIENT *clients[3];
	SVCXPRT *xprts[2];

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(udp, (void *)&address, sizeof(address)) == 0);
	address.sin_port = htons(port_of(udp));
	server_create(ENGINE, &o);
	xprts[0] = svc_dg_create(udp, 0, 0);
	xprts[1] = svc_vc_create(tcp, 0, 0);
	must(xprts[0] && svc_reg(xprts[0], PROG, VERS, dispatch, NULL));
	must(xprts[1] && svc_reg(xprts[1], PROG, VERS, dispatch, NULL));
	server_run();
	clients[0] = client_open();
	clients[1] = clnt_dg_create(socket(AF_INET, SOCK_DGRAM, 0), &netbuf,
				    PROG, VERS, 0, 0);
	must(clients[1] && clnt_control(clients[1], CLSET_FD_CLOSE, NULL));
	server.port = port_of(tcp);
	clients[2] = client_open();
	for (int i = 0; i < 300; i++)
		client_add(clients[i % 3], i);
	for (int i = 0; i < 3; i++)
		client_close(clients[i]);
	eventually(stats().connections == 0);
	server_stop();
	svc_destroy(xprts[0]);
	svc_destroy(xprts[1]);
}
END_TEST

/* More connections than libtirpc's table has room for: the limit of descriptors
 * is raised after libtirpc read it. */
START_TEST(more_descriptors_than_the_table)
{
	struct rlimit limit;
	unsigned int nr = TEST_SANITIZED ? 300 : 1200, clients = 0;
	CLIENT **client = calloc(nr, sizeof(CLIENT *));

	must(getrlimit(RLIMIT_NOFILE, &limit) == 0);
	if (limit.rlim_max < 3 * nr)
		nr = (unsigned int)limit.rlim_max / 3;
	limit.rlim_cur = TEST_SANITIZED ? 256 : 1024;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	server_start(ENGINE);
	must(_rpc_dtablesize() == (int)limit.rlim_cur);
	limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
	must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
	for (; clients < nr; clients++) {
		client[clients] = client_open();
		client_add(client[clients], clients);
	}
	for (unsigned int i = 0; i < nr; i++)
		client_blob(client[i], i % 2 ? COPY : REFER, i);
	must(stats().connections == nr);
	for (unsigned int i = 0; i < nr; i++)
		client_close(client[i]);
	free(client);
	eventually(stats().connections == 0);
	server_stop();
}
END_TEST

/* It can be run again, and its connections are closed when it ends. */
START_TEST(runs_again)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();

	server_create(ENGINE, &o);
	for (int i = 0; i < 3; i++) {
		CLIENT *client;

		server_run();
		client = client_open();
		client_add(client, i);
		must(engine_stats().requests >= 1);
		rpcbuf_svc_exit();
		pthread_join(server.thread, NULL);
		must(server.result == 0);
		must(client_call(client, NUL, xdr_void, NULL, xdr_void, NULL) !=
		     RPC_SUCCESS);
		client_close(client);
		must(stats().connections == 0);
	}
	svc_destroy(server.listener);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tirpc_serve");
	TCase *tcase = tcase_create("serve");

	tcase_set_timeout(tcase, 200);
	tcase_add_loop_test(tcase, every_procedure, SINGLE, STOCK + 1);
	tcase_add_loop_test(tcase, every_error, SINGLE, STOCK + 1);
	tcase_add_loop_test(tcase, many_clients, SINGLE, STOCK + 1);
	tcase_add_test(tcase, small_budget);
	tcase_add_test(tcase, turns_of_clients);
	tcase_add_loop_test(tcase, replies_together, SINGLE, STOCK);
	tcase_add_test(tcase, calls_that_last);
	tcase_add_loop_test(tcase, destroyed_by_the_dispatcher, SINGLE, STOCK);
	if (!__SANITIZE_ADDRESS__)
		tcase_add_loop_test(tcase, answered_by_children, SINGLE,
				    STOCK + 1);
	tcase_add_loop_test(tcase, given_connections, SINGLE, STOCK);
	tcase_add_test(tcase, other_transports);
	tcase_add_test(tcase, more_descriptors_than_the_table);
	tcase_add_test(tcase, runs_again);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
