/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Arenas of 16 GiB after use.  In the first, three quarters of the pages were
 * allocated and freed one by one in random order.  In the second, all pages
 * including the reserve were allocated and a random quarter was freed: only
 * single pages are free, which is the worst case.  Unused pages are never
 * written, so they take address space and metadata, but no memory.
 */
#include <stdio.h>
#include <stdlib.h>

#include "peer_rpcbuf.h"

#define AGED_MEMORY ((uint64_t)16 << 30)
#define AGED_PAGES  ((size_t)(AGED_MEMORY >> RPCBUF_PAGE_SHIFT))
#define AGED_SEED   20220817u

static void shuffle(void **pages, size_t nr)
{
	uint64_t random = AGED_SEED;

	for (size_t i = nr; i-- > 1;) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		size_t other = (random >> 33) % (i + 1);
		void *page = pages[i];

		pages[i] = pages[other];
		pages[other] = page;
	}
}

/* Allocates up to @nr pages, including the reserve; returns their number. */
static size_t alloc_all(struct rpcbuf *mm, void **pages, size_t nr)
{
	size_t taken = 0, got = 1;

	while (taken < nr && got) {
		size_t want = nr - taken;

		if (want > RPCBUF_BULK_MAX)
			want = RPCBUF_BULK_MAX;
		got = rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_RESERVE,
					      (unsigned int)want,
					      pages + taken);
		taken += got;
	}
	return taken;
}

/* Frees one by one, because freeing an array would join adjacent pages. */
static void free_singly(struct rpcbuf *mm, void **pages, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		rpcbuf_free_page(mm, pages[i]);
		pages[i] = NULL;
	}
}

static void use_and_release(struct rpcbuf *mm, void **pages)
{
	size_t nr = alloc_all(mm, pages, AGED_PAGES / 4 * 3);

	shuffle(pages, nr);
	free_singly(mm, pages, nr);
}

static void scatter(struct rpcbuf *mm, void **pages)
{
	size_t nr = alloc_all(mm, pages, AGED_PAGES);

	shuffle(pages, nr);
	free_singly(mm, pages, nr / 4);
}

static bool open_with(struct peer *peer,
		      void (*use)(struct rpcbuf *mm, void **pages),
		      char why[PEER_WHY])
{
	struct rpcbuf *mm = rpcbuf_share(peer, AGED_MEMORY, why);
	void **pages = calloc(AGED_PAGES, sizeof(*pages));

	if (mm && pages)
		use(mm, pages);
	free(pages);
	peer->ops = rpcbuf_array_ops;
	return mm && pages;
}

static bool open_aged(struct peer *peer, char why[PEER_WHY])
{
	return open_with(peer, use_and_release, why);
}

static bool open_scattered(struct peer *peer, char why[PEER_WHY])
{
	return open_with(peer, scatter, why);
}

struct peer peer_aged = {
	.name = "16GiB",
	.about = "the same, 16 GiB, three quarters were allocated and freed in "
		 "random order",
	.open = open_aged,
	.cases = CASES_ALLOC & ~CASE_BIT(FACES),
};

struct peer peer_scattered = {
	.name = "scattered",
	.about = "the same, and only single pages are free",
	.open = open_scattered,
	.cases = CASES_ALLOC & ~CASE_BIT(FACES),
};
