/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reclaim.h - pages that a loop keeps and can spare: its vector, and what is kept
 * for the rest of long records.
 *
 * It gives them back when it is asked (shrink.h), and when it received nothing
 * for a while.  The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_RECLAIM_H
#define RPCBUF_ENGINE_RECLAIM_H

struct loop;

/* If it was asked. */
void reclaim_requested(struct loop *loop);
/* Once a second. */
void reclaim_idle(struct loop *loop);

#endif /* RPCBUF_ENGINE_RECLAIM_H */
