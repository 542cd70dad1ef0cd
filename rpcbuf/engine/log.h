/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * log.h - lines for the log of whoever uses the engine, few enough that clients
 * cannot fill it.
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
	uint64_t parked_ns[NR_PARKED_FOR]; /* when to say it again; atomic */
	uint64_t share_ns[2]; /* likewise, of log_share() */
	uint64_t short_ns;    /* ... of log_short() */
	struct ratelimit limit;		/* has a lock of its own */
};

#define LOG_PEER_MAX 80u

/* One line, unless there were many. */
void engine_log(struct rpcbuf_engine *engine, enum rpcbuf_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The peer of @fd, for people. */
void log_peer_name(int fd, char *name, size_t len);

/* Says that @conn is not read from for now, because @value of what @bound names
 * has come to @limit: of each @what a line now and then.  And whether it would
 * say anything.  The owner of the loop. */
void log_parked(const struct rpcbuf_conn *conn, enum parked_for what,
	      const char *bound, uint64_t value, uint64_t limit);
bool log_parked_due(const struct rpcbuf_conn *conn, enum parked_for what);

/* Likewise, that a call of @conn for share @number waits; or is answered "later",
 * as it hangs. */
void log_share(const struct rpcbuf_conn *conn, int number, bool hangs);

/* Likewise, that replies are to be short, as others keep @kept bytes.  Any
 * thread. */
void log_short(struct rpcbuf_engine *engine, uint64_t kept, uint64_t most);

#endif /* RPCBUF_ENGINE_LOG_H */
