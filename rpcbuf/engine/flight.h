/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flight.h - calls in flight of a connection; posts it when few are left.
 *
 * A call is in flight from before its dispatch until it is done, and holds a
 * reference on its connection.  Any thread, except where the owner is named.
 */
#ifndef RPCBUF_ENGINE_FLIGHT_H
#define RPCBUF_ENGINE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_conn;

/* Which completing call posts the connection. */
enum conn_awaits {
	AWAITS_NONE,
	AWAITS_LAST,  /* the last one: the connection is ending */
	AWAITS_FEWER, /* the one that leaves flights->resume: it is parked
		       * FOR_CALLS */
};

/* Of an engine. */
struct flights {
	int limit;   /* of calls of a connection */
	int resume;  /* calls at which reading resumes */
	uint32_t nr; /* of all connections; atomic */
};

/* Of a connection. */
struct flight {
	int nr;		/* atomic */
	uint8_t awaits; /* enum conn_awaits; atomic */
	uint32_t begun; /* all calls so far; wraps; the owner's */
};

void flight_begin(struct rpcbuf_conn *conn);

/* The engine may be destroyed from here on. */
void flight_done(struct rpcbuf_conn *conn);

/* The owner: true when @conn is at its limit.  It is posted when flights->resume
 * calls are left. */
bool flight_too_many(struct rpcbuf_conn *conn);

/* The owner: makes the last call post @conn. */
void flight_await_last(struct rpcbuf_conn *conn);

/* True when no call is in flight.  Only the owner can start another one. */
bool flight_none(const struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_FLIGHT_H */
