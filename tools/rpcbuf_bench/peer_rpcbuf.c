/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* rpcbuf's array interface, in a fresh arena of 64 MiB. */
#include <stdio.h>
#include <string.h>

#include "peer_rpcbuf.h"

WORK_INLINE bool rpcbuf_fill(void *pool, void **pages, unsigned int nr)
{
	return rpcbuf_alloc_bulk_array(pool, RPCBUF_GFP_NOWAIT, nr, pages) ==
	       nr;
}

WORK_INLINE void rpcbuf_release(void *pool, void **pages, unsigned int nr)
{
	rpcbuf_free_bulk_array(pool, nr, pages);
}

WORK_DEFINE(rpcbuf);

struct rpcbuf *rpcbuf_share(struct peer *peer, uint64_t memory,
			    char why[PEER_WHY])
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;
	int error;

	options.memory = memory;
	error = rpcbuf_create(&mm, &options);
	if (error)
		snprintf(why, PEER_WHY, "rpcbuf_create: %s", strerror(-error));
	for (unsigned int i = 0; i < PEER_THREADS; i++)
		peer->pool[i] = mm;
	return mm;
}

static bool open_fresh(struct peer *peer, char why[PEER_WHY])
{
	return rpcbuf_share(peer, (uint64_t)PEER_PAGES << RPCBUF_PAGE_SHIFT,
			    why) != NULL;
}

const struct work_ops *const rpcbuf_array_ops = &rpcbuf_ops;

struct peer peer_rpcbuf = {
	.name = "rpcbuf",
	.about = "rpcbuf_alloc_bulk_array, 64 MiB",
	.ops = &rpcbuf_ops,
	.open = open_fresh,
	.cases = CASES_ALLOC,
};
