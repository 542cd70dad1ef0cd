/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * queued.h - calls that are in flight and wait for a thread of their share.
 *
 * What a call is for is asked of the adapter before it runs.  While as many run
 * of its share as may (share.h) it is kept, with what it holds; it counts in
 * the calls in flight of its connection.  Where the share hangs, a connection
 * does not keep so many that it is not read any more: others of its calls may be
 * for something else; nor do all together keep more than a quarter of the pages,
 * or of the heap for calls.  Those beyond are to be answered "later" instead.  One
 * that its client sent again, over the same connection, while it waits so is
 * dropped: as the kernel's server does with what is in progress (RC_DROPIT).
 */
#ifndef RPCBUF_ENGINE_QUEUED_H
#define RPCBUF_ENGINE_QUEUED_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/share.h"

struct rpcbuf_call;
struct rpcbuf_conn;
struct rpcbuf_engine;

/* Of an engine: what waits in shares.  Atomic; short of what another thread was
 * given before it could be counted. */
struct queued_all {
	int calls;
	int pages; /* that these hold */
	int most_pages;
};

/* Of a connection. */
struct queued {
	uint8_t client[SHARE_ADDRESS]; /* never changes */
	int nr; /* calls that wait in shares; atomic; short as well */
	struct list_head delayed; /* ... that are not to wait any more */
};

void queued_init(struct rpcbuf_conn *conn, const uint8_t *client);

/* The owner: @call of @conn, which is in flight, is to run now, or to be
 * answered "later", which call->later says.  False: it is kept, or was
 * dropped. */
bool queued_may_run(struct rpcbuf_conn *conn, struct rpcbuf_call *call);

/* A call of @stake, or of none, has returned from the handler: the next one to
 * run on this thread, or NULL. */
struct rpcbuf_call *queued_next(struct rpcbuf_engine *engine,
				struct share_client *share_client);

/* Runs @call, which queued_next() returned, and those that it returns then; or
 * nothing if it is NULL. */
void queued_dispatch(struct rpcbuf_engine *engine, struct rpcbuf_call *call);

/* The owner: the next one of @conn to be answered "later", or NULL. */
struct rpcbuf_call *queued_next_delayed(struct rpcbuf_conn *conn);

/* The owner, once a second: does @conn keep too many for what hangs?  Then
 * queued_next_delayed() has some. */
bool queued_withdraw_excess(struct rpcbuf_conn *conn);

/* The owner: @conn is ending, so those are ended that queued_next_delayed() would have;
 * @all: as nobody gets their replies, all that are kept. */
void queued_end(struct rpcbuf_conn *conn, bool all);

#endif /* RPCBUF_ENGINE_QUEUED_H */
