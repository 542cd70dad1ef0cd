/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sending.h - the sending side of an engine's connection.
 *
 * Its send list (out.h) belongs to all threads.  When the socket is full, the
 * owner of the loop sends the rest once the back end reports that the socket is
 * writable.  The members below are the owner's.
 */
#ifndef RPCBUF_ENGINE_SENDING_H
#define RPCBUF_ENGINE_SENDING_H

#include "rpcbuf/engine/out.h"

/* Seconds in which a peer must take at least one byte, by default. */
#define SENDING_TIMEOUT 30u

struct rpcbuf_conn;
struct loop;

struct sending {
	struct rpcbuf_out out;
	uint32_t timeout; /* seconds; others read it */
	bool wanted;	  /* the back end watches for POLLOUT; others read it */
	bool watched;	  /* epoll's: POLLOUT is registered */
	uint32_t arm;	  /* io_uring's: its entry in loop->ring, plus 1 */
};

void sending_init(struct rpcbuf_conn *conn);

/* What follows is for the owner. */

/* Starts or stops watching for POLLOUT, by the state of the list: other threads
 * write to it as well. */
void sending_update_watch(struct rpcbuf_conn *conn);
/* The back end: the socket is writable, or has failed. */
void sending_resume(struct rpcbuf_conn *conn);
/* Both: no further call of the connection may run.  Over the limit: its peer
 * does not read, and unsent replies pin too much memory.  Full: the socket is
 * full, and further replies would only wait. */
bool sending_over_limit(const struct rpcbuf_conn *conn);
bool sending_full(const struct rpcbuf_conn *conn);
/* True when neither is so any more. */
bool sending_below_limits(struct rpcbuf_conn *conn);
/* True when no reply is left to send. */
bool sending_done(struct rpcbuf_conn *conn);
/* True when the peer took no byte for the send timeout; the rest was
 * dropped. */
bool sending_expired(struct rpcbuf_conn *conn);
/* The loop did not run for @missed_ns: that does not count in the timeout. */
void sending_add_missed(struct rpcbuf_conn *conn, uint64_t missed_ns);
/* Kills the list.  On return no thread sends any more. */
void sending_end(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_SENDING_H */
