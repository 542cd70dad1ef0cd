/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: whatever a client sends, and however, affects only itself, under
 * svc_run() and under rpcbuf_svc_run().
 * Method: clients that write bytes: calls cut anywhere, records of fragments,
 * many calls at once, marks that claim too much, no calls at all, resets, half
 * closes, replies that are not read.  Afterwards and meanwhile another client
 * is served, and in the end nothing is left.
 */
#include <netinet/tcp.h>
#include <rpcbuf/stats.h>

#include "tests/tirpc/tirpc_util.h"

static CLIENT *witness;

static void start(int mode, uint32_t send_timeout)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();

	o.send_timeout = send_timeout;
	/* These limits hold in both modes. */
	o.limits.max_length = server.engine.limits.max_length = 1 << 20;
	o.limits.max_fragments = server.engine.limits.max_fragments = 200;
	server_start_with((enum mode)mode, &o);
	witness = client_open();
	client_add(witness, 1);
}

static void stop(void)
{
	client_add(witness, 2);
	client_blob(witness, REFER, 50000);
	client_close(witness);
	eventually(stats().connections == 0);
	server_stop();
}

static int client(void)
{
	int fd = connected(), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* A call of COPY or REFER with @len bytes, and its results. */
static uint8_t *blob_args(uint32_t len, uint32_t *args_len)
{
	uint8_t *args = calloc(1, len + 8);

	put32(args, len);
	wire_pattern(args + 4, len, len);
	*args_len = 4 + ((len + 3) & ~3u);
	memset(args + 4 + len, 0, *args_len - 4 - len);
	return args;
}

START_TEST(cut_anywhere)
{
	uint64_t seed = test_seed();
	int fd;

	start(_i, 30);
	fd = client();
	for (uint32_t xid = 0; xid < 200; xid++) {
		uint32_t sizes[100], args_len, nr;
		uint8_t *args = blob_args(
			test_below(&seed, xid % 9 ? 300 : 60000), &args_len);
		size_t len, at = 0;
		uint8_t *call;

		nr = wire_cut(&seed, RPCBUF_CALL_MIN + args_len, sizes,
			      WIRE_NR(sizes));
		call = raw_call(xid, xid % 2 ? COPY : REFER, args, args_len,
				sizes, nr, &len);
		while (at < len) {
			size_t n = xid % 50 == 0 && len < 1000
					   ? 1
					   : wire_portion(&seed, len - at);

			must(raw_send(fd, call + at, n));
			at += n;
		}
		raw_expect(fd, xid, args, args_len);
		free(call);
		free(args);
	}
	close(fd);
	stop();
}
END_TEST

/* Calls without waiting for replies: answered in their order. */
START_TEST(many_at_once)
{
	enum {
		CALLS = 500
	};
	uint8_t args[8] = {0}, expected[8] = {0}, *all = NULL;
	size_t len = 0;
	int fd;

	start(_i, 30);
	fd = client();
	for (uint32_t xid = 0; xid < CALLS; xid++) {
		size_t n;
		uint8_t *call;

		put32(args + 4, xid);
		call = raw_call(xid, ADD, args, sizeof(args), NULL, 0, &n);
		all = realloc(all, len + n);
		memcpy(all + len, call, n);
		len += n;
		free(call);
	}
	must(raw_send(fd, all, len));
	for (uint32_t xid = 0; xid < CALLS; xid++) {
		put32(expected + 4, xid + 1);
		raw_expect(fd, xid, expected, sizeof(expected));
	}
	/* Calls sent before the end of the stream are answered before the
	 * connection ends. */
	must(raw_send(fd, all, len));
	must(shutdown(fd, SHUT_WR) == 0);
	for (uint32_t xid = 0; xid < CALLS; xid++) {
		put32(expected + 4, xid + 1);
		raw_expect(fd, xid, expected, sizeof(expected));
	}
	raw_expect_end(fd);
	close(fd);
	free(all);
	stop();
}
END_TEST

/* A long call, and many behind it on the same connection. */
START_TEST(order_behind_a_long_call)
{
	enum {
		CALLS = 100
	};
	uint8_t args[8] = {0};
	size_t len;
	uint8_t *call;
	int fd;

	start(ENGINE, 30);
	fd = client();
	call = raw_call(1000, BLOCK, NULL, 0, NULL, 0, &len);
	must(raw_send(fd, call, len));
	free(call);
	eventually(seen(server.blocked) == 1);
	for (uint32_t xid = 0; xid < CALLS; xid++) {
		call = raw_call(xid, ADD, args, sizeof(args), NULL, 0, &len);
		must(raw_send(fd, call, len));
		free(call);
	}
	for (int i = 0; i < 50; i++)
		client_add(witness, i);
	open_gate();
	raw_expect(fd, 1000, NULL, 0);
	args[7] = 1;
	for (uint32_t xid = 0; xid < CALLS; xid++)
		raw_expect(fd, xid, args, sizeof(args));
	close(fd);
	stop();
}
END_TEST

/* Between the engine and the adapter: delays every second call of a connection
 * so long that another thread takes the next one. */
static struct {
	struct rpcbuf_handlers handlers;
	bool on;
} late;

static void late_call(struct rpcbuf_call *call)
{
	if (call->number % 2 == 0)
		usleep(5000);
	late.handlers.call(call);
}

int __real_rpcbuf_engine_create(struct rpcbuf_engine **engine,
				struct rpcbuf *mm,
				const struct rpcbuf_handlers *handlers,
				const struct rpcbuf_engine_options *options);
int __wrap_rpcbuf_engine_create(struct rpcbuf_engine **engine,
				struct rpcbuf *mm,
				const struct rpcbuf_handlers *handlers,
				const struct rpcbuf_engine_options *options);

int __wrap_rpcbuf_engine_create(struct rpcbuf_engine **engine,
				struct rpcbuf *mm,
				const struct rpcbuf_handlers *handlers,
				const struct rpcbuf_engine_options *options)
{
	struct rpcbuf_handlers held_up = *handlers;

	late.handlers = *handlers;
	held_up.call = late_call;
	return __real_rpcbuf_engine_create(
		engine, mm, late.on ? &held_up : handlers, options);
}

/* Whichever thread is first, calls run in the order in which they came. */
START_TEST(order_on_many_threads)
{
	enum {
		CALLS = 40
	};
	uint8_t args[8] = {0};
	int fd;

	late.on = true;
	start(ENGINE, 30);
	fd = client();
	for (uint32_t xid = 0; xid < CALLS; xid++) {
		size_t len;
		uint8_t *call =
			raw_call(xid, ADD, args, sizeof(args), NULL, 0, &len);

		must(raw_send(fd, call, len));
		free(call);
	}
	args[7] = 1;
	for (uint32_t xid = 0; xid < CALLS; xid++)
		raw_expect(fd, xid, args, sizeof(args));
	must(engine_stats().handovers > 0);
	close(fd);
	stop();
}
END_TEST

static void refused(const void *bytes, size_t len, const char *words)
{
	int fd = client();

	must(raw_send(fd, bytes, len));
	raw_expect_end(fd);
	close(fd);
	if (words && !logged(words))
		ck_abort_msg("'%s' is not in '%s'", words, server.log);
	client_add(witness, 1);
}

START_TEST(refused_records)
{
	uint8_t bytes[4 * 300] = {0};
	size_t len;
	uint8_t *call;

	start(_i, 30);
	put32(bytes, RPCBUF_MARK_LAST | ((1 << 20) + 1));
	refused(bytes, 4, "1048577, limit 1048576");
	put32(bytes, 0x7fffffff);
	refused(bytes, 4, "2147483647, limit 1048576");
	put32(bytes, RPCBUF_MARK_LAST | 8);
	refused(bytes, 12, NULL);
	memset(bytes, 0, sizeof(bytes));
	refused(bytes, 4 * 201, "limit 200");
	/* A reply, and a call of another version. */
	call = raw_call(1, NUL, NULL, 0, NULL, 0, &len);
	put32(call + 8, REPLY);
	refused(call, len, NULL);
	put32(call + 8, CALL);
	put32(call + 12, 3);
	refused(call, len, NULL);
	/* A credential that is too long. */
	put32(call + 12, 2);
	put32(call + 32, 0xffffff00);
	refused(call, len, NULL);
	free(call);
	stop();
}
END_TEST

/* A length past the end of the message: an error to the client, and nothing
 * else. */
START_TEST(lengths_that_lie)
{
	static const uint32_t lies[] = {9, 5000, 0x7fffffff, 0xffffffff};
	uint8_t args[12] = {0};
	int fd;

	start(_i, 30);
	fd = client();
	for (uint32_t i = 0; i < 2 * WIRE_NR(lies); i++) {
		uint32_t got;
		size_t len;
		uint8_t *call, *reply;

		put32(args, lies[i / 2]);
		call = raw_call(i, REFER, args, 12, NULL, 0, &len);
		must(raw_send(fd, call, len));
		reply = raw_reply(fd, &got);
		must(reply && get32(reply) == i);
		must(get32(reply + 20) == GARBAGE_ARGS);
		free(reply);
		free(call);
	}
	close(fd);
	stop();
}
END_TEST

/* Peers that close within a record or a reply. */
START_TEST(resets)
{
	const struct linger linger = {1, 0};
	uint64_t seed = test_seed();

	start(_i, 30);
	for (uint32_t i = 0; i < 100; i++) {
		uint32_t args_len;
		uint32_t size = test_below(&seed, 200000) & ~3u;
		uint8_t *args = blob_args(size, &args_len);
		size_t len;
		uint8_t *call =
			raw_call(i, COPY, args, args_len, NULL, 0, &len);
		int fd = client();

		if (i % 3)
			len = test_below(&seed, (uint32_t)len);
		raw_send(fd, call, len);
		if (i % 2)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
				   sizeof(linger));
		close(fd);
		free(call);
		free(args);
		client_add(witness, i);
	}
	eventually(stats().connections == 1);
	stop();
}
END_TEST

