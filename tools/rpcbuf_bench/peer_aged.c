/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An arena of 16 GiB after hard use: three quarters are in use, and pages came
 * and went in random order, one by one.  They are not written to, so they cost
 * address space and bookkeeping, no memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer_rpcbuf.h"

#define AGED_MEMORY ((uint64_t)16 << 30)
#define AGED_IN_USE ((size_t)(AGED_MEMORY >> RPCBUF_PAGE_SHIFT) / 4 * 3)
#define AGED_SEED   20220817u
#define AGED_ROUNDS 3

static void shuffle(void **pages, size_t nr)
{
	uint64_t random = AGED_SEED;

	for (size_t i = nr - 1; i; i--) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		size_t other = (random >> 33) % (i + 1);
		void *page = pages[i];

		pages[i] = pages[other];
		pages[other] = page;
	}
}

/* Up to @nr pages; returns how many. */
static size_t take(struct rpcbuf *mm, void **pages, size_t nr)
{
	size_t taken = 0, got = 1;

	while (taken < nr && got) {
		size_t want = nr - taken;

		if (want > RPCBUF_BULK_MAX)
			want = RPCBUF_BULK_MAX;
		got = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOWAIT,
					      (unsigned int)want,
					      pages + taken);
		taken += got;
	}
	return taken;
}

/* One by one: an array would be looked at for adjacent pages. */
static void release(struct rpcbuf *mm, void **pages, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		rpcbuf_free_page(mm, pages[i]);
		pages[i] = NULL;
	}
}

static void churn(struct rpcbuf *mm, void **pages)
{
	size_t nr = take(mm, pages, AGED_IN_USE);

	for (unsigned int round = 0; nr && round < AGED_ROUNDS; round++) {
		shuffle(pages, nr);
		release(mm, pages, nr / 2);
		take(mm, pages, nr / 2);
	}
}

static bool open_aged(struct peer *peer, char why[PEER_WHY])
{
	struct rpcbuf *mm = rpcbuf_share(peer, AGED_MEMORY, why);
	void **pages = calloc(AGED_IN_USE, sizeof(*pages));

	if (mm && pages)
		churn(mm, pages);
	free(pages);
	peer->ops = rpcbuf_array_ops;
	return mm && pages;
}

struct peer peer_aged = {
	.name = "16GiB",
	.about = "the same, 16 GiB, three quarters in use, released in random "
		 "order",
	.open = open_aged,
	.cases = CASES_ALLOC & ~CASE_BIT(FACES),
};
