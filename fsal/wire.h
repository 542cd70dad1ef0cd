/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * wire.h - our state of a transport, and the token.
 *
 * ntirpc writes to a socket only when its queue was empty before.  The token is
 * an entry of ours in that queue, for as long as the transport exists.  ntirpc
 * queues the server's own calls behind it, and does not send them.  They are moved
 * from there to the send list of the engine's connection, in order.
 */
#ifndef FSAL_RPCBUF_WIRE_H
#define FSAL_RPCBUF_WIRE_H

#include <rpcbuf/engine.h>

#include "facts.h"
#include "rpcbuf/os/list.h"

struct wire {
	SVCXPRT *xprt;		  /* never changes */
	struct rpcbuf_conn *conn; /* once, by rpcbuf_engine_adopt(), which is
				   * atomic; its reference is ours */
	bool dropped;		  /* rpcbuf_conn_drop() was called, or it was
				   * not adopted; atomic */
	struct list_head link;	  /* by descriptor: wire.c's */
	struct poolq_entry token; /* from here under the queue's mutex */
	bool token_queued;	  /* the token is in the queue */
	bool collecting;	  /* a thread takes the entries behind it */
};

/* That of @xprt, or NULL.  It lives as long as the transport. */
static inline struct wire *wire_of(SVCXPRT *xprt)
{
	return __atomic_load_n((struct wire **)&xprt->xp_p1, __ATOMIC_ACQUIRE);
}

/* Before all others. */
void wire_start(const struct facts *facts);

/* Makes @xprt ours.  0; -EEXIST when it was already; -ENOMEM.  The caller holds a
 * reference. */
int wire_claim(SVCXPRT *xprt);

/* Queues the token, unless it is queued, or ntirpc is sending. */
void wire_queue_token(struct wire *wire);

/*
 * wire_collect - send the entries behind the token on the connection.
 *
 * Drops them when @lives is false: the engine has ended.  Does nothing during
 * adoption; the adopting thread calls it afterwards.  The caller holds a
 * reference on the transport.  Any thread; does not wait.
 */
void wire_collect(struct wire *wire, bool lives);

/* The one whose socket is @fd, or NULL; the caller knows that it lives. */
struct wire *wire_by_fd(int fd);

/* The last reference on @xprt is gone. */
void wire_free(SVCXPRT *xprt);

#endif /* FSAL_RPCBUF_WIRE_H */
