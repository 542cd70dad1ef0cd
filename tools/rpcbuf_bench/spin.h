/* SPDX-License-Identifier: LGPL-3.0-or-later */
#ifndef BENCH_SPIN_H
#define BENCH_SPIN_H

/* One step of a spin loop that waits for another CPU. */
static inline void spin(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("isb" ::: "memory");
#endif
}

#endif /* BENCH_SPIN_H */
