/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What tests with threads share.  Nothing sleeps for a result: conditions are
 * waited for, and a wait of GUARD_S seconds is a hang, which fails the test.
 */
#ifndef TESTS_UNTIL_UTIL_H
#define TESTS_UNTIL_UTIL_H

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

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
		time_t until_ = time(NULL) + GUARD_S;                       \
		while (!(condition)) {                                      \
			must(time(NULL) < until_);                          \
			usleep(200);                                        \
		}                                                           \
	} while (0)

#define seen(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define count(field) __atomic_add_fetch(&(field), 1, __ATOMIC_ACQ_REL)

#endif