/* Unfinished records on many connections delay no other. */
START_TEST(slow_senders)
{
	int fds[40];
	uint32_t args_len;
	uint8_t *args = blob_args(100000, &args_len), *call;
	size_t len;

	start(_i, 30);
	call = raw_call(5, COPY, args, args_len, NULL, 0, &len);
	for (unsigned int i = 0; i < WIRE_NR(fds); i++) {
		fds[i] = client();
		must(raw_send(fds[i], call, i * 2000 + 1));
	}
	for (int i = 0; i < 50; i++)
		client_add(witness, i);
	client_blob(witness, COPY, 500000);
	for (unsigned int i = 0; i < WIRE_NR(fds); i += 2) {
		must(raw_send(fds[i], call + i * 2000 + 1, len - i * 2000 - 1));
		raw_expect(fds[i], 5, args, args_len);
	}
	for (unsigned int i = 0; i < WIRE_NR(fds); i++)
		close(fds[i]);
	free(call);
	free(args);
	stop();
}
END_TEST

/* More partial records than the budget has room for: some of them are
 * closed. */
START_TEST(records_beyond_the_budget)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	int fds[8];
	uint32_t args_len;
	uint8_t *args = blob_args(900000, &args_len), *call;
	size_t len;

	o.memory = 5 << 20;
	server_start_with(SINGLE, &o);
	call = raw_call(5, COPY, args, args_len, NULL, 0, &len);
	for (unsigned int i = 0; i < WIRE_NR(fds); i++) {
		fds[i] = client();
		/* It may be closed while it sends. */
		raw_send(fds[i], call, len - 1);
	}
	eventually(stats().refused >= 1);
	eventually(logged("no free page"));
	witness = client_open();
	client_add(witness, 1);
	client_blob(witness, COPY, 100000);
	for (unsigned int i = 0; i < WIRE_NR(fds); i++)
		close(fds[i]);
	free(call);
	free(args);
	stop();
}
END_TEST

