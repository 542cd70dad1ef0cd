/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * round.h - a thread writes what a send list has, 1 MiB or 64 replies at most.
 *
 * No system call waits, none is made under the lock, and only the thread that
 * writes takes replies out.  Any thread.
 */
#ifndef RPCBUF_ENGINE_ROUND_H
#define RPCBUF_ENGINE_ROUND_H

#include "rpcbuf/engine/out.h"

/* Under the lock, in a state from which one may write; unlocks. */
void round_and_unlock(struct rpcbuf_out *out);

/* The socket may take bytes again: a round, if nobody else writes. */
void out_write(struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_ROUND_H */
