/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flight.h - the calls of a connection that are in flight, and who is told when
 * there are few.
 *
 * A call is in flight from before it is dispatched until it is done; it holds a
 * reference to its connection.  Any thread, but for what is said to be the
 * owner's.
 */
#ifndef RPCBUF_ENGINE_FLIGHT_H
#define RPCBUF_ENGINE_FLIGHT_H

#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_conn;

/* Which of its calls posts a connection when it is done. */
enum conn_awaits {
	AWAITS_NONE,
	AWAITS_LAST,  /* the last: it is ending */
	AWAITS_FEWER, /* the one that leaves flights->resume: it waits FOR_CALLS */
};

/* Of an engine. */
struct flights {
	int limit;   /* of a connection */
	int resume;  /* so few that it goes on */
	uint32_t nr; /* calls of all, not done; atomic */
};

/* Of a connection. */
struct flight {
	int nr;		/* calls not done; atomic */
	uint8_t awaits; /* enum conn_awaits: tells a call to post; atomic */
	uint32_t begun; /* calls ever; wraps; the owner's */
};

void flight_begin(struct rpcbuf_conn *conn);

/* From here on the engine may be destroyed. */
void flight_done(struct rpcbuf_conn *conn);

/* The owner: is @conn at its limit?  Then it waits until there are fewer. */
bool flight_too_many(struct rpcbuf_conn *conn);

/* The owner: the last one tells. */
void flight_await_last(struct rpcbuf_conn *conn);

/* None is, and none will be that has not begun. */
bool flight_none(const struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_FLIGHT_H */
