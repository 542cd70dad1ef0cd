/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * hold.h - replies that leave together.
 *
 * To send costs more than a small call: the peer's receive path runs on our
 * time, and then the peer is woken.  So a reply is held back while another one
 * is known to follow, for so many bytes, so many replies and so long.  Who knows
 * is the thread that runs the calls of one receive, and it alone holds back; it
 * says so before each call (out_more()).
 *
 * A call may last.  What was held back before it is let go by whoever looks on:
 * the engine's watcher (watcher.c), or for lists without an engine a thread of
 * this file's, which looks once a millisecond while replies are held back now
 * and then, and sleeps when none was for a while.
 */
#ifndef RPCBUF_ENGINE_HOLD_H
#define RPCBUF_ENGINE_HOLD_H

#include "rpcbuf/engine/out.h"

/* What is held back is less than this, */
#define HOLD_BYTES   (16u << 10)
#define HOLD_REPLIES 64u
/* ... and not for longer, in nanoseconds, but for a call that lasts. */
#define HOLD_NS	     50000

/* Whether the reply that was added last may be held back.  Under out->lock. */
bool hold_may(struct rpcbuf_out *out);

/* A list without an engine comes and goes. */
void hold_join(void);
void hold_leave(struct rpcbuf_out *out);
/* Is somebody there to let go of what such a list holds back? */
bool hold_start(void);
/* It holds something back now, or does not any more.  Under out->lock. */
void hold_watch(struct rpcbuf_out *out);
void hold_forget(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_HOLD_H */
