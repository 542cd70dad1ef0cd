/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * replies.h - the loop of the connections that this process opened.
 *
 * It exists from the first of these connections on, behind the loops of
 * clients' connections.  It has a thread beyond max_threads, and page grants and
 * reserve pages of its own.  So replies to calls of this process are received even
 * while all other threads wait for them.
 */
#ifndef RPCBUF_ENGINE_REPLIES_H
#define RPCBUF_ENGINE_REPLIES_H

#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_engine;

/* Starts the loop if needed; returns true when it runs.  Any thread; may wait
 * for another one that starts it. */
bool replies_start(struct rpcbuf_engine *engine);

/* The engine is stopping: wakes the loop, and waits for a start that is under
 * way.  Returns false if that still goes on at @until_ns.  Else no start goes
 * on, and none will begin. */
bool replies_stop(struct rpcbuf_engine *engine, uint64_t until_ns);

#endif /* RPCBUF_ENGINE_REPLIES_H */
