/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sendq.h - replies that wait in a transport's queue when it is destroyed.
 *
 * ntirpc sends nothing on a destroyed transport, and leaves what waits there:
 * each reply keeps its memory, and a reference on the transport, whose socket
 * then stays open for ever.
 */
#ifndef FSAL_RPCBUF_SENDQ_H
#define FSAL_RPCBUF_SENDQ_H

#include "abi.h"

struct xdr_ioq;

/* True when @xprt, which was made just now, has its queue where this expects
 * it; false, and nothing is ever touched, otherwise. */
bool sendq_find(SVCXPRT *xprt);

/* True while replies wait in the queue, or one is on its way out of it. */
bool sendq_waits(SVCXPRT *xprt);

/* Is @reply in the queue of @xprt?  True as well where that cannot be known. */
bool sendq_has(SVCXPRT *xprt, const struct xdr_ioq *reply);

/*
 * sendq_bury - takes over the caller's reference on @xprt, which was destroyed
 * and which no call in flight belongs to.
 *
 * Drops it at once when nothing waits in the queue, and otherwise when nothing
 * can be sending any more, and what waits with it.
 */
void sendq_bury(SVCXPRT *xprt);

/* Once a second. */
void sendq_tick(void);

/* The server ends: no more is waited for, now or later. */
void sendq_end(void);

#endif
