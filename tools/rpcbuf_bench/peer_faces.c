/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf's list and callback interfaces, to compare with the array.  The
 * callback stores pages in an array, as its users do.
 */
#include <stdio.h>
#include <stdlib.h>

#include <rpcbuf/bulk.h>

#include "peers.h"

struct listed {
	struct rpcbuf *mm;
	struct rpcbuf_page_list list;
};

WORK_INLINE bool list_fill(void *pool, void **pages, unsigned int nr)
{
	struct listed *listed = pool;

	(void)pages;
	return rpcbuf_alloc_bulk_list(listed->mm, RPCBUF_GFP_NOWAIT, nr,
				      &listed->list) == nr;
}

WORK_INLINE void list_release(void *pool, void **pages, unsigned int nr)
{
	struct listed *listed = pool;

	(void)pages;
	(void)nr;
	rpcbuf_free_bulk_list(listed->mm, &listed->list);
}

WORK_DEFINE(list);

static bool stage(void *page, void *opaque)
{
	void ***next = opaque;

	*(*next)++ = page;
	return true;
}

WORK_INLINE bool callback_fill(void *pool, void **pages, unsigned int nr)
{
	void **next = pages;

	return rpcbuf_alloc_bulk_callback(pool, RPCBUF_GFP_NOWAIT, nr, stage,
					  (void *)&next) == nr;
}

WORK_INLINE void callback_release(void *pool, void **pages, unsigned int nr)
{
	rpcbuf_free_bulk_array(pool, nr, pages);
}

WORK_DEFINE(callback);

static struct rpcbuf *make_instance(char why[PEER_WHY])
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;

	if (rpcbuf_create(&mm, &options))
		snprintf(why, PEER_WHY, "rpcbuf_create failed");
	return mm;
}

static bool open_list(struct peer *peer, char why[PEER_WHY])
{
	struct listed *listed = calloc(PEER_THREADS, sizeof(*listed));
	struct rpcbuf *mm = make_instance(why);

	for (unsigned int i = 0; listed && i < PEER_THREADS; i++) {
		listed[i].mm = mm;
		peer->pool[i] = &listed[i];
	}
	return listed && mm;
}

static bool open_callback(struct peer *peer, char why[PEER_WHY])
{
	peer->pool[0] = peer->pool[1] = make_instance(why);
	return peer->pool[0] != NULL;
}

struct peer peer_list = {
	.name = "list",
	.about = "rpcbuf_alloc_bulk_list and rpcbuf_free_bulk_list",
	.ops = &list_ops,
	.open = open_list,
	.cases = CASE_BIT(FACES),
};

struct peer peer_callback = {
	.name = "callback",
	.about = "rpcbuf_alloc_bulk_callback into an array",
	.ops = &callback_ops,
	.open = open_callback,
	.cases = CASE_BIT(FACES),
};
