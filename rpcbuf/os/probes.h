/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Probes: places where bpftrace, perf or gdb can look on, by name and with
 * arguments (user-level statically defined tracing, provider "rpcbuf").  All
 * are declared here; names and arguments are a contract with scripts of users,
 * see rpcbuf-probes(7).
 *
 * A probe is a no-operation behind a counter of its observers, its semaphore,
 * which the kernel or the debugger raises: without an observer it costs a
 * comparison and a branch that is never taken.  What an argument costs
 * is to be spent behind probe_NAME_on().
 *
 * Any thread.  Semaphores are defined in probes.c; their names end in
 * _semaphore as <sys/sdt.h> wants it, and are hidden.
 */
#ifndef RPCBUF_OS_PROBES_H
#define RPCBUF_OS_PROBES_H

#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/bits.h>

#ifndef RPCBUF_WITH_PROBES
#if __has_include(<sys/sdt.h>)
#define RPCBUF_WITH_PROBES 1
#else
#define RPCBUF_WITH_PROBES 0
#endif
#endif

#if RPCBUF_WITH_PROBES

#define _SDT_HAS_SEMAPHORES 1
#include <sys/sdt.h>

#ifndef PROBE_SEMAPHORE_IS
#define PROBE_SEMAPHORE_IS(name) extern unsigned short name
#endif

/* The linker's words, not ours to declare.
 * An atomic load where that is checked; elsewhere it would only keep the
 * compiler from comparing in memory. */
#if defined(__SANITIZE_THREAD__)
#define PROBE_LOAD(semaphore) __atomic_load_n(&(semaphore), __ATOMIC_RELAXED)
#else
#define PROBE_LOAD(semaphore) (semaphore)
#endif

#define PROBE_DECLARE(name)                                                    \
	PROBE_SEMAPHORE_IS(rpcbuf_##name##_semaphore)                          \
	__attribute__((section(".probes"), visibility("hidden")));             \
	static inline bool probe_##name##_on(void)                             \
	{                                                                      \
		return rpcbuf_unlikely(PROBE_LOAD(rpcbuf_##name##_semaphore)); \
	}
#define PROBE_FIRE(name, n, ...)                                  \
	do {                                                      \
		if (probe_##name##_on())                          \
			STAP_PROBE##n(rpcbuf, name, __VA_ARGS__); \
	} while (0)

#else

#define PROBE_DECLARE(name)                        \
	static inline bool probe_##name##_on(void) \
	{                                          \
		return false;                      \
	}
#define PROBE_FIRE(name, n, ...) PROBE_IGNORE_##n(__VA_ARGS__)
#define PROBE_IGNORE_2(a, b)	 ((void)(a), (void)(b))
#define PROBE_IGNORE_3(a, ...)	 ((void)(a), PROBE_IGNORE_2(__VA_ARGS__))
#define PROBE_IGNORE_4(a, ...)	 ((void)(a), PROBE_IGNORE_3(__VA_ARGS__))
#define PROBE_IGNORE_5(a, ...)	 ((void)(a), PROBE_IGNORE_4(__VA_ARGS__))
#define PROBE_IGNORE_6(a, ...)	 ((void)(a), PROBE_IGNORE_5(__VA_ARGS__))

#endif

/* PROBEn(name, type, argument, ...) declares probe_NAME() and probe_NAME_on().
 * Six arguments are as many as bpftrace reads. */
#define PROBE2(name, ta, a, tb, b)                  \
	PROBE_DECLARE(name)                         \
	static inline void probe_##name(ta a, tb b) \
	{                                           \
		PROBE_FIRE(name, 2, a, b);          \
	}
#define PROBE3(name, ta, a, tb, b, tc, c)                 \
	PROBE_DECLARE(name)                               \
	static inline void probe_##name(ta a, tb b, tc c) \
	{                                                 \
		PROBE_FIRE(name, 3, a, b, c);             \
	}
#define PROBE4(name, ta, a, tb, b, tc, c, td, d)                \
	PROBE_DECLARE(name)                                     \
	static inline void probe_##name(ta a, tb b, tc c, td d) \
	{                                                       \
		PROBE_FIRE(name, 4, a, b, c, d);                \
	}
#define PROBE6(name, ta, a, tb, b, tc, c, td, d, te, e, tf, f)              \
	PROBE_DECLARE(name)                                                 \
	static inline void probe_##name(ta a, tb b, tc c, td d, te e, tf f) \
	{                                                                   \
		PROBE_FIRE(name, 6, a, b, c, d, e, f);                      \
	}

/* clang-format off */

/* Pages, by any face of the bulk allocator; ns of the whole call. */
PROBE4(bulk_fill, const void *, instance, unsigned int, asked,
       unsigned int, filled, uint64_t, ns)
/* Slots of an array, which may have been empty. */
PROBE3(bulk_free, const void *, instance, unsigned int, slots, uint64_t, ns)

/* In the queue for pages from wait_begin to wait_end, asleep in between or,
 * for a loop of the engine, not; wake is by the thread that released pages. */
PROBE2(wait_begin, const void *, instance, const void *, waiter)
PROBE2(wait_end, const void *, instance, const void *, waiter)
PROBE3(sleep, const void *, instance, const void *, waiter,
       uint64_t, timeout_ns)
PROBE4(sleep_end, const void *, instance, const void *, waiter, uint64_t, ns,
       int, status)
PROBE2(wake, const void *, instance, const void *, waiter)

PROBE4(reserve_use, const void *, instance, const void *, mempool,
       unsigned int, nr, unsigned int, left)
/* A request that does not wait, for which there are too few. */
PROBE3(reserve_empty, const void *, instance, const void *, mempool,
       unsigned int, nr)
PROBE4(report, const void *, instance, unsigned int, node,
       unsigned int, blocks, uint64_t, bytes)
/* A release of what is no page of the instance. */
PROBE2(page_refuse, const void *, instance, const void *, page)

/* A page enters a page pool, and leaves it; how many have, with it. */
PROBE3(pool_hold, const void *, pool, const void *, page, uint64_t, nr_held)
PROBE3(pool_release, const void *, pool, const void *, page,
       uint64_t, nr_released)

/* client: 16 bytes, the peer's IPv6 address or IPv4 mapped into one. */
PROBE4(receive, const void *, conn, int, fd, const void *, client,
       int64_t, bytes)
PROBE3(park, const void *, conn, int, fd, const void *, client)
PROBE6(refuse, const void *, conn, int, fd, const void *, client,
       int, error, uint64_t, value, uint64_t, limit)
PROBE4(request_begin, const void *, conn, int, fd, const void *, client,
       uint32_t, bytes)
PROBE6(request_received, const void *, call, const void *, conn,
       const void *, client, uint32_t, xid, uint32_t, bytes, uint32_t, pages)
PROBE6(request_dispatched, const void *, call, const void *, conn,
       uint32_t, xid, uint32_t, program, uint32_t, version,
       uint32_t, procedure)
PROBE6(reply, const void *, call, const void *, conn, uint32_t, xid,
       uint64_t, bytes, uint32_t, pages, uint32_t, reserved)
PROBE6(request_replied, const void *, call, const void *, conn,
       uint32_t, xid, uint32_t, pages, uint32_t, reply_bytes,
       uint64_t, bytes_copied)

/* clang-format on */

#endif /* RPCBUF_OS_PROBES_H */
