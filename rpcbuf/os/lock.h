/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mutex in one futex word.  Zeroed memory is an unlocked lock, so locks in
 * lazily committed bookkeeping need no set-up.  Unlike a pthread mutex its
 * os_lock_try() may be called by a signal handler.
 *
 * What a lock guards is declared with it, as one object, and is reached through
 * the lock only; as a plain field it does not compile:
 *
 *	struct queue {
 *		struct waiter *first, *last;
 *	};
 *	OS_GUARDED(struct queue) queue;
 *
 *	struct queue *queue = os_guard(&mm->queue);
 *	...
 *	os_unguard(&mm->queue);
 *
 * The pointer is not used after os_unguard().  What is read without the lock as
 * well is not part of such an object, but a field as os/atomic.h has them.
 */
#ifndef RPCBUF_OS_LOCK_H
#define RPCBUF_OS_LOCK_H

#include <rpcbuf/os/assert.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/bits.h>

/* 0: free, 1: held, 2: held and a thread may sleep on it. */
struct os_lock {
	struct os_u32 word;
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

static inline bool os_lock_is_held(const struct os_lock *lock)
{
	return os_load(&lock->word) != 0;
}

#define OS_GUARDED(type)                \
	struct {                        \
		struct os_lock os_lock; \
		type os_private;        \
	}

/* Takes the lock: what it guards. */
#define os_guard(object)                              \
	({                                            \
		__typeof__(object) taken_ = (object); \
		os_lock(&taken_->os_lock);            \
		&taken_->os_private;                  \
	})

/* The same by one try; NULL: it is held. */
#define os_guard_try(object)                                  \
	({                                                    \
		__typeof__(object) tried_ = (object);         \
		__typeof__(&tried_->os_private) data_ = NULL; \
		if (os_lock_try(&tried_->os_lock))            \
			data_ = &tried_->os_private;          \
		data_;                                        \
	})

#define os_unguard(object) os_unlock(&(object)->os_lock)

/* For functions that are called with the lock held, which debug builds check. */
#define os_guarded(object)                                             \
	({                                                             \
		__typeof__(object) held_ = (object);                   \
		rpcbuf_assert_debug(os_lock_is_held(&held_->os_lock)); \
		&held_->os_private;                                    \
	})

/* Without the lock: for what is constant there, or a field of os/atomic.h. */
#define os_unlocked(object) \
	((const __typeof__((object)->os_private) *)&(object)->os_private)

/* For creation and destruction: no other thread knows the object. */
#define os_unshared(object) (&(object)->os_private)

#endif /* RPCBUF_OS_LOCK_H */
