/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The known peers, and the set of those that this run measures.
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
 * Opens the peers of @names (separated by commas; NULL: all), and prints on
 * standard error which are missing and why.  Returns false, after a message,
 * when a name is unknown.
 */
bool peers_open(struct peer_set *set, const char *names);

/* Called by each measuring thread: enters all peers of the set. */
bool peers_enter(const struct peer_set *set);

void peers_print(void);

#endif /* BENCH_PEERS_H */
