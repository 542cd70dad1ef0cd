/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * wire.h - what we have of a transport that is ours, and the token.
 *
 * ntirpc writes to a socket only when its queue was empty before.  The token is
 * an entry of ours in that queue, for as long as the transport exists: behind
 * it, what the server sends itself is queued and no more, and is taken from
 * there to the send list of the engine's connection, in order.
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
	bool holds;		  /* the token is in the queue */
	bool collects;		  /* a thread takes what is behind it */
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

/* Puts the token in, unless it is in, or ntirpc is just sending. */
void wire_hold(struct wire *wire);

/*
 * wire_collect - what is behind the token goes to the connection.
 *
 * @lives: the engine does; otherwise it is dropped.  While the transport is being
 * adopted nothing is done: who adopts it calls this then.  The caller holds a
 * reference on the transport.  Any thread; does not wait.
 */
void wire_collect(struct wire *wire, bool lives);

/* The one whose socket is @fd, or NULL; the caller knows that it lives. */
struct wire *wire_by_fd(int fd);

/* The last reference on @xprt is gone. */
void wire_free(SVCXPRT *xprt);

#endif /* FSAL_RPCBUF_WIRE_H */
