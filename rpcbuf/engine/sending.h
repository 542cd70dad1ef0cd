/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sending.h - the sending side of an engine's connection.
 *
 * Its send list (out.h) belongs to all threads.  What a full socket leaves in it
 * the owner of the loop sends, when the back end says that the socket takes
 * bytes; the members below are the owner's.
 */
#ifndef RPCBUF_ENGINE_SENDING_H
#define RPCBUF_ENGINE_SENDING_H

#include "rpcbuf/engine/out.h"

/* Seconds in which a peer takes something of what it is sent, until somebody says
 * otherwise. */
#define SENDING_TIMEOUT 30u

struct rpcbuf_conn;
struct loop;

struct sending {
	struct rpcbuf_out out;
	uint32_t timeout; /* seconds; others read it */
	bool wanted;  /* the back end is asked to report it; others read it */
	bool watched; /* epoll's: it is registered there */
	uint32_t arm; /* io_uring's: its place in loop->ring, plus 1 */
};

void sending_init(struct rpcbuf_conn *conn);

/* The rest is for the owner. */

/* The list is written to elsewhere as well: has the back end to report the
 * socket? */
void sending_update_watch(struct rpcbuf_conn *conn);
/* The back end: the socket takes bytes, or has failed. */
void sending_resume(struct rpcbuf_conn *conn);
/* More of its calls are not run yet: its peer does not read, and replies to it
 * keep too much; or its socket is full, and further replies would only wait. */
bool sending_over_limit(const struct rpcbuf_conn *conn);
bool sending_full(const struct rpcbuf_conn *conn);
/* Once one of these was so: neither is any more. */
bool sending_below_limits(struct rpcbuf_conn *conn);
/* Nothing waits to be sent. */
bool sending_done(struct rpcbuf_conn *conn);
/* Its peer took nothing for all its time: the rest is dropped. */
bool sending_expired(struct rpcbuf_conn *conn);
/* The loop did not run for so long. */
void sending_add_missed(struct rpcbuf_conn *conn, uint64_t missed_ns);
/* It is closed: no thread sends any more when this returns. */
void sending_end(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_SENDING_H */
