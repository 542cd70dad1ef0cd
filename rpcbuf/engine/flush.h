/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flush.h - waits for what a send list has to leave, and the end of the list.
 *
 * Any thread.
 */
#ifndef RPCBUF_ENGINE_FLUSH_H
#define RPCBUF_ENGINE_FLUSH_H

#include "rpcbuf/engine/out.h"

/* It is dead; returns when no thread writes any more: the descriptor may be
 * closed. */
void out_end(struct rpcbuf_out *out);

/* Nobody uses it any more; what it has is dropped. */
void out_exit(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_FLUSH_H */
