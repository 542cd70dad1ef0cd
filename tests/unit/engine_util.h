/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests of the engine: a server of TCP connections on 127.0.0.1
 * whose handler answers each call with its xid and a sum of its bytes, and
 * clients that know the sum from the xid.
 *
 * The upper bits of an xid tell the handler what to do and give the length of
 * the call. No helper sleeps for a result: it waits for a condition, and a wait
 * of GUARD_S seconds fails the test as a hang.
 */
#ifndef TESTS_ENGINE_UTIL_H
#define TESTS_ENGINE_UTIL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/mempool.h>
#include <sys/socket.h>

#include "backend_util.h"
#include "until_util.h"
#include "wire_util.h"

#define MAX_CALL (256u << 10)
#define REPLY_BYTES (RPCBUF_MARK_SIZE + RPCBUF_REPLY_MIN)

/* Bits 31 to 28 of an xid: what the handler does with the call. */
enum { ECHO, BLOCK, LATER, SLOW };
/* Bits 27 to 24: the length of the call. */
enum { SMALL, MEDIUM, LARGE, LONGEST };

#define XID(how, size, n) ((uint32_t)(how) << 28 | (uint32_t)(size) << 24 | (n))

struct peer {
	int fd;		/* the server's end */
	int client;	/* the client's end, -1 once closed */
	struct rpcbuf_conn *conn;
	unsigned int calls;  /* seen by the handler */
	unsigned int closed; /* number of them */
	enum rpcbuf_close_reason reason;
	pthread_mutex_t sending;
};

static struct {
	struct rpcbuf *mm;
	struct rpcbuf_engine *engine;
	unsigned int reserved_pages; /* reserve for replies; 0: none */
	struct rpcbuf_mempool *reserve;
	int listener;
	bool gate_open;	      /* under lock: opens the gate for BLOCK calls */
	unsigned int blocked; /* calls that wait at the gate */
	struct rpcbuf_call *later[4096];
	unsigned int nr_later;
	unsigned int log_lines;
	char log[512]; /* last line of the log */
	unsigned int closed;
	unsigned int threads_started, threads_stopped;
	pthread_mutex_t lock;
	pthread_cond_t gate;
} server = { .lock = PTHREAD_MUTEX_INITIALIZER,
	     .gate = PTHREAD_COND_INITIALIZER };

static inline uint32_t call_length(uint32_t xid)
{
	uint32_t random = xid * 0x9e3779b1u >> 8;

	switch (xid >> 24 & 15) {
	case SMALL:
		return RPCBUF_CALL_MIN + random % 100;
	case MEDIUM:
		return RPCBUF_CALL_MIN + random % 20000;
	case LARGE:
		return MAX_CALL / 2 + random % (MAX_CALL / 2);
	default:
		return MAX_CALL;
	}
}

/* Writes the call @xid; returns its length. */
static inline uint32_t call_build(uint8_t *body, uint32_t xid)
{
	uint32_t len = call_length(xid);

	wire_pattern(body, len, xid);
	put32(body, xid);
	put32(body + 4, 0);
	return len;
}

static inline uint32_t sum_add(uint32_t sum, const uint8_t *bytes, size_t len)
{
	while (len--)
		sum = (sum ^ *bytes++) * 0x01000193u;
	return sum;
}

/* Answers @call: xid, REPLY, length, sum, 0. */
static inline void reply(struct rpcbuf_call *call)
{
	struct peer *peer = call->conn_data;
	uint8_t record[REPLY_BYTES] = { 0 };
	struct rpcbuf_cursor cursor;
	const uint8_t *window;
	uint32_t sum = 0;
	size_t len;

	rpcbuf_cursor_init(&cursor, &call->message);
	must(rpcbuf_cursor_read(&cursor, record + 4, 4) == 0);
	must(rpcbuf_cursor_seek(&cursor, 0) == 0);
	while ((window = rpcbuf_cursor_window(&cursor, &len))) {
		sum = sum_add(sum, window, len);
		must(rpcbuf_cursor_skip(&cursor, len) == 0);
	}
	wire_mark(record, RPCBUF_REPLY_MIN, true);
	put32(record + 8, 1);
	put32(record + 12, call->message.length);
	put32(record + 16, sum);
	/* A closed peer takes no replies. */
	pthread_mutex_lock(&peer->sending);
	(void)!send(peer->fd, record, sizeof(record), MSG_NOSIGNAL);
	pthread_mutex_unlock(&peer->sending);
	rpcbuf_call_done(call);
}

