/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: every call that a client sends runs once and is answered, however its
 * bytes arrive; a connection ends once, for the right reason, after its calls.
 * Method: real TCP connections and a handler that answers with a sum of the
 * bytes in the pages; clients that send whole calls, pipelined, byte by byte,
 * shut down their sending side, or reset.
 */
#include <fcntl.h>
#include <rpcbuf/rqst.h>
#include <sys/resource.h>

#include "engine_util.h"

#define PEERS 200
#define BURST 500u

static struct peer peers[PEERS];

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	server_start(16 << 20, &o);
}

static void teardown(void)
{
	server_stop();
}

static void hang_up_and_free(struct peer *peer)
{
	peer_hang_up(peer);
	expect_closed(peer, RPCBUF_CLOSE_EOF);
	peer_free(peer);
}

static const struct rpcbuf_handlers few = {
	.size = sizeof(few),
	.call = on_call,
	.closed = on_closed,
};

static int create_with(uint64_t memory, const struct rpcbuf_handlers *h,
		       const struct rpcbuf_engine_options *o)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_engine *engine = (void *)&options, *before = engine;
	struct rpcbuf *mm;
	int err;

	options.memory = memory;
	must(rpcbuf_create(&mm, &options) == 0);
	err = rpcbuf_engine_create(&engine, mm, h, o);
	if (err)
		must(engine == before);
	else
		must(rpcbuf_engine_stop(engine, GUARD_S * 1000) == 0);
	if (!err)
		rpcbuf_engine_destroy(engine);
	must(rpcbuf_destroy(mm) == 0);
	return err;
}

#define REFUSES(change)                                                 \
	do {                                                            \
		struct rpcbuf_engine_options o = server_options();      \
		struct rpcbuf_handlers h = handlers;                    \
		uint64_t memory = 16 << 20;                             \
		change;                                                 \
		ck_assert_int_eq(create_with(memory, &h, &o), -EINVAL); \
	} while (0)

/* Beyond both ends of the range of @member, of type @type, where the type has such
 * values. */
#define REFUSES_BEYOND(type, member, least, most)                   \
	if ((most) < (sizeof(type) == 8 ? UINT64_MAX : UINT32_MAX)) \
		REFUSES(o.member = (type)((uint64_t)(most) + 1));   \
	if ((uint64_t)(least) > 0)                                  \
		REFUSES(o.member = (type)((uint64_t)(least)-1));
#define REFUSES_LIMIT(type, member, least, most, ...) \
	REFUSES_BEYOND(type, limits.member, least, most)
#define REFUSES_OPTION(type, member, least, most, ...) \
	REFUSES_BEYOND(type, member, least, most)

START_TEST(options)
{
	struct rpcbuf_engine_options good = server_options();
	ck_assert_int_eq(create_with(16 << 20, &few, &good), 0);
	REFUSES(h.call = NULL);
	REFUSES(h.closed = NULL);
	REFUSES(o.size = 0);
	RPCBUF_LIMIT_OPTIONS(REFUSES_LIMIT)
	RPCBUF_ENGINE_OPTIONS(REFUSES_OPTION)
	/* Too small for a vector per receiver and two more. */
	REFUSES(memory = 2 * (MAX_CALL + 4096));
	/* The engine uses fewer receivers instead. */
	good.receivers = 64;
	ck_assert_int_eq(create_with(4 * (MAX_CALL + 8192), &handlers, &good),
			 0);
}
END_TEST

/* The limit under which @nr descriptors can be opened; inherited ones may have
 * any number. */
static rlim_t limit_leaving(int nr)
{
	int fd = 0;

	while (nr)
		nr -= fcntl(fd++, F_GETFD) < 0;
	return (rlim_t)fd;
}

