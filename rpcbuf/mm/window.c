/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Windows: the memory of an arena mapped once more.  Owns nothing but the
 * addresses of its mappings; no locks but the kernel's.
 */
#include <errno.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/window.h>

/* How many pages at the front of an array are adjacent. */
static unsigned int stretch(void *const *pages, unsigned int nr)
{
	unsigned int i;

	for (i = 1; i < nr; i++)
		if (!rpcbuf_adjacent(pages[i - 1], pages[i]))
			break;
	return i;
}

static int map_stretches(struct rpcbuf *mm, char *at, unsigned int nr,
			 void *const *pages)
{
	unsigned int n;
	int err = 0;

	for (; nr && !err; nr -= n, pages += n, at += n * RPCBUF_PAGE_SIZE) {
		n = stretch(pages, nr);
		err = os_map_at(at, n * RPCBUF_PAGE_SIZE, mm->window_fd,
				(uintptr_t)pages[0] - mm->arena.base);
	}
	return err;
}

static bool are_pages(const struct rpcbuf *mm, unsigned int nr,
		      void *const *pages)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (arena_index(&mm->arena, pages[i]) >= mm->arena.nr_pages)
			return false;
	return true;
}

int rpcbuf_window_map(struct rpcbuf *mm, struct rpcbuf_window *window,
		      unsigned int nr, void *const *pages)
{
	size_t length = nr * RPCBUF_PAGE_SIZE;
	void *address;
	int err;

	if (fork_is_child(mm))
		return -EPERM;
	if (!nr || nr > RPCBUF_WINDOW_MAX || !are_pages(mm, nr, pages))
		return -EINVAL;
	if (stretch(pages, nr) == nr) {
		*window = (struct rpcbuf_window){pages[0], length, false, 0};
		return 0;
	}
	if (mm->window_fd < 0)
		return -ENOTSUP;
	err = os_reserve(&address, length);
	if (err)
		return err;
	err = map_stretches(mm, address, nr, pages);
	if (!err)
		err = os_keep_from_children(address, length);
	if (err) {
		os_unmap(address, length);
		return err;
	}
	stats_add(mm, STAT_windows, 1);
	*window = (struct rpcbuf_window){address, length, true,
					 fork_generation()};
	return 0;
}

void rpcbuf_window_unmap(struct rpcbuf_window *window)
{
	/* A child has something else there, or nothing. */
	if (window->mapped && window->process == fork_generation())
		os_unmap(window->address, window->length);
	*window = (struct rpcbuf_window){NULL, 0, false, 0};
}
