/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replies.h - the loop of the connections that this process opened, from the
 * first of these on.
 *
 * It comes behind the loops of clients' connections.  Its thread is one more
 * than may run calls, so replies are read while all others sit in calls, which
 * may be waiting for them; and so are its turns for pages, and some pages.
 */
#ifndef RPCBUF_ENGINE_REPLIES_H
#define RPCBUF_ENGINE_REPLIES_H

#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_engine;

/* Has the loop a thread?  It gets one the first time that it is needed.  Any
 * thread; may wait for another that is at it. */
bool replies_start(struct rpcbuf_engine *engine);

/* The engine is stopping, as it says: wakes the loop, and waits for a start that
 * is under way.  False: it still is at @until_ns; else there is none any more, nor
 * begins one. */
bool replies_stop(struct rpcbuf_engine *engine, uint64_t until_ns);

#endif /* RPCBUF_ENGINE_REPLIES_H */
