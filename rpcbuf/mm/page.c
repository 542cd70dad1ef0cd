/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>

#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/poison.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

void page_refuse(struct rpcbuf *mm, const void *page)
{
	probe_page_refuse(mm, page);
	if (RPCBUF_DEBUG)
		os_panic(
			"%p is not a page of this instance, which has %p to %p",
			page, (void *)mm->arena.base,
			arena_page(&mm->arena, mm->arena.nr_pages));
	os_fetch_add(&mm->refused, 1);
}

void page_debug_out(struct rpcbuf *mm, void *const *pages, unsigned int nr)
{
	void *callers[OS_CALLERS];
	unsigned int i;

	os_callers(callers);
	for (i = 0; i < nr; i++) {
		uint64_t index = arena_index(&mm->arena, pages[i]);

		rpcbuf_assert(index < mm->arena.nr_pages);
		rpcbuf_assert(os_load(&mm->extra[index]) == 0);
		if (__atomic_exchange_n(&mm->state[index], PAGE_OUT,
					__ATOMIC_ACQ_REL) != PAGE_FREE)
			os_panic("page %p was handed out twice: %s", pages[i],
				 poison_owner(mm, index));
		poison_out(mm, index, callers);
	}
}

void page_debug_free(struct rpcbuf *mm, uint64_t index)
{
	if (__atomic_exchange_n(&mm->state[index], PAGE_FREE,
				__ATOMIC_ACQ_REL) != PAGE_OUT)
		os_panic("page %p is released by thread %d but is free "
			 "already: %s",
			 arena_page(&mm->arena, index), os_thread_id(),
			 poison_owner(mm, index));
	poison_free(mm, index);
}

/*
 * Several holders.  Compare-and-swap, because two of them may get here with
 * one extra reference left between them: one takes it, the other is last.
 */
bool page_drop_shared(struct rpcbuf *mm, uint64_t index)
{
	uint16_t *extra = &mm->extra[index];
	uint16_t count = os_load_acquire(extra);

	while (count) {
		/* Release: pairs with the acquire of the last holder. */
		if (os_cas_acq_rel(extra, &count, (uint16_t)(count - 1)))
			return false;
	}
	page_mark_free(mm, index);
	return true;
}

bool page_drop_adjacent(struct rpcbuf *mm, void *first, uint64_t nr)
{
	uint64_t index = arena_index(&mm->arena, first), i;

	if (!page_drop(mm, first))
		return false;
	for (i = 1; i < nr; i++)
		page_mark_free(mm, index + i);
	for (i = 1; guard_on(mm) && i < nr; i++)
		guard_free(mm, index + i);
	return true;
}

int rpcbuf_page_get(struct rpcbuf *mm, void *page)
{
	uint64_t index = arena_index(&mm->arena, page);
	uint16_t *extra, count;

	if (index >= mm->arena.nr_pages) {
		page_refuse(mm, page);
		return -EINVAL;
	}
	if (RPCBUF_DEBUG && os_load(&mm->state[index]) != PAGE_OUT)
		os_panic("a reference is taken on page %p, which is free",
			 page);

	extra = &mm->extra[index];
	count = os_load(extra);
	do {
		if (count == UINT16_MAX - 1)
			return -EOVERFLOW;
	} while (!os_cas_acq_rel(extra, &count, (uint16_t)(count + 1)));
	return 0;
}

bool rpcbuf_owns(const struct rpcbuf *mm, const void *address)
{
	return ((uintptr_t)address - mm->arena.base) >> RPCBUF_PAGE_SHIFT <
	       mm->arena.nr_pages;
}
