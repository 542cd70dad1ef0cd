/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Waiting for pages: a first-in-first-out queue of entries that the waiters
 * bring along, and the flag `waiting` that tells releases about it.  What a
 * waiter does besides, W2 to W4, is in waiter.c.
 *
 * Why no release goes unnoticed, though a release pays no barrier for it.
 *
 * Waiter:	W1 waiting = 1
 *		W2 freeze each cache, move its pages to the zone, open it
 *		W3 read the count `woken`
 *		W4 try the zone (under its lock); nothing: sleep unless
 *		   `woken` has changed since W3
 *
 * Release into a cache:	C1 take the CPU's lock
 *				C2 read waiting; 0: push the pages
 *				C3 release the lock
 *   C1 before the freeze (W2): the freezer waits for C3 and moves the pages.
 *   C1 after the freeze: C2 reads 1 and the release goes to the zone.  With
 *   rseq locks the membarrier in W2 is the partner of the barrier that is
 *   missing between C1 and C2; with atomic locks C1 acquires what the freezer
 *   released at the end of W2.
 *
 * Release into the zone:	Z1 put the pages, under the zone's lock
 *				Z2 read waiting; 1: increment the head's
 *				   `woken` under the queue's lock, futex wake
 *   Z1 before W4: W4 finds the pages.  Z1 after W4: the zone's lock orders W1
 *   before Z2, which reads 1; the increment comes after W3, so the
 *   waiter does not sleep, or is woken.
 *
 * Release without waiting, of a page whose zone is locked: N1 push it on the
 * zone's list, full barrier, N2 read waiting; 1: wake as Z2 does, or leave it
 * to the holder of the queue's lock.  The sleeper's flush comes after W1 and W3
 * and a full barrier, so it finds the page, or N2 reads 1.
 *
 * A refill that moves pages from the zone to a cache is a release into a cache
 * for what it keeps (pcp_refill.c), so pages in the hands of a filler come to light
 * as well.  A request that gives up returns its pages by one of the two.
 *
 * A waiter that is not the head sleeps until it is, or until the reserve of its
 * pool has enough for it: it is then the first in the queue with that pool.
 * Leaving the queue wakes the next head, and the next with the same pool, so
 * the order of the queue holds, and every wake reaches a waiter that either
 * tries or leaves.
 *
 * Locks: `joining` makes a second waiter's rpcbuf_wait_join() return only when
 * the first's W2 is done; that of the list is held over the system
 * calls of a wake, since a waiter's eventfd may be gone once it left.
 */
#include <rpcbuf/mm/fork.h>
#include <rpcbuf/mm/stats.h>
#include <rpcbuf/mm/wait.h>
#include <rpcbuf/os/os.h>
#include <rpcbuf/os/probes.h>

/* Under the queue's lock. */
static void wake_one(const struct rpcbuf *mm, struct rpcbuf_waiter *waiter)
{
	probe_wake(mm, waiter);
	os_fetch_add_seq(&waiter->woken, 1);
	/* Partner: rpcbuf_wait_sleep() stores `sleeping`, then the kernel
	 * reads `woken`. */
	if (os_load_seq(&waiter->sleeping))
		os_futex_wake(os_word(&waiter->woken), 1);
	if (waiter->eventfd != -1)
		os_eventfd_signal(waiter->eventfd);
}

/*
 * The holder performs the wakes of threads that found the lock taken
 * (wait_wake_nolock()).  Partner of the fence: such a thread stores `missed`,
 * then tries the lock.
 */
static void unlock(struct rpcbuf *mm)
{
	struct wait_queue *queue = &mm->wait;
	struct wait_list *list = os_guarded(&queue->list);

	do {
		if (os_load(&queue->missed)) {
			os_store(&queue->missed, 0);
			if (list->first)
				wake_one(mm, list->first);
		}
		os_unguard(&queue->list);
		os_fence();
	} while (os_load(&queue->missed) && os_guard_try(&queue->list));
}

void wait_wake_nolock(struct rpcbuf *mm)
{
	os_store_seq(&mm->wait.missed, 1);
	os_fence();
	if (os_guard_try(&mm->wait.list))
		unlock(mm);
}

void wait_wake(struct rpcbuf *mm)
{
	struct rpcbuf_waiter *first;

	first = os_guard(&mm->wait.list)->first;
	if (first) {
		wake_one(mm, first);
		stats_add(mm, STAT_wakes, 1);
	}
	unlock(mm);
}

