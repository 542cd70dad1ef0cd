/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef BENCH_PEER_RPCBUF_H
#define BENCH_PEER_RPCBUF_H

#include <rpcbuf/mm.h>

#include "peers.h"

/* Loops over the array interface; a pool is an instance. */
extern const struct work_ops *const rpcbuf_array_ops;

/* Creates an instance for all threads of the peer; NULL: @why has the
 * reason. */
struct rpcbuf *rpcbuf_share(struct peer *peer, uint64_t memory,
			    char why[PEER_WHY]);

#endif /* BENCH_PEER_RPCBUF_H */
