/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A clock for short times: a few nanoseconds to read, of an unknown rate. */
#ifndef RPCBUF_OS_TICKS_H
#define RPCBUF_OS_TICKS_H

#include <rpcbuf/os/os.h>

static inline uint64_t os_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(ticks));
	return ticks;
#else
	return os_now();
#endif
}

/* What a duration in ticks is in nanoseconds, by a moment at which both clocks
 * were read; the longer ago that was, the better. */
static inline uint64_t os_ticks_ns(uint64_t ticks, uint64_t ticks_then,
				   uint64_t ns_then)
{
	double rate = (double)(os_ticks() - ticks_then) /
		      (double)(os_now() - ns_then + 1);

	return rate > 0 ? (uint64_t)((double)ticks / rate) : 0;
}

#endif /* RPCBUF_OS_TICKS_H */