/* One of the descriptors that an engine of two loops needs is not available. */
START_TEST(no_descriptors)
{
	struct rpcbuf_engine_options o = server_options();
	const int needed = o.backend == RPCBUF_BACKEND_EPOLL ? 4 : 6;
	struct rpcbuf_options mm_options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_engine *engine;
	struct rpcbuf *mm;
	struct rlimit limit;

	mm_options.no_thread = true;
	must(rpcbuf_create(&mm, &mm_options) == 0);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit_leaving(_i);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_int_eq(rpcbuf_engine_create(&engine, mm, &few, &o),
			 _i < needed ? -EMFILE : 0);
	if (_i >= needed)
		must(rpcbuf_engine_stop(engine, GUARD_S * 1000) == 0);
	if (_i >= needed)
		rpcbuf_engine_destroy(engine);
	ck_assert_int_eq(rpcbuf_destroy(mm), 0);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}
END_TEST

START_TEST(one_call)
{
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;
	struct peer *p = &peers[0];

	peer_open(p);
	ck_assert_uint_eq(stats().connections, 1);
	send_call(p, XID(ECHO, LONGEST, 7));
	receive_replies(p, 7, 1);
	eventually(stats().in_flight == 0);
	s = stats();
	ck_assert_uint_eq(s.requests, 1);
	ck_assert_uint_eq(s.bytes_received, MAX_CALL + RPCBUF_MARK_SIZE);
	ck_assert_uint_eq(s.connections_total, 1);
	ck_assert_uint_eq(s.records_refused, 0);
	/* 64 pages and a mark. */
	ck_assert_uint_eq(s.hist_pages[7], 1);
	ck_assert_uint_ge(s.pages_filled, 65);
	ck_assert_uint_ge(s.bulk_calls, 1);
	ck_assert_uint_ge(s.receives, 1);
	ck_assert_uint_ge(s.threads, 2);
	hang_up_and_free(p);
	ck_assert_uint_eq(stats().connections, 0);
}
END_TEST

static void all_hang_up(struct peer *p, int nr)
{
	for (int i = 0; i < nr; i++)
		peer_hang_up(&p[i]);
	for (int i = 0; i < nr; i++)
		hang_up_and_free(&p[i]);
}

/* All lengths, cut into fragments anywhere. */
START_TEST(fragments)
{
	uint64_t seed = test_seed();
	struct peer *p = &peers[0];

	peer_open(p);
	for (unsigned int i = 0; i < 300; i++) {
		uint32_t xid = XID(ECHO, test_below(&seed, 4), i);
		size_t len, at = 0, n;
		uint8_t *record = call_record(xid, 1000, &seed, &len);

		for (; at < len; at += n) {
			n = wire_portion(&seed, len - at);
			if (test_below(&seed, 10))
				n = len - at;
			send_bytes(p, record + at, n);
		}
		free(record);
		receive_replies(p, i, 1);
	}
	ck_assert_uint_eq(stats().requests, 300);
	hang_up_and_free(p);
}
END_TEST

/* The bytes of @nr calls of mixed lengths, in one array. */
static uint8_t *burst(uint64_t *seed, unsigned int nr, int how, size_t *len)
{
	size_t size = (size_t)nr * 30000, n;
	uint8_t *all = malloc(size);

	*len = 0;
	for (unsigned int i = 0; i < nr; i++) {
		uint32_t xid = XID(how, test_below(seed, 2), i);
		uint8_t *record = call_record(xid, 10, seed, &n);

		must(*len + n <= size);
		memcpy(all + *len, record, n);
		*len += n;
		free(record);
	}
	return all;
}

struct sender {
	struct peer *peer;
	uint8_t *bytes;
	size_t len, portion;
};

static void *send_portions(void *arg)
{
	struct sender *s = arg;

	for (size_t at = 0; at < s->len; at += s->portion)
		send_bytes(s->peer, s->bytes + at,
			   s->len - at < s->portion ? s->len - at : s->portion);
	return NULL;
}