/* Under the queue's lock. */
static struct rpcbuf_waiter *first_of_pool(const struct rpcbuf *mm,
					   const void *pool)
{
	struct rpcbuf_waiter *waiter = os_guarded(&mm->wait.list)->first;

	while (waiter && waiter->pool != pool)
		waiter = os_own(&waiter->next);
	return waiter;
}

void wait_wake_pool(struct rpcbuf *mm, const void *pool)
{
	struct rpcbuf_waiter *waiter;

	os_guard(&mm->wait.list);
	waiter = first_of_pool(mm, pool);
	if (waiter) {
		wake_one(mm, waiter);
		stats_add(mm, STAT_wakes, 1);
	}
	unlock(mm);
}

void rpcbuf_wait_wake_all(struct rpcbuf *mm)
{
	struct rpcbuf_waiter *waiter;

	if (fork_is_child(mm))
		return;
	for (waiter = os_guard(&mm->wait.list)->first; waiter;
	     waiter = os_own(&waiter->next))
		wake_one(mm, waiter);
	unlock(mm);
}

bool wait_append(struct rpcbuf *mm, struct rpcbuf_waiter *waiter)
{
	struct wait_list *list = os_guard(&mm->wait.list);
	bool empty = list->first == NULL;

	waiter->mm = mm;
	os_store(&waiter->next, NULL);
	os_store(&waiter->prev, list->last);
	if (empty)
		list->first = waiter;
	else
		os_store(&list->last->next, waiter);
	list->last = waiter;
	if (empty)
		os_store(&mm->waiting, 1);
	unlock(mm);
	return empty;
}

/* The next head tries for pages, the next with the same pool for its reserve. */
static void wake_next(struct rpcbuf *mm, bool was_head, const void *pool)
{
	struct rpcbuf_waiter *next = pool ? first_of_pool(mm, pool) : NULL;
	struct rpcbuf_waiter *head = os_guarded(&mm->wait.list)->first;

	if (was_head)
		wake_one(mm, head);
	if (next && !(was_head && next == head))
		wake_one(mm, next);
}

void rpcbuf_wait_leave(struct rpcbuf_waiter *waiter)
{
	struct rpcbuf *mm = waiter->mm;
	const void *pool = waiter->pool;
	struct rpcbuf_waiter *next, *prev;
	struct wait_list *list;
	bool was_head;

	if (!mm) {
		waiter->pool = NULL;
		return;
	}
	if (fork_is_child(mm)) {
		os_store(&waiter->prev, NULL);
		os_store(&waiter->next, NULL);
		waiter->mm = NULL;
		waiter->pool = NULL;
		return;
	}
	list = os_guard(&mm->wait.list);
	was_head = list->first == waiter;
	next = os_own(&waiter->next);
	prev = os_own(&waiter->prev);
	if (next)
		os_store(&next->prev, prev);
	else
		list->last = prev;
	if (prev)
		os_store(&prev->next, next);
	else
		list->first = next;
	os_store(&waiter->prev, NULL);
	os_store(&waiter->next, NULL);
	waiter->mm = NULL;
	waiter->pool = NULL;
	probe_wait_end(mm, waiter);

	if (!list->first)
		os_store(&mm->waiting, 0);
	else
		wake_next(mm, was_head, pool);
	unlock(mm);
}

bool rpcbuf_wait_is_head(const struct rpcbuf_waiter *waiter)
{
	struct rpcbuf *mm = waiter->mm;
	bool head;

	if (!mm || fork_is_child(mm))
		return false;
	head = os_guard(&mm->wait.list)->first == waiter;
	unlock(mm);
	return head;
}

bool wait_is_first_of_pool(const struct rpcbuf_waiter *waiter)
{
	struct rpcbuf *mm = waiter->mm;
	bool first;

	if (!mm)
		return false;
	os_guard(&mm->wait.list);
	first = first_of_pool(mm, waiter->pool) == waiter;
	unlock(mm);
	return first;
}

uint32_t rpcbuf_wait_count(const struct rpcbuf_waiter *waiter)
{
	/* Acquire: the try that follows must not move before it. */
	return os_load_acquire(&waiter->woken);
}

bool rpcbuf_wait_pending(const struct rpcbuf *mm)
{
	return wait_pending(mm);
}
