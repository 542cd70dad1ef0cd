/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests with threads.  No helper sleeps for a result: it waits for
 * a condition, and a wait of GUARD_S seconds fails the test as a hang.
 */
#ifndef TESTS_UNTIL_UTIL_H
#define TESTS_UNTIL_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpcbuf/os/clock.h"

#define GUARD_S 60

/* Works in any thread, and in programs without Check. */
#define must(condition)                                                     \
	do {                                                                \
		if (!(condition)) {                                         \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,  \
				#condition);                                \
			abort();                                            \
		}                                                           \
	} while (0)

/* Waits until @condition. */
#define eventually(condition)                                               \
	do {                                                                \
		uint64_t until_ = os_now() + GUARD_S * OS_SECOND_NS;        \
		while (!(condition)) {                                      \
			must(os_now() < until_);                            \
			usleep(200);                                        \
		}                                                           \
	} while (0)

#define seen(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define count(field) __atomic_add_fetch(&(field), 1, __ATOMIC_ACQ_REL)

#endif