/* Number of calls that the handler put aside. */
static inline unsigned int nr_later(void)
{
	unsigned int nr;

	pthread_mutex_lock(&server.lock);
	nr = server.nr_later;
	pthread_mutex_unlock(&server.lock);
	return nr;
}

/* Answers the calls that were put aside; returns their number. */
static inline unsigned int answer_later(void)
{
	struct rpcbuf_call *calls[WIRE_NR(server.later)];
	unsigned int nr, i;

	pthread_mutex_lock(&server.lock);
	nr = server.nr_later;
	memcpy(calls, server.later, nr * sizeof(*calls));
	server.nr_later = 0;
	pthread_mutex_unlock(&server.lock);
	for (i = 0; i < nr; i++)
		reply(calls[i]);
	return nr;
}

static inline void wait_at_gate(void)
{
	pthread_mutex_lock(&server.lock);
	count(server.blocked);
	while (!server.gate_open)
		pthread_cond_wait(&server.gate, &server.lock);
	__atomic_sub_fetch(&server.blocked, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&server.lock);
}

static inline void set_gate(bool open)
{
	pthread_mutex_lock(&server.lock);
	server.gate_open = open;
	pthread_cond_broadcast(&server.gate);
	pthread_mutex_unlock(&server.lock);
}

static inline void on_call(struct rpcbuf_call *call)
{
	struct peer *peer = call->conn_data;
	struct rpcbuf_cursor cursor;
	uint8_t xid[4];

	rpcbuf_cursor_init(&cursor, &call->message);
	must(rpcbuf_cursor_read(&cursor, xid, 4) == 0);
	must(call->conn == seen(peer->conn));
	must(((uintptr_t)call->private_data & 15) == 0);
	memset(call->private_data, 0xee, 100);
	count(peer->calls);
	if (xid[0] >> 4 == BLOCK)
		wait_at_gate();
	if (xid[0] >> 4 == SLOW)
		usleep(xid[3] * 20);
	if (xid[0] >> 4 != LATER) {
		reply(call);
		return;
	}
	pthread_mutex_lock(&server.lock);
	must(server.nr_later < WIRE_NR(server.later));
	server.later[server.nr_later++] = call;
	pthread_mutex_unlock(&server.lock);
}

static inline void on_closed(void *data, enum rpcbuf_close_reason reason)
{
	struct peer *peer = data;

	peer->reason = reason;
	shutdown(peer->fd, SHUT_RDWR);
	must(count(peer->closed) == 1);
	count(server.closed);
}

static inline void on_log(enum rpcbuf_log_level level, const char *line)
{
	(void)level;
	must(!strchr(line, '\n'));
	pthread_mutex_lock(&server.lock);
	snprintf(server.log, sizeof(server.log), "%s", line);
	pthread_mutex_unlock(&server.lock);
	count(server.log_lines);
}

static inline void on_thread_start(const char *name)
{
	must(name && *name && strlen(name) < 16);
	count(server.threads_started);
}

/* A handler may ask the engine: the engine calls it without a lock. */
static inline void on_thread_stop(void)
{
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;

	rpcbuf_engine_stats(server.engine, &s);
	count(server.threads_stopped);
}

static const struct rpcbuf_handlers handlers = {
	.size = sizeof(handlers),
	.call = on_call,
	.closed = on_closed,
	.thread_start = on_thread_start,
	.thread_stop = on_thread_stop,
	.log = on_log,
};

/* Options of a small server: two receivers, calls of up to MAX_CALL, no limit
 * on their number. */
static inline struct rpcbuf_engine_options server_options(void)
{
	struct rpcbuf_engine_options o = RPCBUF_ENGINE_OPTIONS_INIT;

	o.limits.max_length = MAX_CALL;
	o.limits.max_fragments = 1000;
	o.receivers = 2;
	o.handler_size = 100;
	o.backend = tested_backend();
	o.max_calls = 0;
	o.max_unsent = 0;
	return o;
}

