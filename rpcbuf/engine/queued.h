/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * queued.h - calls in flight that wait for a thread of their share.
 *
 * The adapter names the share of a call before it runs.  When the share is full
 * (share.h) the call is queued; it keeps its pages and counts as in flight.  In
 * a share that hangs, a call is answered "later" instead of queued once its
 * connection is close to its limit of calls in flight, so that the connection
 * is still read: its next call may be for another share.  The same holds once
 * all queued calls pin a quarter of the pages, or of the heap for calls.
 *
 * In a share that hangs, a retransmission of a queued call on the same connection
 * is dropped, as nfsd does with a request in progress (RC_DROPIT).
 */
#ifndef RPCBUF_ENGINE_QUEUED_H
#define RPCBUF_ENGINE_QUEUED_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/share.h"

struct rpcbuf_call;
struct rpcbuf_conn;
struct rpcbuf_engine;

/* Of an engine: all queued calls.  Atomic; below the true value while another
 * thread starts a call that was just queued. */
struct queued_all {
	int calls;
	int pages; /* of these calls */
	int most_pages;
};

/* Of a connection. */
struct queued {
	uint8_t address[SHARE_ADDRESS]; /* never changes */
	int nr; /* queued calls; atomic, as in struct queued_all */
	struct list_head delayed; /* withdrawn calls, to be answered "later" */
};

void queued_init(struct rpcbuf_conn *conn, const uint8_t *address);

/* The owner: returns true when @call of @conn, which is in flight, must be
 * dispatched now; call->later tells the handler to answer "later".  False: @call
 * was queued or dropped. */
bool queued_may_run(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* A call that @client counted (NULL: none did) returned from the handler.
 * Returns the call that runs next on this thread, or NULL. */
struct rpcbuf_call *queued_next(struct rpcbuf_engine *engine,
				struct share_client *client);

/* Runs @call, which queued_next() returned, and all calls that follow it.  NULL
 * is allowed. */
void queued_dispatch(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* The owner: the next withdrawn call of @conn, to be answered "later"; or
 * NULL. */
struct rpcbuf_call *queued_next_delayed(struct rpcbuf_conn *conn);

/* The owner, once a second: withdraws calls of @conn from shares that hang, if
 * too many are queued.  True: queued_next_delayed() returns some. */
bool queued_withdraw_excess(struct rpcbuf_conn *conn);

/* The owner: @conn ends.  Completes its withdrawn calls without an answer; with
 * @all, as no reply can be delivered, all queued ones. */
void queued_end(struct rpcbuf_conn *conn, bool all);

#endif /* RPCBUF_ENGINE_QUEUED_H */
