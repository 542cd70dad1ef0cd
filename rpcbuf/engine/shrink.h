/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * shrink.h - loops are asked for the pages that they can spare (reclaim.h).
 *
 * Any thread.
 */
#ifndef RPCBUF_ENGINE_SHRINK_H
#define RPCBUF_ENGINE_SHRINK_H

struct rpcbuf_engine;

/* loop->shrink: what is wanted of it. */
enum shrink {
	SHRINK_NOTHING,
	SHRINK_VECTOR,
	SHRINK_ALL
};

/* Asks all loops, which do so in a moment. */
void shrink_ask(struct rpcbuf_engine *engine);

/* From now the allocator may ask; and not any more.  Returns 0 or -errno. */
int shrink_start(struct rpcbuf_engine *engine);
void shrink_stop(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_SHRINK_H */
