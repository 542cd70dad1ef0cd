/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reclaim.h - releases the pages that a loop does not need now: its vector, and
 * the preallocated pages of long records.
 *
 * A loop does so on request (shrink.h), and after it received nothing for a
 * while.  The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_RECLAIM_H
#define RPCBUF_ENGINE_RECLAIM_H

struct loop;

/* Does what was requested since the last call. */
void reclaim_requested(struct loop *loop);
/* Once a second. */
void reclaim_idle(struct loop *loop);

#endif /* RPCBUF_ENGINE_RECLAIM_H */
