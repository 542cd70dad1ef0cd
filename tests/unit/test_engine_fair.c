/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: clients share a loop equally, whatever the number of their connections
 * and the size of their calls; a client is an address, over IPv4, over IPv6,
 * and IPv4 mapped into IPv6.
 * Method: one loop, blocked by a call while one client sends over many
 * connections and another over one.  Then the loop continues, and the order in
 * which it runs the waiting calls is checked.  Last, clients that come and go
 * all the time, for ThreadSanitizer.
 */
#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define BUSY_PEERS 32
#define BUSY_ADDRESS 0x7f000002
#define LONE_ADDRESS 0x7f000003

static struct peer gate, busy[BUSY_PEERS], lone;

static unsigned int busy_calls(void)
{
	unsigned int calls = 0;

	for (int i = 0; i < BUSY_PEERS; i++)
		calls += seen(busy[i].calls);
	return calls;
}

/* Calls of all clients while those of the single connection ran. */
static unsigned int nr_lone, busy_before, busy_at_end;

static void count_shares(struct rpcbuf_call *call)
{
	if (call->conn_data == &lone) {
		if (seen(lone.calls) == 0)
			busy_before = busy_calls();
		if (seen(lone.calls) + 1 == nr_lone)
			busy_at_end = busy_calls();
	}
	on_call(call);
}

static void start(void)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;

	o.receivers = 1;
	o.handover_us = 1000000000; /* the loop waits in its call */
	with.call = count_shares;
	server_start_with(32 << 20, &o, &with);
	peer_open(&gate);
	peer_source = BUSY_ADDRESS;
	for (int i = 0; i < BUSY_PEERS; i++)
		peer_open(&busy[i]);
	peer_source = LONE_ADDRESS;
	peer_open(&lone);
	check_alive(&lone);
	lone.calls = 0;
	send_call(&gate, XID(BLOCK, SMALL, 0));
	eventually(seen(server.blocked) == 1);
}

static void *send_busy(void *arg)
{
	int *size = arg;

	for (uint32_t n = 0; n < (*size == SMALL ? 100 : 4); n++)
		for (int i = 0; i < BUSY_PEERS; i++)
			must(send_call(&busy[i], XID(ECHO, *size, n)));
	return NULL;
}

static void finish(int size)
{
	for (int i = 0; i < BUSY_PEERS; i++)
		receive_replies(&busy[i], 0, size == SMALL ? 100 : 4);
	receive_replies(&gate, 0, 1);
	server_stop();
	for (int i = 0; i < BUSY_PEERS; i++)
		peer_free(&busy[i]);
	peer_free(&lone);
	peer_free(&gate);
}

/*
 * As many connections as possible: a division by connections would be 1 in 33.
 * With calls that take a hundred times as long: a division by calls would be
 * one for one.  Time is what is divided, and the machine has other work, so the
 * bounds are wide.
 */
START_TEST(shares)
{
	int size = _i ? LONGEST : SMALL;
	pthread_t thread;

	nr_lone = 100;
	start();
	for (uint32_t n = 0; n < nr_lone; n++)
		must(send_call(&lone, XID(ECHO, SMALL, n)));
	/* Large ones do not all fit into the sockets. */
	must(!pthread_create(&thread, NULL, send_busy, &size));
	if (size == SMALL)
		pthread_join(thread, NULL);
	else
		usleep(100000);
	set_gate(true);
	receive_replies(&lone, 0, nr_lone);
	ck_assert_uint_le(busy_at_end - busy_before,
			  size == SMALL ? nr_lone * 6 : nr_lone / 2);
	if (size != SMALL)
		pthread_join(thread, NULL);
	finish(size);
}
END_TEST

/* One client begins more records than the limit holds, and ends none: another
 * has room for its own, and never waits. */
