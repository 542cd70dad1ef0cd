/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* For a state that is no error: one line per reason in this time. */
#define LOG_PERIOD_SECONDS 10u

void engine_log(struct rpcbuf_engine *engine, enum rpcbuf_log_level level,
		const char *format, ...)
{
	unsigned int suppressed;
	char line[512];
	va_list args;

	if (!engine->handlers.log ||
	    !ratelimit_ok(&engine->log.limit, os_now(), &suppressed))
		return;
	if (suppressed) {
		snprintf(line, sizeof(line), "%u similar lines suppressed",
			 suppressed);
		engine->handlers.log(level, line);
	}
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	engine->handlers.log(level, line);
}

void log_peer_name(int fd, char *name, size_t len)
{
	struct sockaddr_storage ss;
	socklen_t ss_len = sizeof(ss);
	char host[INET6_ADDRSTRLEN + 16], port[8];

	if (getpeername(fd, (struct sockaddr *)&ss, &ss_len) == 0 &&
	    getnameinfo((struct sockaddr *)&ss, ss_len, host, sizeof(host),
			port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(name, len, "%s port %s", host, port);
	else
		snprintf(name, len, "unknown client");
}

bool log_parked_due(const struct rpcbuf_conn *conn, enum parked_for what)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return engine->handlers.log &&
	       conn->loop->now_ns >= os_load(&engine->log.parked_ns[what]);
}

void log_parked(const struct rpcbuf_conn *conn, enum parked_for what,
	      const char *bound, uint64_t value, uint64_t limit)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	char peer[LOG_PEER_MAX];

	if (!log_parked_due(conn, what))
		return;
	/* A race of two loops costs one more line. */
	os_store(&engine->log.parked_ns[what],
		 conn->loop->now_ns + LOG_PERIOD_SECONDS * OS_SECOND_NS);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(engine, RPCBUF_LOG_INFO,
		   "paused reading from %s: %s: %llu, limit %llu", peer, bound,
		   (unsigned long long)value,
		   (unsigned long long)limit);
}

void log_share(const struct rpcbuf_conn *conn, int number, bool hangs)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	const char *name = engine->handlers.share_name;
	uint64_t *due = &engine->log.share_ns[hangs];
	char peer[LOG_PEER_MAX];

	if (!engine->handlers.log || conn->loop->now_ns < os_load(due))
		return;
	os_store(due, conn->loop->now_ns + LOG_PERIOD_SECONDS * OS_SECOND_NS);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(
		engine, RPCBUF_LOG_INFO,
		"%s %d is full (at most %u calls run, %u of a client): a call of %s %s",
		name ? name : "share", number, engine->shares.most,
		engine->shares.most_client, peer,
		hangs ? "is delayed, as its other calls there hang" : "waits");
}

void log_short(struct rpcbuf_engine *engine, uint64_t pinned, uint64_t most)
{
	uint64_t now = os_now();

	if (!engine->handlers.log || now < os_load(&engine->log.short_ns))
		return;
	os_store(&engine->log.short_ns, now + LOG_PERIOD_SECONDS * OS_SECOND_NS);
	engine_log(
		engine, RPCBUF_LOG_INFO,
		"shortening READ replies: bytes that unread replies pin: %llu, limit %llu",
		(unsigned long long)pinned, (unsigned long long)most);
}
