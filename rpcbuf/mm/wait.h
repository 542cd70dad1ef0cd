/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* What releases and waiter.c need of wait.c, and mempools of waiter.c. */
#ifndef RPCBUF_MM_WAIT_H
#define RPCBUF_MM_WAIT_H

#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/atomic.h>

/*
 * True while a waiter is queued.  To be asked while a cache is held, before pages
 * are put in it; and after pages were put in the zone.
 */
static inline bool wait_pending(const struct rpcbuf *mm)
{
	return os_load(&mm->waiting) != 0;
}

/* W1 of wait.c, with `joining` held.  True when the queue was empty: W2 is due,
 * before `joining` is released. */
bool wait_append(struct rpcbuf *mm, struct rpcbuf_waiter *waiter);

/* Wakes the head of the queue, after pages were put in the zone. */
void wait_wake(struct rpcbuf *mm);

/* The same for callers that must not wait: the holder of the queue's lock does
 * it, if there is one. */
void wait_wake_nolock(struct rpcbuf *mm);

/*
 * Joins the queue as a waiter that may use the reserve of @pool instead.  Of
 * those with the same pool, the one that joined first may use it, whatever its
 * place in the queue.
 */
void wait_join_pool(struct rpcbuf *mm, struct rpcbuf_waiter *waiter,
		    const void *pool);
bool wait_is_first_of_pool(const struct rpcbuf_waiter *waiter);

/* Wakes that one, after pages were put in the reserve. */
void wait_wake_pool(struct rpcbuf *mm, const void *pool);

#endif /* RPCBUF_MM_WAIT_H */
