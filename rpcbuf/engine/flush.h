/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * flush.h - waits until a send list is empty; ends a send list.
 *
 * Any thread.
 */
#ifndef RPCBUF_ENGINE_FLUSH_H
#define RPCBUF_ENGINE_FLUSH_H

#include "rpcbuf/engine/out.h"

/* Kills the list.  On return no thread writes any more, so the descriptor may
 * be closed. */
void out_end(struct rpcbuf_out *out);

/* Drops what the list has.  No other thread may use it any more. */
void out_exit(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_FLUSH_H */
