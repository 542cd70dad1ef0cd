/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * round.h - a thread sends the replies of a list, at most 1 MiB or 64 replies.
 *
 * No system call blocks, and none is made under the lock.  Only the thread that
 * writes removes replies.  Any thread.
 */
#ifndef RPCBUF_ENGINE_ROUND_H
#define RPCBUF_ENGINE_ROUND_H

#include "rpcbuf/engine/out.h"

/* Under the lock, in a state that may move to WRITING; unlocks. */
void round_and_unlock(struct rpcbuf_out *out);

/* The socket may be writable again: starts a round, unless another thread
 * writes. */
void out_write(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_ROUND_H */
