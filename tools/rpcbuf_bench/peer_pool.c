/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf's page pool, its cache refilled in bulk and page by page.
 *
 * Pages are taken one at a time, as a receive ring does.  In two cases they
 * leave the pool with their users, so each page comes from a refill.  In the
 * third they are put back and recycled through the ring.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/page_pool.h>

#include "peers.h"

struct pooled {
	struct rpcbuf *mm;
	struct rpcbuf_page_pool *pool;
};

WORK_INLINE bool pool_fill(void *opaque, void **pages, unsigned int nr)
{
	struct pooled *pooled = opaque;

	for (unsigned int i = 0; i < nr; i++) {
		pages[i] =
			rpcbuf_page_pool_alloc(pooled->pool, RPCBUF_GFP_NOWAIT);
		if (!pages[i])
			return false;
	}
	return true;
}

WORK_INLINE void pool_release(void *opaque, void **pages, unsigned int nr)
{
	struct pooled *pooled = opaque;

	for (unsigned int i = 0; i < nr; i++)
		rpcbuf_page_pool_leave(pooled->pool, pages[i]);
	rpcbuf_free_bulk_array(pooled->mm, nr, pages);
}

WORK_DEFINE(pool);

WORK_INLINE bool recycled_fill(void *opaque, void **pages, unsigned int nr)
{
	return pool_fill(opaque, pages, nr);
}

WORK_INLINE void recycled_release(void *opaque, void **pages, unsigned int nr)
{
	struct pooled *pooled = opaque;

	rpcbuf_page_pool_put_bulk(pooled->pool, nr, pages);
}

WORK_DEFINE(recycled);

static bool make_pool(struct peer *peer, unsigned int refill,
		      char why[PEER_WHY])
{
	struct rpcbuf_page_pool_options pool = RPCBUF_PAGE_POOL_OPTIONS_INIT;
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct pooled *pooled = calloc(1, sizeof(*pooled));
	int error;

	if (!pooled)
		return false;
	pool.refill = refill;
	error = rpcbuf_create(&pooled->mm, &options);
	if (!error)
		error = rpcbuf_page_pool_create(&pooled->pool, pooled->mm,
						&pool);
	if (error)
		snprintf(why, PEER_WHY, "rpcbuf_page_pool_create: %s",
			 strerror(-error));
	peer->pool[0] = peer->pool[1] = pooled;
	return !error;
}

static bool open_bulk(struct peer *peer, char why[PEER_WHY])
{
	return make_pool(peer, RPCBUF_PAGE_POOL_REFILL, why);
}

static bool open_single(struct peer *peer, char why[PEER_WHY])
{
	return make_pool(peer, 1, why);
}

struct peer peer_pool = {
	.name = "pool-bulk",
	.about = "rpcbuf_page_pool_alloc, 64 pages to a refill, pages leave",
	.ops = &pool_ops,
	.open = open_bulk,
	.cases = CASE_BIT(POOL),
};

struct peer peer_pool_single = {
	.name = "pool-single",
	.about = "the same with 1 page to a refill",
	.ops = &pool_ops,
	.open = open_single,
	.cases = CASE_BIT(POOL),
};

struct peer peer_pool_recycled = {
	.name = "pool-recycled",
	.about = "rpcbuf_page_pool_alloc, pages are put back",
	.ops = &recycled_ops,
	.open = open_bulk,
	.cases = CASE_BIT(POOL),
};
