/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * cork.h - replies come into a send list, and some leave together.
 *
 * To send costs more than a small call: the peer's receive path runs on our
 * time, and then the peer is woken.  So a reply is held back while another one
 * is known to follow, for so many bytes, so many replies and so long.  Who knows
 * is the thread that runs the calls of one receive, and it alone holds back; it
 * says so before each call (out_more()).
 *
 * A call may last.  What was held back before it is let go by whoever looks on:
 * the engine's monitor (monitor.c), or that of lists without an engine (standalone.c).
 */
#ifndef RPCBUF_ENGINE_CORK_H
#define RPCBUF_ENGINE_CORK_H

#include "rpcbuf/engine/out.h"

/* What is held back is less than this, */
#define CORK_BYTES   (16u << 10)
#define CORK_REPLIES 64u
/* ... and not for longer, in nanoseconds, but for a call that lasts. */
#define CORK_NS	     50000

/* As rpcbuf_out_send(), where @own says that this thread is the one that
 * out_more() speaks of. */
int out_append(struct rpcbuf_out *out, struct rpcbuf_reply *reply, bool own);
/* The same by that thread, which says it with the reply. */
int out_append_own(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		   bool more);
/* A whole reply of @len bytes at @bytes is copied behind the last one that is held
 * back: as out_append(), or -EAGAIN when there is none with room. */
int out_join(struct rpcbuf_out *out, const void *bytes, size_t len, bool own);
int out_join_own(struct rpcbuf_out *out, const void *bytes, size_t len,
		 bool more);
/* Will another reply follow that of the call that begins now? */
void out_more(struct rpcbuf_out *out, bool more);
/* What was held back leaves, and no reply is held back from now on.  Any
 * thread. */
void out_uncork(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_CORK_H */
