/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Fields that several threads use at a time, and the operations on them, under
 * the names of their ordering.
 *
 * Such a field is declared as one of the structs below.  Only the operations
 * open it: an expression that uses the field as a number or a pointer does not
 * compile, nor does an operation on a field that was declared as anything
 * else.  tests/check-fields tries both for every field.
 *
 * A field that only one thread at a time may write, the holder of its lock or
 * its owner, is read by that one with os_own(), which costs what a plain read
 * does, and by all others with os_load().
 */
#ifndef RPCBUF_OS_ATOMIC_H
#define RPCBUF_OS_ATOMIC_H

#include <stdbool.h>
#include <stdint.h>

struct os_bool {
	bool os_private;
};

struct os_i8 {
	int8_t os_private;
};

struct os_u8 {
	uint8_t os_private;
};

struct os_u16 {
	uint16_t os_private;
};

struct os_u32 {
	uint32_t os_private;
};

struct os_u64 {
	uint64_t os_private;
};

/* A pointer to @type, or to functions of a typedef. */
#define OS_PTR(type)              \
	struct {                  \
		type *os_private; \
	}

/* The object in a field, as the compiler's builtins want it; also for the futex
 * calls of os.h.  (plain.h has another.) */
#define os_word(p)	   (&(p)->os_private)

/* Plain read, by the only thread that may write the field now. */
#define os_own(p)	   ((void)0, *os_word(p))

#define os_load(p)	   __atomic_load_n(os_word(p), __ATOMIC_RELAXED)
#define os_load_acquire(p) __atomic_load_n(os_word(p), __ATOMIC_ACQUIRE)
#define os_load_seq(p)	   __atomic_load_n(os_word(p), __ATOMIC_SEQ_CST)
#define os_store(p, v)	   __atomic_store_n(os_word(p), (v), __ATOMIC_RELAXED)
#define os_store_release(p, v) \
	__atomic_store_n(os_word(p), (v), __ATOMIC_RELEASE)
#define os_store_seq(p, v) __atomic_store_n(os_word(p), (v), __ATOMIC_SEQ_CST)

/* The value before the operation. */
#define os_fetch_add(p, v) __atomic_fetch_add(os_word(p), (v), __ATOMIC_RELAXED)
#define os_fetch_add_release(p, v) \
	__atomic_fetch_add(os_word(p), (v), __ATOMIC_RELEASE)
#define os_fetch_add_acq_rel(p, v) \
	__atomic_fetch_add(os_word(p), (v), __ATOMIC_ACQ_REL)
#define os_fetch_add_seq(p, v) \
	__atomic_fetch_add(os_word(p), (v), __ATOMIC_SEQ_CST)
#define os_exchange_acquire(p, v) \
	__atomic_exchange_n(os_word(p), (v), __ATOMIC_ACQUIRE)
#define os_exchange_release(p, v) \
	__atomic_exchange_n(os_word(p), (v), __ATOMIC_RELEASE)
#define os_exchange_acq_rel(p, v) \
	__atomic_exchange_n(os_word(p), (v), __ATOMIC_ACQ_REL)

/* True when *p was *old and is v now; else *old is what *p was. */
#define os_cas_acquire(p, old, v)                              \
	__atomic_compare_exchange_n(os_word(p), (old), (v), 0, \
				    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)
#define os_cas_acq_rel(p, old, v)                              \
	__atomic_compare_exchange_n(os_word(p), (old), (v), 0, \
				    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)
#define os_cas_seq(p, old, v)                                  \
	__atomic_compare_exchange_n(os_word(p), (old), (v), 0, \
				    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

/* A full barrier between what stands before it and after it. */
static inline void os_fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* What stands before it is read before all that stands after it. */
static inline void os_fence_acquire(void)
{
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
}

static inline void os_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif /* RPCBUF_OS_ATOMIC_H */
