/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Forks.  An instance goes on in the process that made it.  The child has a
 * copy in which locks may be held by threads that do not exist there: it gets
 * no pages from it, what it releases is ignored, and it is told so once.
 *
 * The mark is set in the child before fork() returns there, by way of a list of
 * all instances; with no caches left, every call comes to a slow path, and
 * these ask for it before they take a lock.  What has pages of its own to give
 * (a reserve, a page pool), waits, or maps memory asks at its entry.
 *
 * Memory that is shared for the sake of windows becomes the child's own there,
 * page by page as it writes; windows stay with the parent (MADV_DONTFORK).
 */
#ifndef RPCBUF_MM_FORK_H
#define RPCBUF_MM_FORK_H

#include <rpcbuf/mm/instance.h>

/* From rpcbuf_create() to rpcbuf_destroy().  0 or -ENOMEM. */
int fork_watch(struct rpcbuf *mm);
void fork_unwatch(struct rpcbuf *mm);

void fork_complain(struct rpcbuf *mm) __attribute__((cold, noinline));

/* Counts forks from now on: 0 or -ENOMEM. */
int fork_count(void);

/* How many led to this process since then, or since the first instance was made:
 * what has another number is a parent's. */
uint32_t fork_generation(void);

/* True in a child of the instance's process. */
static inline bool fork_is_child(struct rpcbuf *mm)
{
	if (rpcbuf_likely(!os_load(&mm->forked)))
		return false;
	fork_complain(mm);
	return true;
}

#endif /* RPCBUF_MM_FORK_H */
