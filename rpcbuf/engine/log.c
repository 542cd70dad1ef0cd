/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Lines for the log of whoever uses the engine, few enough that clients cannot
 * fill it.  Any thread; the handler is called without a lock.
 */
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Waiting is no fault: of each kind a line in so many seconds. */
#define LOG_WAIT_SECONDS 10u

/* One line, unless there were many; says what was left out. */
void engine_log(struct rpcbuf_engine *engine, enum rpcbuf_log_level level,
		const char *format, ...)
{
	unsigned int left_out;
	char line[512];
	va_list args;

	if (!engine->handlers.log ||
	    !ratelimit_ok(&engine->log.limit, os_now(), &left_out))
		return;
	if (left_out) {
		snprintf(line, sizeof(line), "%u lines like the last left out",
			 left_out);
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

/* Whether log_parked() would say anything. */
bool log_parked_due(const struct rpcbuf_conn *conn, enum parked_for what)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return engine->handlers.log &&
	       conn->loop->now_ns >= os_load(&engine->log.parked_ns[what]);
}

/* Says that @conn is not read from for now, because @value of what @bound names
 * has come to @limit. */
void log_parked(const struct rpcbuf_conn *conn, enum parked_for what,
	      const char *bound, uint64_t value, uint64_t limit)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	char peer[LOG_PEER_MAX];

	if (!log_parked_due(conn, what))
		return;
	/* Two loops at once: two lines. */
	os_store(&engine->log.parked_ns[what],
		 conn->loop->now_ns + LOG_WAIT_SECONDS * OS_SECOND_NS);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(engine, RPCBUF_LOG_INFO,
		   "not reading from %s for now: %s: %llu, limit %llu", peer,
		   bound, (unsigned long long)value,
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
	os_store(due, conn->loop->now_ns + LOG_WAIT_SECONDS * OS_SECOND_NS);
	log_peer_name(conn->fd, peer, sizeof(peer));
	engine_log(engine, RPCBUF_LOG_INFO,
		   "%s %d: as many calls run as may, limit %u, of a client %u: a call of %s %s",
		   name ? name : "share", number, engine->shares.most,
		   engine->shares.most_client, peer,
		   hangs ? "is to be sent again later, as none of its others there gets on"
			 : "waits");
}

void log_short(struct rpcbuf_engine *engine, uint64_t kept, uint64_t most)
{
	uint64_t now = os_now();

	if (!engine->handlers.log || now < os_load(&engine->log.short_ns))
		return;
	os_store(&engine->log.short_ns, now + LOG_WAIT_SECONDS * OS_SECOND_NS);
	engine_log(
		engine, RPCBUF_LOG_INFO,
		"answering with less for now: bytes of replies that peers do not read: %llu, limit %llu",
		(unsigned long long)kept, (unsigned long long)most);
}
