/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The contended side of the futex mutex.  Holds are short (64 pages at most),
 * so a waiter first spins for about as long as one takes.
 */
#include <rpcbuf/os/lock.h>
#include <rpcbuf/os/os.h>

#define LOCK_SPINS 100

void os_lock_slow(struct os_lock *lock)
{
	int spin;

	for (spin = 0; spin < LOCK_SPINS; spin++) {
		os_relax();
		if (os_load(&lock->word) == 0 && os_lock_try(lock))
			return;
	}
	/* Taken as 2: others may sleep, and this thread cannot know. */
	while (os_exchange_acquire(&lock->word, 2) != 0)
		os_futex_wait(os_word(&lock->word), 2, OS_FOREVER);
}

void os_unlock_slow(struct os_lock *lock)
{
	os_futex_wake(os_word(&lock->word), 1);
}
