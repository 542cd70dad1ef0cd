/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/poison.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

static const char *const sentences[PAGE_MISUSES] = {
	[PAGE_FOREIGN] =
		"%p is not a page of this instance, which has %p to %p",
	[PAGE_FREED_TWICE] = "page %p was released but is free already",
	[PAGE_GOT_FREE] = "a reference was taken on page %p, which is free",
};

static void misuse_text(const struct rpcbuf *mm, const void *page,
			enum page_misuse misuse, char *text, size_t size)
{
	snprintf(text, size, sentences[misuse], page, (void *)mm->arena.base,
		 arena_page(&mm->arena, mm->arena.nr_pages));
}

static void panic(const struct rpcbuf *mm, const void *page,
		  enum page_misuse misuse)
{
	char text[200];

	misuse_text(mm, page, misuse, text, sizeof(text));
	if (misuse == PAGE_FOREIGN)
		os_panic("%s", text);
	os_panic("%s (thread %d): %s", text, os_thread_id(),
		 poison_owner(mm, arena_index(&mm->arena, page)));
}

void page_refuse(struct rpcbuf *mm, const void *page, enum page_misuse misuse)
{
	struct page_refusals *refusals = &mm->refusals;

	probe_page_refuse(mm, page);
	if (RPCBUF_DEBUG)
		panic(mm, page, misuse);
	os_fetch_add(&refusals->nr, 1);
	os_store(&refusals->pages[misuse], page);
	os_store_release(&refusals->unlogged, 1);
}

static void log_one(struct rpcbuf *mm, const void *page,
		    enum page_misuse misuse)
{
	unsigned int left_out;
	char text[300];
	size_t length;

	if (!page || !ratelimit_ok(&mm->refusals.limit, os_now(), &left_out))
		return;
	misuse_text(mm, page, misuse, text, sizeof(text));
	length = strlen(text);
	snprintf(text + length, sizeof(text) - length,
		 ": refused, %llu times so far",
		 (unsigned long long)os_load(&mm->refusals.nr));
	if (mm->log)
		mm->log(text);
	else
		fprintf(stderr, "rpcbuf: %s\n", text);
}

void page_log_misuse(struct rpcbuf *mm)
{
	unsigned int misuse;

	/* The parent logs what a child inherited. */
	if (os_load(&mm->forked) ||
	    !os_exchange_acquire(&mm->refusals.unlogged, 0))
		return;
	for (misuse = 0; misuse < PAGE_MISUSES; misuse++)
		log_one(mm,
			os_exchange_acquire(&mm->refusals.pages[misuse], NULL),
			(enum page_misuse)misuse);
}

static void debug_out(struct rpcbuf *mm, void *page, void *const *callers)
{
	uint64_t index = arena_index(&mm->arena, page);

	rpcbuf_assert(index < mm->arena.nr_pages);
	if (os_exchange_acq_rel(&mm->refs[index], 1) != 0)
		os_panic("page %p was handed out twice: %s", page,
			 poison_owner(mm, index));
	poison_out(mm, index, callers);
}

void page_debug_out(struct rpcbuf *mm, void *const *pages, unsigned int nr)
{
	void *callers[OS_CALLERS];
	unsigned int i;

	if (nr)
		os_callers(callers);
	for (i = 0; i < nr; i++)
		debug_out(mm, pages[i], callers);
}

void page_debug_adjacent_out(struct rpcbuf *mm, void *first, uint64_t nr)
{
	void *callers[OS_CALLERS];
	char *page = first;

	os_callers(callers);
	for (; nr; nr--, page += RPCBUF_PAGE_SIZE)
		debug_out(mm, page, callers);
}

void page_prepare(rpcbuf_gfp_t gfp, void *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 0; gfp & RPCBUF_GFP_ZERO && i < nr; i++)
		memset(pages[i], 0, RPCBUF_PAGE_SIZE);
}

/*
 * Compare-and-swap, because two holders may get here with two references left
 * between them: one takes the first, the other is last.
 */
bool page_drop_index(struct rpcbuf *mm, uint64_t index)
{
	struct os_u16 *refs = &mm->refs[index];
	uint16_t count = os_load_acquire(refs);

	do {
		if (rpcbuf_unlikely(!count)) {
			page_refuse(mm, arena_page(&mm->arena, index),
				    PAGE_FREED_TWICE);
			return false;
		}
		/* Release: pairs with the acquire of the last holder. */
	} while (!os_cas_acq_rel(refs, &count, (uint16_t)(count - 1)));
	if (count != 1)
		return false;
	if (RPCBUF_DEBUG)
		poison_free(mm, index);
	return true;
}

int rpcbuf_page_get(struct rpcbuf *mm, void *page)
{
	uint64_t index = arena_index(&mm->arena, page);
	struct os_u16 *refs;
	uint16_t count;

	if (fork_is_child(mm))
		return -EPERM;
	if (index >= mm->arena.nr_pages) {
		page_refuse(mm, page, PAGE_FOREIGN);
		page_log(mm);
		return -EINVAL;
	}
	refs = &mm->refs[index];
	count = os_load(refs);
	do {
		if (rpcbuf_unlikely(!count)) {
			page_refuse(mm, page, PAGE_GOT_FREE);
			page_log(mm);
			return -EINVAL;
		}
		if (count == UINT16_MAX)
			return -EOVERFLOW;
	} while (!os_cas_acq_rel(refs, &count, (uint16_t)(count + 1)));
	return 0;
}

bool rpcbuf_owns(const struct rpcbuf *mm, const void *address)
{
	return ((uintptr_t)address - mm->arena.base) >> RPCBUF_PAGE_SHIFT <
	       mm->arena.nr_pages;
}