static void pipeline(unsigned int nr, size_t portion)
{
	uint64_t seed = test_seed();
	struct sender sender = {.peer = &peers[0], .portion = portion};
	pthread_t thread;

	peer_open(&peers[0]);
	sender.bytes = burst(&seed, nr, ECHO, &sender.len);
	pthread_create(&thread, NULL, send_portions, &sender);
	receive_replies(&peers[0], 0, nr);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(peers[0].calls, nr);
	free(sender.bytes);
	hang_up_and_free(&peers[0]);
}

START_TEST(pipelined)
{
	pipeline(TEST_ROUNDS(5000), 100000);
}
END_TEST

START_TEST(byte_by_byte)
{
	pipeline(12, 1);
}
END_TEST

/* The peer shuts down its sending side while calls run: each is answered, then
 * the connection ends. */
START_TEST(half_close)
{
	uint64_t seed = test_seed();
	struct peer *p = &peers[0];
	size_t len;
	uint8_t *bytes = burst(&seed, BURST, _i ? LATER : ECHO, &len);
	struct sender sender = {p, bytes, len, len};
	pthread_t thread;

	peer_open(p);
	pthread_create(&thread, NULL, send_portions, &sender);
	if (_i) {
		pthread_join(thread, NULL);
		shutdown(p->client, SHUT_WR);
		eventually(nr_later() == BURST);
		ck_assert_uint_eq(seen(p->closed), 0);
		ck_assert_uint_eq(answer_later(), BURST);
		receive_replies(p, 0, BURST);
	} else {
		receive_replies(p, 0, BURST);
		pthread_join(thread, NULL);
		shutdown(p->client, SHUT_WR);
	}
	expect_end(p);
	expect_closed(p, RPCBUF_CLOSE_EOF);
	free(bytes);
	hang_up_and_free(p);
}
END_TEST

/* Calls, the end of the stream, or both arrived before the adoption; the last
 * may be half a call. */
START_TEST(adopted_late)
{
	struct peer *p = &peers[0];
	uint32_t nr = (uint32_t)_i & 3;

	peer_connect(p);
	for (uint32_t i = 0; i < nr; i++)
		send_call(p, XID(ECHO, SMALL, i));
	if (_i & 4)
		send_bytes(p, "\x80\0\0\x40half", 8);
	shutdown(p->client, SHUT_WR);
	must(rpcbuf_engine_adopt(server.engine, p->fd, p, false, &p->conn) ==
	     0);
	receive_replies(p, 0, nr);
	expect_end(p);
	hang_up_and_free(p);
}
END_TEST

static void reset(struct peer *peer)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};

	setsockopt(peer->client, SOL_SOCKET, SO_LINGER, &linger,
		   sizeof(linger));
	peer_hang_up(peer);
}

/* A reset with calls in flight, or in the middle of one. */
START_TEST(reset_by_peer)
{
	struct peer *p = &peers[0];

	peer_open(&peers[1]);
	peer_open(p);
	if (_i == 0) {
		for (uint32_t i = 0; i < 5; i++)
			send_call(p, XID(LATER, SMALL, i));
		eventually(nr_later() == 5);
	} else {
		send_bytes(p, "\0\0\x10\0half", 8);
		eventually(stats().bytes_received == 8);
	}
	reset(p);
	check_alive(&peers[1]);
	if (_i == 0) {
		ck_assert_uint_eq(seen(p->closed), 0);
		answer_later();
		/* The first one to use the socket gets the error of the reset:
		 * the engine, or the handler that sends. */
		eventually(seen(p->closed) == 1);
		must(p->reason == RPCBUF_CLOSE_ERROR ||
		     p->reason == RPCBUF_CLOSE_EOF);
	} else {
		expect_closed(p, RPCBUF_CLOSE_ERROR);
	}
	peer_free(p);
	hang_up_and_free(&peers[1]);
}
END_TEST

