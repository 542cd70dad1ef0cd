/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reply.h - every reply that ntirpc makes on a connection, until it frees it.
 *
 * ntirpc gives a reply up in three ways: it is sent and freed; it waits in the
 * transport's queue (see sendq.h); or it cannot be sent, and is forgotten with
 * the reference that it holds on the transport, whose socket then stays open
 * for ever.  What is forgotten is freed here.
 */
#ifndef FSAL_RPCBUF_REPLY_H
#define FSAL_RPCBUF_REPLY_H

#include "abi.h"

/* Around ntirpc's xp_reply on @xprt; @stat: what that returned. */
void reply_begin(SVCXPRT *xprt);
void reply_end(SVCXPRT *xprt, enum xprt_stat stat);

/*
 * ntirpc's @function allocates @size bytes: returns how many it shall get.
 * When that is not @size, reply_made() must follow with the block.
 */
size_t reply_room(size_t size, const char *function);
void reply_made(void *block);

/*
 * ntirpc destroys @xprt because this thread could not send what it has taken
 * out of the queue.  Only while the caller's reference on @xprt is not the
 * last.
 */
void reply_failed(SVCXPRT *xprt);

/* How many of @xprt are not in its queue, but in somebody's hands or forgotten;
 * and frees these, when it is known to be the latter. */
int32_t reply_astray(SVCXPRT *xprt);
void reply_free_astray(SVCXPRT *xprt);

/* How many there are.  Any thread. */
uint64_t reply_count(void);

#endif
