/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * successor.h - a connection that replaces a broken one from the same port.
 *
 * The owner of the loop only, but for successor_join().
 */
#ifndef RPCBUF_ENGINE_SUCCESSOR_H
#define RPCBUF_ENGINE_SUCCESSOR_H

#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/os/list.h"

struct rpcbuf_conn;

/* Of a connection. */
struct succession {
	struct list_head link; /* clients->ports[], under clients.lock */
	uint16_t port;	       /* of its peer, or 0 */
	bool waits;	       /* for its predecessor to end; atomic */
};

/* Under clients.lock and conns.lock, together with conns_join(): adds @conn to
 * the table. */
void successor_join(struct rpcbuf_conn *conn);
/* Removes @conn, which is closed, and posts its successors. */
void successor_leave(struct rpcbuf_conn *conn);
/* True when @conn, which was not read yet, must wait for predecessors; these
 * are posted to end. */
bool successor_waits(struct rpcbuf_conn *conn);
/* Once a second: true when @conn has waited long enough, and is read now. */
bool successor_overdue(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_SUCCESSOR_H */
