/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * log.h - log lines for the engine's user, rate limited so that clients cannot
 * flood the log.
 *
 * Any thread; the handler is called without a lock.
 */
#ifndef RPCBUF_ENGINE_LOG_H
#define RPCBUF_ENGINE_LOG_H

#include <rpcbuf/engine.h>

#include "rpcbuf/engine/reception.h"
#include "rpcbuf/os/ratelimit.h"

struct rpcbuf_conn;
struct rpcbuf_engine;

/* Of an engine. */
struct engine_log {
	uint64_t parked_ns[NR_PARKED_FOR]; /* the next line's time; atomic */
	uint64_t share_ns[2]; /* likewise, of log_share() */
	uint64_t short_ns;    /* ... of log_short() */
	struct ratelimit limit;		/* has a lock of its own */
};

#define LOG_PEER_MAX 80u

/* One line, unless there were many; logs how many similar ones it
 * suppressed. */
void engine_log(struct rpcbuf_engine *engine, enum rpcbuf_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The address and port of the peer of @fd, as text. */
void log_peer_name(int fd, char *name, size_t len);

/* Logs that @conn is parked for @what, because the @value of @bound has reached
 * @limit: for each @what at most one line in LOG_PERIOD_SECONDS.
 * log_parked_due(): true when a line may be logged.  The owner of the loop. */
void log_parked(const struct rpcbuf_conn *conn, enum parked_for what,
	      const char *bound, uint64_t value, uint64_t limit);
bool log_parked_due(const struct rpcbuf_conn *conn, enum parked_for what);

/* Likewise, that a call of @conn for share @number is queued; or is answered
 * "later", as the share hangs. */
void log_share(const struct rpcbuf_conn *conn, int number, bool hangs);

/* Likewise, that READ replies are shortened, as unread replies pin @pinned
 * bytes. Any thread. */
void log_short(struct rpcbuf_engine *engine, uint64_t pinned, uint64_t most);

#endif /* RPCBUF_ENGINE_LOG_H */
