/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf's array face: in a fresh arena of 64 MiB, and in one of 16 GiB after
 * hard use.  Of the large one every page was out, then a quarter came back in
 * random order: three quarters stay in use and what is free are single pages
 * all over it.  None of these pages is written to, so it costs address space
 * and bookkeeping, no memory.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/mm.h>

#include "peers.h"

#define AGED_MEMORY ((uint64_t)16 << 30)
#define AGED_SEED   20220817u

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

static struct rpcbuf *make(uint64_t memory, char why[PEER_WHY])
{
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf *mm = NULL;
	int error;

	options.memory = memory;
	error = rpcbuf_create(&mm, &options);
	if (error)
		snprintf(why, PEER_WHY, "rpcbuf_create: %s", strerror(-error));
	return mm;
}

static bool share(struct peer *peer, struct rpcbuf *mm)
{
	for (unsigned int i = 0; i < PEER_THREADS; i++)
		peer->pool[i] = mm;
	return mm != NULL;
}

static bool open_fresh(struct peer *peer, char why[PEER_WHY])
{
	return share(peer,
		     make((uint64_t)PEER_PAGES << RPCBUF_PAGE_SHIFT, why));
}

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

/* Takes all pages there are; returns how many. */
static size_t take_all(struct rpcbuf *mm, void **pages, size_t nr)
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

static bool age(struct rpcbuf *mm, char why[PEER_WHY])
{
	size_t nr = AGED_MEMORY >> RPCBUF_PAGE_SHIFT;
	void **pages = calloc(nr, sizeof(*pages));

	if (!pages) {
		snprintf(why, PEER_WHY, "no memory for %zu addresses", nr);
		return false;
	}
	nr = take_all(mm, pages, nr);
	shuffle(pages, nr);
	/* One by one: an array would be looked at for adjacent pages. */
	for (size_t i = 0; i < nr / 4; i++)
		rpcbuf_free_page(mm, pages[i]);
	free(pages);
	return true;
}

static bool open_aged(struct peer *peer, char why[PEER_WHY])
{
	return share(peer, make(AGED_MEMORY, why)) && age(peer->pool[0], why);
}

struct peer peer_rpcbuf = {
	.name = "rpcbuf",
	.about = "rpcbuf_alloc_bulk_array, 64 MiB",
	.ops = &rpcbuf_ops,
	.open = open_fresh,
	.cases = CASES_ALLOC,
};

struct peer peer_aged = {
	.name = "rpcbuf-16G",
	.about = "the same, 16 GiB with three quarters in use, free pages "
		 "scattered",
	.ops = &rpcbuf_ops,
	.open = open_aged,
	.cases = CASES_ALLOC & ~CASE_BIT(FACES),
};
