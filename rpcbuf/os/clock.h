/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The clocks, and waiting with a bound.  tests/check-waits holds that nothing
 * outside this file waits until a moment, or reads the wall clock.
 *
 * All that waits or measures does it on the monotonic clock: the wall clock is
 * set forward and back while programs run.
 *
 * In a header, because librpcbuf_tirpc and the tools use it too, and librpcbuf
 * does not show its insides.
 */
#ifndef RPCBUF_OS_CLOCK_H
#define RPCBUF_OS_CLOCK_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

#define OS_MS_NS     UINT64_C(1000000)
#define OS_SECOND_NS UINT64_C(1000000000)

static inline uint64_t os_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * OS_SECOND_NS + (uint64_t)now.tv_nsec;
}

/* Nanoseconds of the monotonic clock. */
static inline uint64_t os_now(void)
{
	return os_clock(CLOCK_MONOTONIC);
}

/* Nanoseconds since 1970 by the wall clock: for people to read, and for nothing
 * that is compared. */
static inline uint64_t os_wall_clock(void)
{
	return os_clock(CLOCK_REALTIME);
}

/*
 * pthread_cond_wait(), until os_now() is @deadline at most: 0 or -ETIMEDOUT.
 * As there, it may return 0 for no reason.  Any initialised condition will do.
 */
static inline int os_cond_wait_until(pthread_cond_t *cond,
				     pthread_mutex_t *lock, uint64_t deadline)
{
	const struct timespec until = {
		.tv_sec = (time_t)(deadline / OS_SECOND_NS),
		.tv_nsec = (long)(deadline % OS_SECOND_NS),
	};

	return -pthread_cond_clockwait(cond, lock, CLOCK_MONOTONIC, &until);
}

/* Waits until @done, which is looked at under the lock: true, or false at
 * @deadline. */
#define os_cond_await(cond, lock, done, deadline)                              \
	({                                                                     \
		int err_ = 0;                                                  \
		while (!(done) && !err_)                                       \
			err_ = os_cond_wait_until((cond), (lock), (deadline)); \
		(done);                                                        \
	})

#endif /* RPCBUF_OS_CLOCK_H */