/* A client that has requested @nr numbers, of 4 bytes each, with a receive
 * buffer of @room bytes. */
static int asking(enum proc proc, uint32_t nr, int room)
{
	int fd = client();
	uint8_t args[4], *call;
	size_t len;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	put32(args, nr);
	call = raw_call(5, proc, args, sizeof(args), NULL, 0, &len);
	must(raw_send(fd, call, len));
	free(call);
	return fd;
}

static int asking_for(uint32_t nr, int room)
{
	return asking(NUMBERS, nr, room);
}

/* Unread replies: that client is closed, the others are served. */
START_TEST(replies_not_read)
{
	int fd;

	start(_i, 1);
	fd = asking_for(8000000, 4096);
	for (int i = 0; i < 50; i++)
		client_add(witness, i);
	eventually(stats().send_timeouts == 1);
	eventually(stats().connections == 1);
	must(logged("does not read"));
	close(fd);
	stop();
}
END_TEST

/* A client that reads all the time, but little: the timeout is that of the
 * whole reply, whatever the number of fragments.  The server's socket buffer is
 * small too, and the client much slower than the encoding, so that the server
 * waits often, and never long. */
START_TEST(replies_read_slowly)
{
	uint8_t bytes[4096];
	int fd, room = 64 << 10;

	start(_i, 2);
	setsockopt(server.listener->xp_fd, SOL_SOCKET, SO_SNDBUF, &room,
		   sizeof(room));
	eventually(stats().replies == 1);
	fd = asking_for(2000000, room);
	/* Not to the end: bytes in the socket after the server's close may come
	 * as slowly as TCP probes a closed window. */
	while (!stats().send_timeouts) {
		recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);
		must(stats().replies == 1);
		usleep(20000);
	}
	must(stats().send_timeouts == 1 && stats().reply_fragments == 1);
	close(fd);
	stop();
}
END_TEST

enum {
	UNREAD = 20
};

