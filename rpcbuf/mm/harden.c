/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rpcbuf/mm/guard.h>
#include <rpcbuf/mm/harden.h>
#include <rpcbuf/mm/node.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/pcp.h>
#include <rpcbuf/mm/poison.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>

#define RED_BYTE 0xbb

static const struct {
	const char *name;
	uint32_t bit;
} words[] = {
	{"init_on_alloc", RPCBUF_HARDEN_INIT_ON_ALLOC},
	{"init_on_free", RPCBUF_HARDEN_INIT_ON_FREE},
	{"shuffle", RPCBUF_HARDEN_SHUFFLE},
	{"redzone", RPCBUF_HARDEN_REDZONE},
};

static uint32_t word_bit(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i].name) == len &&
		    !memcmp(words[i].name, word, len))
			return words[i].bit;
	return 0;
}

static int read_words(const char *text, uint32_t *bits)
{
	while (text && *text) {
		size_t len = strcspn(text, ",");
		uint32_t bit = word_bit(text, len);

		if (!bit) {
			fprintf(stderr,
				"rpcbuf: RPCBUF_HARDEN: \"%.*s\" is none of "
				"init_on_alloc, init_on_free, shuffle, redzone\n",
				(int)len, text);
			return -EINVAL;
		}
		*bits |= bit;
		text += len + (text[len] == ',');
	}
	return 0;
}

int harden_create(struct rpcbuf *mm, unsigned int flags, uint32_t *bits)
{
	void *red;
	int err;

	*bits = flags;
	err = read_words(getenv("RPCBUF_HARDEN"), bits);
	if (err)
		return err;
	os_store(&mm->shuffle, os_now() ^ (uintptr_t)mm->arena.base << 20);
	if (!(*bits & RPCBUF_HARDEN_REDZONE))
		return 0;
	err = os_map(&red,
		     (mm->arena.nr_pages + RPCBUF_PAGE_SIZE) & RPCBUF_PAGE_MASK,
		     RPCBUF_PAGE_SIZE);
	if (!err)
		mm->red = red;
	return err;
}

void harden_destroy(struct rpcbuf *mm)
{
	if (mm->red)
		os_unmap(mm->red, (mm->arena.nr_pages + RPCBUF_PAGE_SIZE) &
					  RPCBUF_PAGE_MASK);
}

static void put_back(struct rpcbuf *mm, rpcbuf_gfp_t gfp, void *const *pages,
		     unsigned int nr)
{
	if (gfp & RPCBUF_GFP_NOLOCK)
		mm_give_nolock(mm, pages, nr);
	else if (nr)
		mm_give(mm, pages, nr);
}

/* splitmix64 of a counter: not for secrets, but addresses do not predict it. */
static unsigned int random_below(struct rpcbuf *mm, unsigned int below)
{
	uint64_t z = os_fetch_add(&mm->shuffle, 0x9e3779b97f4a7c15ull);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ z >> 27) * 0x94d049bb133111ebull;
	return (unsigned int)((z ^ z >> 31) % below);
}

/* Chooses at random, one by one, from a batch; the surplus goes back.  While a
 * waiter is queued the batch has none. */
static unsigned int take_shuffled(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				  unsigned int node, rpcbuf_nodemask_t mask,
				  void **pages, unsigned int want)
{
	unsigned int ask = wait_pending(mm) ? want : PCP_CHUNK, got, i;
	void *batch[PCP_CHUNK];

	got = pcp_refill(mm, gfp, node, mask, batch, ask);
	want = rpcbuf_min(want, got);
	for (i = 0; i < want; i++) {
		unsigned int at = i + random_below(mm, got - i);

		pages[i] = batch[at];
		batch[at] = batch[i];
	}
	put_back(mm, gfp, batch + want, got - want);
	return want;
}

/* @nr pages and a red zone; without one where memory is too short for it. */
static void *take_red_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			  unsigned int node, rpcbuf_nodemask_t mask,
			  unsigned int nr)
{
	char *first = NULL, *zone;

	if (nr < ZONE_BLOCK_PAGES)
		first = node_take_run(mm, gfp, node, mask, nr + 1);
	if (!first)
		return node_take_run(mm, gfp, node, mask, nr);
	zone = first + nr * RPCBUF_PAGE_SIZE;
	page_unpoison(zone);
	memset(zone, RED_BYTE, RPCBUF_PAGE_SIZE);
	os_store(&mm->red[arena_index(&mm->arena, zone)], 1);
	return first;
}

static unsigned int take_red(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
			     unsigned int node, rpcbuf_nodemask_t mask,
			     void **pages, unsigned int want)
{
	unsigned int got = 0;

	while (got < want &&
	       (pages[got] = take_red_run(mm, gfp, node, mask, 1)))
		got++;
	if (got < want)
		got += pcp_refill(mm, gfp, node, mask, pages + got, want - got);
	return got;
}

void harden_init(struct rpcbuf *mm, void *first, uint64_t nr)
{
	char *page = first;

	if (!(os_load(&mm->guard) & RPCBUF_HARDEN_INIT_ON_ALLOC))
		return;
	for (; nr; nr--, page += RPCBUF_PAGE_SIZE) {
		page_unpoison(page);
		memset(page, 0, RPCBUF_PAGE_SIZE);
	}
}

unsigned int harden_take(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
			 rpcbuf_nodemask_t mask, void **pages,
			 unsigned int want)
{
	uint32_t bits = os_load(&mm->guard);
	unsigned int got, i;

	if (bits & RPCBUF_HARDEN_REDZONE)
		got = take_red(mm, gfp, node, mask, pages, want);
	else if (bits & RPCBUF_HARDEN_SHUFFLE)
		got = take_shuffled(mm, gfp, node, mask, pages, want);
	else
		got = pcp_refill(mm, gfp, node, mask, pages, want);
	for (i = 0; i < got; i++)
		harden_init(mm, pages[i], 1);
	return got;
}

void *harden_take_run(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
		      rpcbuf_nodemask_t mask, unsigned int nr)
{
	uint32_t bits = os_load(&mm->guard);
	void *first;

	if (bits & RPCBUF_HARDEN_REDZONE)
		first = take_red_run(mm, gfp, node, mask, nr);
	else
		first = node_take_run(mm, gfp, node, mask, nr);
	if (first)
		harden_init(mm, first, nr);
	return first;
}

/* Checks a red zone, whose page is being released, and releases it as well. */
static void free_red(struct rpcbuf *mm, uint64_t index)
{
	unsigned char *zone = arena_page(&mm->arena, index);
	void *page = zone;
	size_t i;

	for (i = 0; i < RPCBUF_PAGE_SIZE; i++)
		if (zone[i] != RED_BYTE)
			os_panic("the red zone behind page %p, which is being "
				 "released, was overwritten at %p",
				 arena_page(&mm->arena, index - 1),
				 (void *)(zone + i));
	memset(zone, 0, RPCBUF_PAGE_SIZE); /* what debug builds take for fresh */
	os_store(&mm->red[index], 0);
	mm_give_nolock(mm, &page, 1);
}

void harden_free(struct rpcbuf *mm, uint64_t index)
{
	uint32_t bits = os_load(&mm->guard);

	if (bits & RPCBUF_HARDEN_REDZONE && index + 1 < mm->arena.nr_pages &&
	    os_load(&mm->red[index + 1]))
		free_red(mm, index + 1);
	if (bits & RPCBUF_HARDEN_INIT_ON_FREE) {
		page_unpoison(arena_page(&mm->arena, index));
		memset(arena_page(&mm->arena, index), 0, RPCBUF_PAGE_SIZE);
	}
}
