/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mutex in one futex word.  Zeroed memory is an unlocked lock, so locks in
 * lazily committed bookkeeping need no set-up.  Unlike a pthread mutex its
 * os_lock_try() may be called by a signal handler.
 */
#ifndef RPCBUF_OS_LOCK_H
#define RPCBUF_OS_LOCK_H

#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/bits.h>

/* 0: free, 1: held, 2: held and somebody may sleep on it. */
struct os_lock {
	uint32_t word;
};

void os_lock_slow(struct os_lock *lock);
void os_unlock_slow(struct os_lock *lock);

static inline bool os_lock_try(struct os_lock *lock)
{
	uint32_t free = 0;

	return os_cas_acquire(&lock->word, &free, 1);
}

static inline void os_lock(struct os_lock *lock)
{
	if (rpcbuf_unlikely(!os_lock_try(lock)))
		os_lock_slow(lock);
}

static inline void os_unlock(struct os_lock *lock)
{
	if (rpcbuf_unlikely(os_exchange_release(&lock->word, 0) == 2))
		os_unlock_slow(lock);
}

#endif /* RPCBUF_OS_LOCK_H */
