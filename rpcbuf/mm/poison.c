/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include <rpcbuf/mm/page.h>
#include <rpcbuf/mm/poison.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>

#ifdef POISON_ASAN
#include <sanitizer/asan_interface.h>
#endif

static size_t footprint(const struct rpcbuf *mm)
{
	size_t length = (size_t)mm->arena.nr_pages * sizeof(struct page_owner);

	return (length + RPCBUF_PAGE_SIZE - 1) & RPCBUF_PAGE_MASK;
}

int poison_create(struct rpcbuf *mm)
{
	void *owners, *callers[OS_CALLERS];
	int err;

	if (!RPCBUF_DEBUG)
		return 0;
	os_callers(callers); /* the first of the process */
	err = os_map(&owners, footprint(mm), RPCBUF_PAGE_SIZE);
	if (!err)
		mm->owners = owners;
	return err;
}

void poison_destroy(struct rpcbuf *mm)
{
	if (!mm->owners)
		return;
#ifdef POISON_ASAN
	/* Another mapping will have these addresses. */
	__asan_unpoison_memory_region((void *)mm->arena.base,
				      (size_t)mm->arena.nr_pages
					      << RPCBUF_PAGE_SHIFT);
#endif
	os_unmap(mm->owners, footprint(mm));
}

#if defined(POISON_ASAN)

void poison_lift(void *page)
{
	__asan_unpoison_memory_region(page, RPCBUF_PAGE_SIZE);
}

static void set(void *page)
{
	__asan_poison_memory_region(page, RPCBUF_PAGE_SIZE);
}

static void check_poison(const struct rpcbuf *mm, uint64_t index, void *page)
{
	(void)mm;
	(void)index;
	poison_lift(page);
}

#elif defined(__SANITIZE_THREAD__)

void poison_lift(void *page)
{
	(void)page;
}

static void set(void *page)
{
	(void)page;
}

static void check_poison(const struct rpcbuf *mm, uint64_t index, void *page)
{
	(void)mm;
	(void)index;
	(void)page;
}

#else

void poison_lift(void *page)
{
	(void)page;
}

static bool is_all(const unsigned char *bytes, unsigned char value)
{
	size_t i;

	for (i = 0; i < POISON_BYTES; i++)
		if (bytes[i] != value)
			return false;
	return true;
}

/* Only pages that hold something: writing to others would commit memory. */
static void set_end(unsigned char *bytes)
{
	if (!is_all(bytes, 0))
		memset(bytes, POISON_BYTE, POISON_BYTES);
}

static void set(void *page)
{
	if (!os_is_committed(page))
		return;
	set_end(page);
	set_end((unsigned char *)page + RPCBUF_PAGE_SIZE - POISON_BYTES);
}

/* Zeroes are what was never written to, or was given back to the system. */
static void check_end(const struct rpcbuf *mm, uint64_t index,
		      const unsigned char *bytes)
{
	if (!is_all(bytes, POISON_BYTE) && !is_all(bytes, 0))
		os_panic("page %p was written to while it was free, near %p: "
			 "%s",
			 arena_page(&mm->arena, index), (const void *)bytes,
			 poison_owner(mm, index));
}

static void check_poison(const struct rpcbuf *mm, uint64_t index, void *page)
{
	if (!os_is_committed(page))
		return;
	check_end(mm, index, page);
	check_end(mm, index,
		  (unsigned char *)page + RPCBUF_PAGE_SIZE - POISON_BYTES);
}

#endif

void poison_out(struct rpcbuf *mm, uint64_t index, void *const *callers)
{
	struct page_owner *owner = &mm->owners[index];

	check_poison(mm, index, arena_page(&mm->arena, index));
	memcpy(owner->callers, callers, sizeof(owner->callers));
	owner->allocated_by = os_thread_id();
}

/* Runs before the page is in the zone or a cache. */
void poison_free(struct rpcbuf *mm, uint64_t index)
{
	mm->owners[index].released_by = os_thread_id();
	set(arena_page(&mm->arena, index));
}

const char *poison_owner(const struct rpcbuf *mm, uint64_t index)
{
	static __thread char text[200];
	const struct page_owner *owner = &mm->owners[index];

	if (!owner->allocated_by)
		return "it was never handed out";
	snprintf(text, sizeof(text),
		 "thread %d allocated it last, from %p %p %p %p; thread %d "
		 "released it last",
		 owner->allocated_by, owner->callers[0], owner->callers[1],
		 owner->callers[2], owner->callers[3], owner->released_by);
	return text;
}