static inline void server_start_with(uint64_t memory,
				     const struct rpcbuf_engine_options *o,
				     const struct rpcbuf_handlers *with)
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct rpcbuf_engine_options with_replies;

	options.memory = memory;
	/* Tests must not depend on other load of the machine. */
	options.no_pressure = true;
	must(rpcbuf_create(&server.mm, &options) == 0);
	with_replies = *o;
	if (server.reserved_pages) {
		must(rpcbuf_mempool_create(&server.reserve, server.mm,
					   server.reserved_pages) == 0);
		with_replies.replies = server.reserve;
	}
	must(rpcbuf_engine_create(&server.engine, server.mm, with,
				  &with_replies) == 0);
	must(strcmp(rpcbuf_engine_backend(server.engine),
		    o->backend == RPCBUF_BACKEND_EPOLL ? "epoll"
						       : "io_uring") == 0);
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	must(server.listener >= 0);
	must(bind(server.listener, (void *)&address, sizeof(address)) == 0);
	must(listen(server.listener, 1000) == 0);
}

static inline void server_start(uint64_t memory,
				const struct rpcbuf_engine_options *o)
{
	server_start_with(memory, o, &handlers);
}

static inline struct rpcbuf_engine_stats stats(void)
{
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;

	rpcbuf_engine_stats(server.engine, &s);
	return s;
}

static inline uint64_t pages_out(void)
{
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_mm_counts(server.mm, &counts);
	return counts.pages_out;
}

/* A stopped server leaves nothing behind. */
static inline void server_gone(void)
{
	must(stats().connections == 0 && stats().in_flight == 0);
	must(stats().threads == 0);
	must(pages_out() == 0);
	rpcbuf_engine_destroy(server.engine);
	must(rpcbuf_mempool_destroy(server.reserve) == 0);
	must(server.threads_started == server.threads_stopped);
	must(rpcbuf_destroy(server.mm) == 0);
	close(server.listener);
}

static inline void server_stop(void)
{
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	server_gone();
}

/* Source address of the next connections: INADDR_ANY, or one of 127.0.0.0/8. */
static in_addr_t peer_source;
/* Their source port, which may be in use; 0: any. */
static uint16_t peer_source_port;

