/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * successor.h - connections that take the place of others, from the same port.
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
	bool waits;	       /* for another one to end; atomic */
};

/* Under clients.lock, and under conns.lock, in one step with the owner's getting
 * to know @conn. */
void successor_join(struct rpcbuf_conn *conn);
/* @conn is closed. */
void successor_leave(struct rpcbuf_conn *conn);
/* Whether @conn, which is not read from yet, has to wait for others, which are
 * told to end. */
bool successor_waits(struct rpcbuf_conn *conn);
/* Once a second: has it waited for so long that it is read from nevertheless? */
bool successor_overdue(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_SUCCESSOR_H */
