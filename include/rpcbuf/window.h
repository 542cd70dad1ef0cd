/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/window.h - one pointer to pages that are scattered.
 *
 * A window maps the pages of a vector a second time, side by side in the order
 * of the vector, for callers that must have all bytes in one place: a
 * compressor, a parser that was written for files.  What is written through
 * one mapping is seen through the other; to a compiler they are different
 * bytes, so let a function call lie between a write here and a read there.
 *
 * Nothing is copied, yet it is not cheap: each stretch of adjacent pages costs
 * a system call, some microseconds, and each page that is touched its share of
 * a page fault, 0.1 us and more, about what copying it costs while source and
 * copy fit in the processor's caches.  One pass over all bytes is therefore
 * cheaper by a copy, at every size that was measured, up to 64 MiB.  A window
 * pays where it is kept and used where a copy would have to be made anew each
 * time: from about the 13th use on for 128 KiB, the 8th for 1 MiB, the 5th for
 * 16 MiB and more.  Other reasons for one: few of many pages are looked at,
 * bytes are written as well (a copy would have to go back), or there is no room
 * for a copy.  `rpcbuf-bench alloc --cases=window` shows what holds on a
 * machine.
 *
 * Pages that are adjacent already need no second mapping: their window is where
 * they lie, and costs nothing.
 *
 * Threads: any; a window is used by one at a time.
 */
#ifndef RPCBUF_WINDOW_H
#define RPCBUF_WINDOW_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_window {
	void *address; /* of the first byte of the first page */
	size_t length; /* bytes: whole pages */
	bool mapped;   /* false: the pages lay side by side as they were */
	uint32_t process; /* private: a child of the one that mapped it has no
			   * such window */
};

/* Most pages of a window. */
#define RPCBUF_WINDOW_MAX 65536u

/*
 * rpcbuf_window_map - make a window of @nr pages.
 *
 * @pages: none NULL; a page may be in there more than once.  They belong to the
 * caller, which keeps them until the window is unmapped: the next owner of a
 * page that was released too early shares it with the window.
 *
 * Returns 0 with *window filled in; -EINVAL when @nr is 0 or above
 * RPCBUF_WINDOW_MAX, or one of @pages is no page of the instance; -ENOTSUP
 * when they are not adjacent and the instance was made without the option
 * `windows`; -ENOMEM when the process has no addresses or mappings left
 * (vm.max_map_count); -EPERM in a child of the process that made the instance.
 * *window is untouched on failure.  Does not sleep.
 *
 * A child of the process has no window that was mapped before the fork: its
 * addresses fault there, unless the pages were adjacent.
 */
int rpcbuf_window_map(struct rpcbuf *mm, struct rpcbuf_window *window,
		      unsigned int nr, void *const *pages);

/* Ends a window, whose pages stay the caller's. */
void rpcbuf_window_unmap(struct rpcbuf_window *window);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_WINDOW_H */
