/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sendq.h - replies that wait in a transport's queue when it is destroyed.
 *
 * ntirpc sends nothing on a destroyed transport, and forgets what waits there:
 * each reply keeps its memory, and a reference on the transport, whose socket
 * then stays open for ever.
 */
#ifndef FSAL_RPCBUF_SENDQ_H
#define FSAL_RPCBUF_SENDQ_H

#include "abi.h"

/* True when @xprt, which was made just now, has its queue where this expects
 * it; false, and nothing is ever touched, otherwise. */
bool sendq_find(SVCXPRT *xprt);

/* Around ntirpc's xp_reply; @xdrs is what the reply is encoded into, when that
 * is known. */
void sendq_reply_begin(void);
void sendq_reply_encodes(XDR *xdrs);
void sendq_reply_end(SVCXPRT *xprt);

/* ntirpc frees @block. */
void sendq_freed(const void *block);

/*
 * ntirpc destroys @xprt because a reply could not be sent: it has taken that
 * one out of the queue, and forgets it.  What it held on @xprt is given up
 * here.
 */
void sendq_failed(SVCXPRT *xprt);

/* True while replies wait in the queue, or one is on its way out of it. */
bool sendq_waits(SVCXPRT *xprt);

/* Takes over the caller's reference on @xprt, which was destroyed and which no
 * call in flight belongs to: drops it when nothing can be sending any more,
 * and what waits with it. */
void sendq_bury(SVCXPRT *xprt);

/* Once a second. */
void sendq_tick(void);

/* The server ends. */
void sendq_end(void);

#endif
