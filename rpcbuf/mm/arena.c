/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/arena.h>
#include <rpcbuf/os/os.h>

/* Below this, one hugepage more or less is a large share of the budget. */
#define HUGE_MIN ((size_t)16 << 20)

int arena_map(struct arena *arena, uint64_t nr_pages, bool hugepages)
{
	size_t length = (size_t)nr_pages << RPCBUF_PAGE_SHIFT;
	void *base;
	int err;

	err = os_map(&base, length, OS_HUGE_SIZE);
	if (err)
		return err;
	if (!hugepages)
		os_advise_huge(base, length, false);
	else if (length >= HUGE_MIN)
		os_advise_huge(base, length, true);

	arena->base = (uintptr_t)base;
	arena->nr_pages = nr_pages;
	return 0;
}

void arena_unmap(struct arena *arena)
{
	os_unmap((void *)arena->base,
		 (size_t)arena->nr_pages << RPCBUF_PAGE_SHIFT);
}