/* Many of them at the same time: each holds a thread, and no other client. */
START_TEST(many_that_do_not_read)
{
	int fds[UNREAD];

	start(ENGINE, 2);
	for (int i = 0; i < UNREAD; i++)
		fds[i] = asking_for(8000000, 4096);
	eventually(engine_stats().in_flight == UNREAD || stats().send_timeouts);
	for (int i = 0; i < 50; i++)
		client_add(witness, i);
	eventually(stats().send_timeouts == UNREAD);
	eventually(stats().connections == 1);
	for (int i = 0; i < UNREAD; i++)
		close(fds[i]);
	stop();
}
END_TEST

enum {
	GATED = 8
};

/* @fds request calls that wait at the gate, each on its own thread. */
static void wait_at_the_gate(int *fds)
{
	uint8_t *call;
	size_t len;

	call = raw_call(7, BLOCK, NULL, 0, NULL, 0, &len);
	for (unsigned int i = 0; i < GATED; i++) {
		fds[i] = client();
		must(raw_send(fds[i], call, len));
		eventually(seen(server.blocked) == i + 1);
	}
	free(call);
}

/* One of @fds is answered; bit i of @answered says whether the i-th was. */
static void one_is_answered(const int *fds, unsigned int *answered)
{
	struct pollfd pfd[GATED];
	uint8_t bytes[64];
	unsigned int i;

	let_one_through();
	for (i = 0; i < GATED; i++)
		pfd[i] = (struct pollfd){
			.fd = *answered & 1u << i ? -1 : fds[i],
			.events = POLLIN,
		};
	ck_assert_int_eq(poll(pfd, GATED, GUARD_S * 1000), 1);
	for (i = 0; !pfd[i].revents; i++)
		;
	ck_assert_int_gt(recv(fds[i], bytes, sizeof(bytes), 0), 27);
	*answered |= 1u << i;
}

/* Threads with calls reply although there is no page, from the reserve for
 * replies: none sleeps until pages come, which may be when the others have
 * replied.  A long reply that is not read does not use up what these need. */
START_TEST(replies_without_pages)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	static void *held[16 << 8];
	struct rpcbuf_stats of_pages = RPCBUF_STATS_INIT;
	unsigned int nr = 0, answered = 0;
	int fds[GATED], unread;

	options.memory = 16 << 20;
	options.no_pressure = true;
	must(!rpcbuf_create(&o.mm, &options));
	o.send_timeout = GUARD_S;
	server.engine.receivers = 1;
	server.engine.max_threads = GATED + 2;
	server_start_with(ENGINE, &o);
	wait_at_the_gate(fds);
	unread = asking(HELD_NUMBERS, 8000000, 4096);
	eventually(seen(server.blocked) == GATED + 1);
	for (int i = 0; i < GATED; i++) {
		/* Idle loops release some. */
		while (nr < 16 << 8 &&
		       (held[nr] = rpcbuf_alloc_page(o.mm, RPCBUF_GFP_NOWAIT)))
			nr++;
		if (i == GATED / 2) {
			let_numbers_go();
			eventually(stats().reply_fragments == 1);
		}
		one_is_answered(fds, &answered);
	}
	ck_assert_uint_eq(answered, (1u << GATED) - 1);
	rpcbuf_stats_read(o.mm, &of_pages);
	ck_assert_uint_eq(of_pages.waits, 0);
	ck_assert_uint_eq(engine_stats().reply_reserve_empty, 0);
	rpcbuf_free_bulk_array(o.mm, nr, held);
	close(unread);
	for (unsigned int i = 0; i < GATED; i++)
		close(fds[i]);
	eventually(stats().connections == 0);
	server_stop();
	must(!rpcbuf_destroy(o.mm));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tirpc_abuse");
	TCase *tcase = tcase_create("abuse");

	tcase_set_timeout(tcase, 200);
	tcase_add_loop_test(tcase, cut_anywhere, SINGLE, STOCK);
	tcase_add_loop_test(tcase, many_at_once, SINGLE, STOCK);
	tcase_add_test(tcase, order_behind_a_long_call);
	tcase_add_test(tcase, order_on_many_threads);
	tcase_add_loop_test(tcase, refused_records, SINGLE, STOCK);
	tcase_add_loop_test(tcase, lengths_that_lie, SINGLE, STOCK);
	tcase_add_loop_test(tcase, resets, SINGLE, STOCK);
	tcase_add_loop_test(tcase, slow_senders, SINGLE, STOCK);
	tcase_add_test(tcase, records_beyond_the_budget);
	tcase_add_loop_test(tcase, replies_not_read, SINGLE, STOCK);
	tcase_add_loop_test(tcase, replies_read_slowly, SINGLE, STOCK);
	tcase_add_test(tcase, many_that_do_not_read);
	tcase_add_test(tcase, replies_without_pages);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