START_TEST(two_hundred_connections)
{
	uint64_t seed = test_seed();
	uint32_t round, i;

	for (i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
	ck_assert_uint_eq(stats().connections, PEERS);
	for (round = 0; round < 5; round++) {
		for (i = 0; i < PEERS; i++) {
			send_call(&peers[i], XID(ECHO, SMALL, 2 * round));
			send_call(&peers[i], XID(ECHO, test_below(&seed, 2),
						 2 * round + 1));
		}
		for (i = 0; i < PEERS; i++)
			receive_replies(&peers[i], 2 * round, 2);
	}
	ck_assert_uint_eq(stats().requests, PEERS * 10);
	all_hang_up(peers, PEERS);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(stats().connections_total, PEERS);
}
END_TEST

/* An outgoing connection: it receives replies, which may be shorter. */
START_TEST(outgoing)
{
	uint8_t record[REPLY_BYTES] = {0x80, 0, 0, RPCBUF_REPLY_MIN};
	struct peer *p = &peers[0];

	record[11] = 1; /* REPLY */
	peer_connect(p);
	must(rpcbuf_engine_adopt(server.engine, p->fd, p, true, &p->conn) == 0);
	for (unsigned int i = 1; i <= 3; i++) {
		send_bytes(p, record, sizeof(record));
		eventually(seen(p->calls) == i);
	}
	/* The handler answered, but the peer has closed. */
	shutdown(p->client, SHUT_WR);
	expect_closed(p, RPCBUF_CLOSE_EOF);
	ck_assert_uint_eq(stats().records_refused, 0);
	hang_up_and_free(p);
}
END_TEST

/* A descriptor that cannot be adopted is left as it is. */
START_TEST(not_adopted)
{
	int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int datagrams = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct rpcbuf_conn *conn;

	ck_assert_int_eq(rpcbuf_engine_adopt(server.engine, file, &peers[0],
					     false, &conn),
			 -ENOTSOCK);
	ck_assert_int_eq(rpcbuf_engine_adopt(server.engine, datagrams,
					     &peers[0], false, &conn),
			 -ESOCKTNOSUPPORT);
	close(datagrams);
	ck_assert_int_eq(fcntl(file, F_GETFD), FD_CLOEXEC);
	close(file);
	ck_assert_int_eq(rpcbuf_engine_adopt(server.engine, file, &peers[0],
					     false, &conn),
			 -EBADF);
	ck_assert_uint_eq(stats().connections, 0);
	ck_assert_uint_eq(server.closed, 0);
}
END_TEST

/* An idle server keeps no pages, whatever its connections. */
START_TEST(idle_keeps_no_pages)
{
	struct peer *p = &peers[0];
	uint64_t reserve = pages_out();

	peer_open(p);
	for (int round = 0; round < 2; round++) {
		send_call(p, XID(ECHO, MEDIUM, 1));
		receive_replies(p, 1, 1);
		ck_assert_uint_gt(pages_out(), reserve);
		eventually(pages_out() == reserve);
	}
	hang_up_and_free(p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *tcase = tcase_create("engine"), *bare = tcase_create("bare");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, options);
	tcase_add_test(tcase, one_call);
	tcase_add_test(tcase, fragments);
	tcase_add_test(tcase, pipelined);
	tcase_add_test(tcase, byte_by_byte);
	tcase_add_loop_test(tcase, half_close, 0, 2);
	tcase_add_loop_test(tcase, adopted_late, 0, 8);
	tcase_add_loop_test(tcase, reset_by_peer, 0, 2);
	tcase_add_test(tcase, two_hundred_connections);
	tcase_add_test(tcase, outgoing);
	tcase_add_test(tcase, not_adopted);
	tcase_add_test(tcase, idle_keeps_no_pages);
	suite_add_tcase(suite, tcase);
	tcase_set_timeout(bare, 2 * GUARD_S);
	tcase_add_checked_fixture(bare, NULL, NULL);
	tcase_add_loop_test(bare, no_descriptors, 0, 7);
	suite_add_tcase(suite, bare);
	return wire_run(suite);
}
