/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cork.h - replies enter a send list, and some of them leave together.
 *
 * A send costs more than a small call: the receive path of the peer runs on
 * this CPU, and then the peer is woken.  So the list is corked (as with
 * TCP_CORK) while another reply is known to follow, within limits of bytes,
 * replies and time.  Only the thread that runs the calls of one receive knows
 * that; it says so before each call (out_more()).
 *
 * If such a call runs long, another thread uncorks the list: the engine's
 * monitor (monitor.c), or for lists without an engine the uncorker
 * (standalone.c).
 */
#ifndef RPCBUF_ENGINE_CORK_H
#define RPCBUF_ENGINE_CORK_H

#include "rpcbuf/engine/out.h"

/* Limits of a corked list: bytes and replies, */
#define CORK_BYTES   (16u << 10)
#define CORK_REPLIES 64u
/* ... and nanoseconds, unless a call runs long */
#define CORK_NS	     50000

/* As rpcbuf_out_send().  @own: this is the thread that out_more() speaks of. */
int out_append(struct rpcbuf_out *out, struct rpcbuf_reply *reply, bool own);
/* The same for that thread, with out_more(@more) under one lock. */
int out_append_own(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		   bool more);
/* Copies a whole reply, @len bytes at @bytes, behind the last one of a corked
 * list.  Returns as out_append(), or -EAGAIN: the list is not corked, or that
 * reply has no room. */
int out_join(struct rpcbuf_out *out, const void *bytes, size_t len, bool own);
int out_join_own(struct rpcbuf_out *out, const void *bytes, size_t len,
		 bool more);
/* Says whether another reply will follow the one of the next call. */
void out_more(struct rpcbuf_out *out, bool more);
/* Uncorks the list and sends it; corks it no more until out_more().  Any
 * thread. */
void out_uncork(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_CORK_H */