START_TEST(pages)
{
	struct rpcbuf_engine_options o = server_options();
	uint8_t *record;
	size_t len;

	o.receivers = 1 + (unsigned int)_i;
	o.max_partial = 3 << 20;
	server_start(32 << 20, &o);
	peer_source = BUSY_ADDRESS;
	record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);
	for (int i = 0; i < BUSY_PEERS; i++) {
		peer_open(&busy[i]);
		must(send_bytes(&busy[i], record, len / 2));
	}
	free(record);
	eventually(stats().parked_partial >= BUSY_PEERS / 4);
	peer_source = LONE_ADDRESS;
	peer_open(&lone);
	for (uint32_t n = 0; n < 50; n++) {
		must(send_call(&lone, XID(ECHO, LONGEST, n)));
		receive_replies(&lone, n, 1);
	}
	ck_assert_uint_eq(os_load(&lone.conn->counts.waits), 0);
	server_stop();
	for (int i = 0; i < BUSY_PEERS; i++)
		peer_free(&busy[i]);
	peer_free(&lone);
}
END_TEST

/*
 * Each of many clients begins a record of the limit or more, and ends none.
 * Another client need not wait until each of them had the grant: that would be
 * longer than the guard.
 */
START_TEST(silent_clients)
{
	struct rpcbuf_engine_options o = server_options();
	uint8_t *record;
	size_t len;

	o.receivers = 1 + (unsigned int)_i % 2;
	o.max_partial = (uint64_t)(_i / 2 ? 2 : 3) << 20;
	server_start(32 << 20, &o);
	record = call_record(XID(ECHO, LONGEST, 0), 1, NULL, &len);
	for (int i = 0; i < BUSY_PEERS; i++) {
		peer_source = LONE_ADDRESS + 1 + (in_addr_t)i;
		peer_open(&busy[i]);
		must(send_bytes(&busy[i], record, len / 2));
	}
	free(record);
	eventually(stats().parked_partial > 0);
	peer_source = LONE_ADDRESS;
	peer_open(&lone);
	for (uint32_t n = 0; n < 5; n++) {
		must(send_call(&lone, XID(ECHO, LONGEST, n)));
		receive_replies(&lone, n, 1);
	}
	ck_assert_uint_eq(seen(lone.closed), 0);
	server_stop();
	for (int i = 0; i < BUSY_PEERS; i++)
		peer_free(&busy[i]);
	peer_free(&lone);
}
END_TEST

/* Loops get equal numbers of connections of each client. */
START_TEST(spread)
{
	struct rpcbuf_engine_options o = server_options();

	o.receivers = 2;
	server_start(32 << 20, &o);
	peer_source = BUSY_ADDRESS;
	for (int i = 0; i < 7; i++)
		peer_open(&busy[i]);
	peer_source = LONE_ADDRESS;
	for (int i = 7; i < 11; i++)
		peer_open(&busy[i]);
	for (unsigned int i = 0; i < 2; i++) {
		ck_assert_uint_ge(busy[0].conn->part->client->parts[i].nr_conns,
				  3);
		ck_assert_uint_eq(busy[7].conn->part->client->parts[i].nr_conns,
				  2);
	}
	for (int i = 0; i < 11; i++)
		check_alive(&busy[i]);
	server_stop();
	for (int i = 0; i < 11; i++)
		peer_free(&busy[i]);
}
END_TEST

#define VISITORS 12 /* of two clients: more than loops for each */

/* Opens one connection after the other from its address, calls, and closes. */
static void *visit(void *arg)
{
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	in_addr_t address = BUSY_ADDRESS + *(in_addr_t *)arg % 2;
	struct peer visitor;

	for (unsigned int n = 0; n < TEST_ROUNDS(200); n++) {
		pthread_mutex_lock(&opening);
		peer_source = address;
		peer_open(&visitor);
		pthread_mutex_unlock(&opening);
		for (uint32_t i = 0; i < 10; i++)
			must(send_call(&visitor, XID(ECHO, SMALL, i)));
		receive_replies(&visitor, 0, 10);
		peer_hang_up(&visitor);
		expect_closed(&visitor, RPCBUF_CLOSE_EOF);
		peer_free(&visitor);
	}
	return NULL;
}

/* Clients come and go in all loops while others of theirs call.  Loops read
 * facts about each other's clients without a lock, which ThreadSanitizer
 * judges. */
