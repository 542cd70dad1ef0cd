/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Which peers there are, and those of them that this run measures.
 */
#ifndef BENCH_PEERS_H
#define BENCH_PEERS_H

#include "peer.h"

#define PEERS_MAX 24u

extern struct peer peer_rpcbuf, peer_aged, peer_scattered;
extern struct peer peer_list, peer_callback;
extern struct peer peer_window_window, peer_window_kept, peer_window_copy;
extern struct peer peer_dpdk, peer_tcmalloc, peer_jemalloc, peer_mimalloc;
extern struct peer peer_glibc, peer_copy;
extern struct peer peer_pool, peer_pool_single, peer_pool_recycled;

/* In the order of the columns. */
struct peer_set {
	struct peer *peers[PEERS_MAX];
	unsigned int nr;
};

/*
 * Opens the peers of @names (separated by commas; NULL: all), and says on
 * standard error which are not there and why.  False when a name is unknown,
 * which is said too.
 */
bool peers_open(struct peer_set *set, const char *names);

/* By each thread that measures: enters those of the set that want it. */
bool peers_enter(const struct peer_set *set);

void peers_print(void);

#endif /* BENCH_PEERS_H */
