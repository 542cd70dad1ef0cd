/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>

/* All instances of the process.  The lock is held across a fork, so that the
 * child finds the list whole. */
static struct {
	struct os_lock lock;
	bool registered;
	uint32_t generation;
	struct rpcbuf *first;
} all;

static void before_fork(void)
{
	os_lock(&all.lock);
}

static void after_fork(void)
{
	os_unlock(&all.lock);
}

static void mark_children(void)
{
	struct rpcbuf *mm;

	for (mm = all.first; mm; mm = mm->next) {
		mm->forked = FORK_CHILD;
		mm->nr_pcps = 0;
		mm->nr_pcps_rseq = 0;
		if (mm->window_fd >= 0)
			os_make_private((void *)mm->arena.base,
					(size_t)mm->arena.nr_pages
						<< RPCBUF_PAGE_SHIFT,
					mm->window_fd);
	}
	os_store(&all.generation, all.generation + 1);
	all.lock.word = 0;
}

uint32_t fork_generation(void)
{
	return os_load(&all.generation);
}

int fork_watch(struct rpcbuf *mm)
{
	int err = 0;

	os_lock(&all.lock);
	if (!all.registered)
		err = os_at_fork(before_fork, after_fork, mark_children);
	if (!err) {
		all.registered = true;
		mm->next = all.first;
		all.first = mm;
	}
	os_unlock(&all.lock);
	return err;
}

void fork_unwatch(struct rpcbuf *mm)
{
	struct rpcbuf **link;

	os_lock(&all.lock);
	for (link = &all.first; *link != mm; link = &(*link)->next)
		;
	*link = mm->next;
	os_unlock(&all.lock);
}

void fork_complain(struct rpcbuf *mm)
{
	if (os_load(&mm->forked) == FORK_TOLD)
		return;
	os_store(&mm->forked, FORK_TOLD);
	fputs("rpcbuf: this process is a fork of the one that made the "
	      "instance, and gets no pages from it: create one after fork()\n",
	      stderr);
}