START_TEST(come_and_go)
{
	struct rpcbuf_engine_options o = server_options();
	pthread_t threads[VISITORS];
	in_addr_t numbers[VISITORS];

	o.receivers = 2;
	server_start(32 << 20, &o);
	for (unsigned int i = 0; i < VISITORS; i++) {
		numbers[i] = i;
		must(!pthread_create(&threads[i], NULL, visit, &numbers[i]));
	}
	for (unsigned int i = 0; i < VISITORS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_uint_eq(stats().requests, VISITORS * TEST_ROUNDS(200) * 10);
	server_stop();
}
END_TEST

/* The accepted end of a connection from @from to @listener. */
static int accepted(int listener, const struct sockaddr *to, socklen_t to_len,
		    const struct sockaddr *from, socklen_t from_len, int *client)
{
	*client = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(*client, from, from_len) || connect(*client, to, to_len))
		return -1; /* a machine without IPv6 */
	return accept(listener, NULL, NULL);
}

/* The port does not matter, nor the form of the address. */
START_TEST(addresses)
{
	struct rpcbuf_engine_options o = server_options();
	struct sockaddr_in6 any6 = { .sin6_family = AF_INET6 }, local6 = any6;
	struct sockaddr_in to = { .sin_family = AF_INET }, from = to;
	socklen_t len = sizeof(any6);
	int listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fds[3], clients[3], off = 0;
	struct client *mine, *c[3];
	struct peer p[2];

	server_start(32 << 20, &o);
	peer_source = BUSY_ADDRESS;
	peer_connect(&p[0]);
	peer_connect(&p[1]);
	mine = client_get(server.engine, p[0].fd, false);
	ck_assert_ptr_eq(client_get(server.engine, p[1].fd, false), mine);
	client_put(server.engine, mine);
	c[0] = client_get(server.engine, p[1].fd, true);
	ck_assert_ptr_ne(c[0], mine);
	client_put(server.engine, c[0]);
	if (listener >= 0 &&
	    setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &off,
		       sizeof(off)) == 0 &&
	    bind(listener, (void *)&any6, sizeof(any6)) == 0 &&
	    listen(listener, 5) == 0) {
		must(getsockname(listener, (void *)&any6, &len) == 0);
		to.sin_port = any6.sin6_port;
		to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		from.sin_addr.s_addr = htonl(BUSY_ADDRESS);
		fds[0] = accepted(listener, (void *)&to, sizeof(to),
				  (void *)&from, sizeof(from), &clients[0]);
		from.sin_addr.s_addr = htonl(LONE_ADDRESS);
		fds[1] = accepted(listener, (void *)&to, sizeof(to),
				  (void *)&from, sizeof(from), &clients[1]);
		local6.sin6_addr = in6addr_loopback;
		any6.sin6_addr = in6addr_loopback;
		fds[2] = accepted(listener, (void *)&any6, sizeof(any6),
				  (void *)&local6, sizeof(local6),
				  &clients[2]);
		for (int i = 0; i < 3; i++)
			c[i] = client_get(server.engine, fds[i], false);
		ck_assert(fds[0] < 0 || c[0] == mine);
		ck_assert(fds[1] < 0 || (c[1] != mine && c[1] != c[2]));
		ck_assert(fds[2] < 0 || c[2] != mine);
		for (int i = 0; i < 3; i++) {
			client_put(server.engine, c[i]);
			close(fds[i]);
			close(clients[i]);
		}
	}
	close(listener);
	client_put(server.engine, mine);
	for (int i = 0; i < 2; i++) {
		close(p[i].fd);
		close(p[i].client);
	}
	server_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_fair");
	TCase *tcase = tcase_create("fair");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_loop_test(tcase, pages, 0, 2);
	tcase_add_loop_test(tcase, shares, 0, 2);
	tcase_add_loop_test(tcase, silent_clients, 0, 4);
	tcase_add_test(tcase, spread);
	tcase_add_test(tcase, come_and_go);
	tcase_add_test(tcase, addresses);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
