/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef BENCH_PEER_RPCBUF_H
#define BENCH_PEER_RPCBUF_H

#include <rpcbuf/mm.h>

#include "peers.h"

/* The loops over the array face; pools are instances. */
extern const struct work_ops *const rpcbuf_array_ops;

/* Makes an instance that all threads of the peer use; NULL, and @why. */
struct rpcbuf *rpcbuf_share(struct peer *peer, uint64_t memory,
			    char why[PEER_WHY]);

#endif /* BENCH_PEER_RPCBUF_H */
