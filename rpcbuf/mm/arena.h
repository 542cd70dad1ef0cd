/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An arena: the one mapping that the pages of an instance lie in.
 *
 * It owns address space, nothing else: which page is free is the zone's
 * business.  The first write to a page commits its memory; the allocator itself
 * never reads or writes one.
 */
#ifndef RPCBUF_MM_ARENA_H
#define RPCBUF_MM_ARENA_H

#include <rpcbuf/mm.h>
#include <rpcbuf/os/bits.h>

_Static_assert(RPCBUF_PAGE_SIZE == OS_PAGE_SIZE, "one size of page");

struct arena {
	uintptr_t base;	   /* aligned to 2 MiB */
	uint64_t nr_pages; /* the budget; the mapping ends with the last */
};

/* Reserves @nr_pages pages.  0 or -ENOMEM. */
int arena_map(struct arena *arena, uint64_t nr_pages, bool hugepages);
/* The same with memory that can be mapped again, from *@fd: window.c. */
int arena_map_shared(struct arena *arena, uint64_t nr_pages, int *fd);
void arena_unmap(struct arena *arena);

/*
 * The index of a page; out of range, hence refused by one compare with
 * nr_pages, for whatever is not the address of a page of this arena: bits
 * below the page size are rotated to the top.
 */
static inline uint64_t arena_index(const struct arena *arena, const void *page)
{
	uint64_t offset = (uintptr_t)page - arena->base;

	return offset >> RPCBUF_PAGE_SHIFT | offset << (64 - RPCBUF_PAGE_SHIFT);
}

static inline void *arena_page(const struct arena *arena, uint64_t index)
{
	return (void *)(arena->base + (index << RPCBUF_PAGE_SHIFT));
}

#endif /* RPCBUF_MM_ARENA_H */
