/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The atomic operations that rpcbuf uses, under the names of their ordering.
 *
 * Plain objects, no _Atomic types: most fields are also read and written
 * under a lock, where the compiler may do as it likes.
 */
#ifndef RPCBUF_OS_ATOMIC_H
#define RPCBUF_OS_ATOMIC_H

#define os_load(p)	       __atomic_load_n((p), __ATOMIC_RELAXED)
#define os_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define os_store(p, v)	       __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define os_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

/* The value before the operation. */
#define os_fetch_add(p, v)     __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define os_exchange_acquire(p, v) \
	__atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define os_exchange_release(p, v) \
	__atomic_exchange_n((p), (v), __ATOMIC_RELEASE)

/* True when *p was *old and is v now; else *old is what *p was. */
#define os_cas_acquire(p, old, v)                                         \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_ACQUIRE, \
				    __ATOMIC_RELAXED)
#define os_cas_acq_rel(p, old, v)                                         \
	__atomic_compare_exchange_n((p), (old), (v), 0, __ATOMIC_ACQ_REL, \
				    __ATOMIC_ACQUIRE)

static inline void os_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif /* RPCBUF_OS_ATOMIC_H */
