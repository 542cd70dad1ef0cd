/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A TCP connection that carries RPC records, cut as the test requests: from
 * records to fragments, from bytes to segments, and a loop that sends and takes
 * replies at the same time, so that neither side ever waits for the other. One
 * thread; any error ends the program with a sentence.
 */
#ifndef RPCBUF_E2E_RPC_CONN_H
#define RPCBUF_E2E_RPC_CONN_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "rpc_call.h"

#define RPC_LAST       0x80000000u
#define RPC_PATIENCE_S 30

/*
 * whole          one fragment
 * every:N        fragments of N bytes
 * at:N           two fragments, the first of N bytes
 * random:SEED    fragments of random sizes, one in eight of them empty
 * empties:N      N empty fragments, then the whole record
 * claim:N        one mark of value N (decimal or 0x), then the record's bytes
 * +empty, +tail  an empty fragment before each; an empty last fragment
 */
struct rpc_cut {
	enum {
		RPC_CUT_EVERY,
		RPC_CUT_AT,
		RPC_CUT_RANDOM,
		RPC_CUT_EMPTIES,
		RPC_CUT_CLAIM,
	} kind;
	size_t size;
	bool empty, tail;
};

struct rpc_conn {
	int fd;
	size_t segment;	   /* bytes per send(), 0 for no bound */
	unsigned pause_us; /* after each segment, so that they stay apart */
	bool closed;	   /* by the server, at a record's end or not */
	struct rpc_buf in, record;
	size_t taken; /* bytes of in that were consumed */
};

typedef void (*rpc_reply_fn)(void *opaque, struct rpc_reply *reply);

static inline struct rpc_cut rpc_cut_whole(void)
{
	return (struct rpc_cut){RPC_CUT_EVERY, SIZE_MAX, false, false};
}

static inline struct rpc_cut rpc_cut_parse(const char *text)
{
	static const char *const names[] = {
		"every:", "at:", "random:", "empties:", "claim:"};
	struct rpc_cut cut = rpc_cut_whole();

	cut.empty = strstr(text, "+empty");
	cut.tail = strstr(text, "+tail");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		size_t len = strlen(names[i]);

		if (strncmp(text, names[i], len))
			continue;
		cut.kind = i;
		cut.size = strtoul(text + len, NULL, 0);
		if (!cut.size && cut.kind == RPC_CUT_EVERY)
			die("%s: a size of 0 would never end", text);
		return cut;
	}
	if (strncmp(text, "whole", 5))
		die("%s: not a way to cut a record", text);
	return cut;
}

static inline void rpc_put_fragment(struct rpc_buf *wire, const uint8_t *data,
				    size_t len, uint32_t last)
{
	rpc_put_u32(wire, len | last);
	rpc_put(wire, data, len);
}

static inline size_t rpc_cut_next(struct rpc_cut *cut)
{
	size_t size = cut->size;

	if (cut->kind == RPC_CUT_AT)
		cut->size = SIZE_MAX;
	if (cut->kind != RPC_CUT_RANDOM)
		return size;
	cut->size = cut->size * 6364136223846793005u + 1442695040888963407u;
	if (cut->size >> 61 == 0)
		return 0;
	/* The exponent is random: tiny ones are as likely as large ones. */
	return (cut->size >> 40 & 0xffff) >> (cut->size >> 36 & 15);
}

/* Appends the record's fragments to wire. */
static inline void rpc_cut_record(struct rpc_cut cut, struct rpc_buf *wire,
				  const struct rpc_buf *record)
{
	size_t at = 0, empties = cut.kind == RPC_CUT_EMPTIES ? cut.size : 0;

	if (cut.kind == RPC_CUT_CLAIM) {
		rpc_put_u32(wire, cut.size);
		rpc_put(wire, record->data, record->len);
		return;
	}
	if (cut.kind == RPC_CUT_EMPTIES)
		cut.size = SIZE_MAX;
	while (empties--)
		rpc_put_fragment(wire, NULL, 0, 0);
	do {
		size_t left = record->len - at, len = rpc_cut_next(&cut);

		if (cut.empty)
			rpc_put_fragment(wire, NULL, 0, 0);
		len = len < left ? len : left;
		rpc_put_fragment(wire, record->data + at, len,
				 len == left && !cut.tail ? RPC_LAST : 0);
		at += len;
	} while (at < record->len);
	if (cut.tail)
		rpc_put_fragment(wire, NULL, 0, RPC_LAST);
}

