/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/mm/arena.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>

/*
 * The beginning of an arena stays in small pages: the zone uses low addresses
 * first, and as long as a program needs no more than this, a hugepage that is
 * touched in one place would cost more memory than it saves time.
 */
#define SMALL_PAGES ((size_t)16 << 20)

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
	else if (length > SMALL_PAGES)
		os_advise_huge((char *)base + SMALL_PAGES, length - SMALL_PAGES,
			       true);

	arena->base = (uintptr_t)base;
	arena->nr_pages = nr_pages;
	return 0;
}

int arena_map_shared(struct arena *arena, uint64_t nr_pages, int *fd)
{
	void *base;
	int err;

	err = os_map_shared(&base, (size_t)nr_pages << RPCBUF_PAGE_SHIFT,
			    OS_HUGE_SIZE, fd);
	if (err)
		return err;
	arena->base = (uintptr_t)base;
	arena->nr_pages = nr_pages;
	return 0;
}

void arena_unmap(struct arena *arena)
{
	os_unmap((void *)arena->base,
		 (size_t)arena->nr_pages << RPCBUF_PAGE_SHIFT);
}