/* @room: receive buffer of the client's end; 0: the kernel's default. */
static inline void peer_connect_with(struct peer *peer, int room)
{
	/* One thread's connection must not be accepted by another. */
	static pthread_mutex_t connecting = PTHREAD_MUTEX_INITIALIZER;
	struct sockaddr_in address, from = { .sin_family = AF_INET };
	socklen_t len = sizeof(address);
	int one = 1, segment = 1000;

	memset(peer, 0, sizeof(*peer));
	pthread_mutex_init(&peer->sending, NULL);
	must(getsockname(server.listener, (void *)&address, &len) == 0);
	peer->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	from.sin_addr.s_addr = htonl(peer_source);
	from.sin_port = htons(peer_source_port);
	if (peer_source_port)
		setsockopt(peer->client, SOL_SOCKET, SO_REUSEADDR, &one,
			   sizeof(one));
	must(bind(peer->client, (void *)&from, sizeof(from)) == 0);
	/* With segments longer than the window, TCP waits for timers. */
	if (room) {
		setsockopt(peer->client, SOL_SOCKET, SO_RCVBUF, &room,
			   sizeof(room));
		setsockopt(peer->client, IPPROTO_TCP, TCP_MAXSEG, &segment,
			   sizeof(segment));
	}
	pthread_mutex_lock(&connecting);
	must(connect(peer->client, (void *)&address, len) == 0);
	setsockopt(peer->client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	peer->fd = accept(server.listener, NULL, NULL);
	pthread_mutex_unlock(&connecting);
	must(peer->fd >= 0);
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static inline void peer_connect(struct peer *peer)
{
	peer_connect_with(peer, 0);
}

static inline void peer_open(struct peer *peer)
{
	peer_connect(peer);
	must(rpcbuf_engine_adopt(server.engine, peer->fd, peer, false,
				 &peer->conn) == 0);
}

static inline void peer_hang_up(struct peer *peer)
{
	if (peer->client >= 0)
		close(peer->client);
	peer->client = -1;
}

/* The engine has closed it already. */
static inline void peer_free(struct peer *peer)
{
	must(seen(peer->closed) == 1);
	peer_hang_up(peer);
	close(peer->fd);
	rpcbuf_conn_put(peer->conn);
	pthread_mutex_destroy(&peer->sending);
}

/* Sends all bytes, or as many as a closing server takes. */
static inline bool send_bytes(struct peer *peer, const void *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(peer->client, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		bytes = (const char *)bytes + n;
		len -= (size_t)n;
	}
	return true;
}

/* Makes the call @xid a record of up to @fragments fragments; free() it. */
static inline uint8_t *call_record(uint32_t xid, unsigned int fragments,
				   uint64_t *seed, size_t *len)
{
	uint32_t length = call_length(xid), sizes[1000];
	uint8_t *body = malloc(length);
	uint8_t *record = malloc(length + fragments * RPCBUF_MARK_SIZE);
	unsigned int nr = 1;

	sizes[0] = length;
	if (fragments > 1)
		nr = wire_cut(seed, length, sizes, fragments);
	call_build(body, xid);
	*len = wire_record(record, body, sizes, nr);
	free(body);
	return record;
}

static inline bool send_call(struct peer *peer, uint32_t xid)
{
	size_t len;
	uint8_t *record = call_record(xid, 1, NULL, &len);
	bool sent = send_bytes(peer, record, len);

	free(record);
	return sent;
}

/* Reads whole replies only; false: end of the stream, or a reset. */
static inline bool receive_reply(struct peer *peer, uint32_t *xid)
{
	struct pollfd pfd = { .fd = peer->client, .events = POLLIN };
	uint8_t record[REPLY_BYTES], *body;
	size_t at = 0;
	uint32_t len;

	while (at < sizeof(record)) {
		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		ssize_t n = recv(peer->client, record + at, sizeof(record) - at,
				 0);

		if (n <= 0 && at == 0)
			return false;
		must(n > 0);
		at += (size_t)n;
	}
	must(get32(record) == (RPCBUF_MARK_LAST | RPCBUF_REPLY_MIN));
	must(get32(record + 8) == 1);
	*xid = get32(record + 4);
	body = malloc(call_length(*xid));
	len = call_build(body, *xid);
	must(get32(record + 12) == len);
	must(get32(record + 16) == sum_add(0, body, len));
	free(body);
	return true;
}

static inline void receive_reply_or_say(struct peer *peer, uint32_t *xid)
{
	if (receive_reply(peer, xid))
		return;
	fprintf(stderr,
		"a reply is missing: %u calls, closed %u times, reason %d; "
		"last line of the log: %s\n",
		seen(peer->calls), seen(peer->closed), peer->reason,
		server.log);
	abort();
}

/* Reads exactly the replies to calls numbered from @first, in any order. */
static inline void receive_replies(struct peer *peer, uint32_t first,
				   unsigned int nr)
{
	bool *got = calloc(nr, sizeof(*got));
	uint32_t xid;

	for (unsigned int i = 0; i < nr; i++) {
		receive_reply_or_say(peer, &xid);
		xid = (xid & 0xffffff) - first;
		must(xid < nr && !got[xid]);
		got[xid] = true;
	}
	free(got);
}

static inline void expect_end(struct peer *peer)
{
	uint32_t xid;

	must(!receive_reply(peer, &xid));
}

/* One call and its reply, to show that the connection works. */
static inline void check_alive(struct peer *peer)
{
	send_call(peer, XID(ECHO, SMALL, 0xfffff));
	receive_replies(peer, 0xfffff, 1);
}

static inline void expect_closed(struct peer *peer,
				 enum rpcbuf_close_reason reason)
{
	eventually(seen(peer->closed) == 1);
	if (peer->reason != reason)
		fprintf(stderr, "reason %d, expected %d\n", peer->reason, reason);
	must(peer->reason == reason);
}

#endif /* TESTS_ENGINE_UTIL_H */