/* A killed test must not leave a waiting client behind. */
static inline void rpc_end_with_parent(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static inline double rpc_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* The source address of connections; NULL: chosen by the system. */
static const char *rpc_source;

static inline void rpc_bind(int fd)
{
	struct sockaddr_in from = {.sin_family = AF_INET};

	if (!rpc_source)
		return;
	if (inet_pton(AF_INET, rpc_source, &from.sin_addr) != 1 ||
	    bind(fd, (struct sockaddr *)&from, sizeof(from)))
		die("no connection can come from %s", rpc_source);
}

/* Tries again while no server listens there, for at most patience seconds. */
static inline struct rpc_conn rpc_connect(const char *host, uint16_t port,
					  double patience)
{
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(port)};
	struct rpc_conn conn = {.fd = -1};
	double end = rpc_now() + patience;
	int one = 1;

	if (inet_pton(AF_INET, host, &to.sin_addr) != 1)
		die("%s is not an IPv4 address", host);
	for (;;) {
		conn.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (conn.fd < 0)
			die("socket: %s", strerror(errno));
		rpc_bind(conn.fd);
		if (!connect(conn.fd, (struct sockaddr *)&to, sizeof(to)))
			break;
		if (errno != ECONNREFUSED || rpc_now() >= end)
			die("connect to port %u: %s", port, strerror(errno));
		close(conn.fd);
		usleep(100);
	}
	setsockopt(conn.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(conn.fd, F_SETFL, O_NONBLOCK);
	return conn;
}

static inline void rpc_disconnect(struct rpc_conn *conn)
{
	close(conn->fd);
	free(conn->in.data);
	free(conn->record.data);
}

/* One send; wire shrinks by the bytes sent. False once the server has
 * closed. */
static inline bool rpc_send_some(struct rpc_conn *conn, struct rpc_view *wire)
{
	size_t left = wire->end - wire->at;
	size_t len = conn->segment && conn->segment < left ? conn->segment
							   : left;
	ssize_t sent = send(conn->fd, wire->at, len, MSG_NOSIGNAL);

	if (sent > 0) {
		wire->at += sent;
		if (conn->pause_us)
			usleep(conn->pause_us);
	}
	return sent >= 0 || errno == EAGAIN || errno == EINTR;
}

static inline void rpc_receive_some(struct rpc_conn *conn)
{
	size_t room = 1 << 18;
	ssize_t got;

	if (conn->taken) {
		conn->in.len -= conn->taken;
		memmove(conn->in.data, conn->in.data + conn->taken,
			conn->in.len);
		conn->taken = 0;
	}
	got = recv(conn->fd, rpc_buf_add(&conn->in, room), room, 0);
	conn->in.len -= room - (got > 0 ? got : 0);
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
		conn->closed = true;
}

/* The next whole record into conn->record, if it is there. */
static inline bool rpc_take_record(struct rpc_conn *conn)
{
	size_t at = conn->taken;
	uint32_t mark = 0;

	conn->record.len = 0;
	while (!(mark & RPC_LAST)) {
		if (conn->in.len - at < sizeof(mark))
			return false;
		memcpy(&mark, conn->in.data + at, sizeof(mark));
		mark = be32toh(mark);
		at += sizeof(mark);
		if (conn->in.len - at < (mark & ~RPC_LAST))
			return false;
		rpc_put(&conn->record, conn->in.data + at, mark & ~RPC_LAST);
		at += mark & ~RPC_LAST;
	}
	conn->taken = at;
	return true;
}

static inline void rpc_poll(struct rpc_conn *conn, short events, size_t got,
			    size_t want)
{
	struct pollfd fd = {.fd = conn->fd, .events = events};
	int ready = poll(&fd, 1, RPC_PATIENCE_S * 1000);

	if (ready < 0 && errno != EINTR)
		die("poll: %s", strerror(errno));
	if (!ready)
		die("nothing moved for %d s; %zu of %zu replies arrived",
		    RPC_PATIENCE_S, got, want);
}

/*
 * Sends wire and takes want replies; half_close: shuts the sending side after
 * the last byte. Returns the number of replies; fewer than want only if the
 * server closed (conn->closed).
 */
static inline size_t rpc_exchange(struct rpc_conn *conn,
				  const struct rpc_buf *wire, size_t want,
				  bool half_close, rpc_reply_fn fn,
				  void *opaque)
{
	struct rpc_view out = {wire->data, wire->data + wire->len, false};
	struct rpc_reply reply;
	size_t got = 0;

	for (;;) {
		if (out.at == out.end && half_close) {
			shutdown(conn->fd, SHUT_WR);
			half_close = false;
		}
		while (got < want && rpc_take_record(conn)) {
			if (!rpc_reply_parse(&reply, conn->record.data,
					     conn->record.len))
				die("reply %zu is not an RPC reply", got);
			got++;
			if (fn)
				fn(opaque, &reply);
		}
		if (conn->closed || (got == want && out.at == out.end))
			return got;
		rpc_poll(conn, POLLIN | (out.at < out.end ? POLLOUT : 0), got,
			 want);
		if (out.at < out.end && !rpc_send_some(conn, &out))
			out.at = out.end;
		rpc_receive_some(conn);
	}
}

/* One whole call, one reply, which lives until the next exchange. */
static inline struct rpc_reply rpc_call(struct rpc_conn *conn,
					const struct rpc_buf *call)
{
	struct rpc_buf wire = {0};
	struct rpc_reply reply;

	rpc_cut_record(rpc_cut_whole(), &wire, call);
	if (!rpc_exchange(conn, &wire, 1, false, NULL, NULL))
		die("the server closed the connection instead of a reply");
	free(wire.data);
	if (!rpc_reply_parse(&reply, conn->record.data, conn->record.len) ||
	    reply.accept_stat)
		die("the call was not accepted: status %u", reply.accept_stat);
	return reply;
}

/* True if the server closes (end of file or reset) before patience runs out. */
static inline bool rpc_closed_within(struct rpc_conn *conn, double patience)
{
	double end = rpc_now() + patience;
	struct pollfd fd = {.fd = conn->fd, .events = POLLIN};

	while (!conn->closed && rpc_now() < end) {
		if (poll(&fd, 1, 1 + (end - rpc_now()) * 1000) > 0)
			rpc_receive_some(conn);
	}
	return conn->closed;
}

#endif
