/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>

#include <rpcbuf/mm/fork.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/memfd.h>
#include <rpcbuf/os/os.h>

/* All instances of the process.  The lock is held across a fork, so that the
 * child finds the list whole. */
struct instances {
	bool registered;
	struct rpcbuf *first;
};

static OS_GUARDED(struct instances) all;
static struct os_u32 generation;

static void before_fork(void)
{
	os_guard(&all);
}

static void after_fork(void)
{
	os_unguard(&all);
}

static void mark_children(void)
{
	struct rpcbuf *mm;

	for (mm = os_guarded(&all)->first; mm; mm = mm->next) {
		os_store(&mm->forked, FORK_CHILD);
		os_store(&mm->nr_pcps, 0);
		os_store(&mm->nr_pcps_rseq, 0);
		if (mm->window_fd >= 0)
			os_make_private((void *)mm->arena.base,
					(size_t)mm->arena.nr_pages
						<< RPCBUF_PAGE_SHIFT,
					mm->window_fd);
	}
	os_fetch_add(&generation, 1);
	os_unguard(&all);
}

uint32_t fork_generation(void)
{
	return os_load(&generation);
}

static int be_told(struct instances *instances)
{
	int err = 0;

	if (!instances->registered)
		err = os_at_fork(before_fork, after_fork, mark_children);
	instances->registered = !err;
	return err;
}

int fork_count(void)
{
	int err = be_told(os_guard(&all));

	os_unguard(&all);
	return err;
}

int fork_watch(struct rpcbuf *mm)
{
	struct instances *instances = os_guard(&all);
	int err = be_told(instances);

	if (!err) {
		mm->next = instances->first;
		instances->first = mm;
	}
	os_unguard(&all);
	return err;
}

void fork_unwatch(struct rpcbuf *mm)
{
	struct rpcbuf **link = &os_guard(&all)->first;

	for (; *link != mm; link = &(*link)->next)
		;
	*link = mm->next;
	os_unguard(&all);
}

void fork_complain(struct rpcbuf *mm)
{
	if (os_load(&mm->forked) == FORK_LOGGED)
		return;
	os_store(&mm->forked, FORK_LOGGED);
	fputs("rpcbuf: this process is a fork of the instance's process and "
	      "gets no pages from it: create an instance after fork()\n",
	      stderr);
}
