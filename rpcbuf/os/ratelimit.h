/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How often a line may be written, so that no client can fill a log with what it
 * does.  Any thread.  Inline, because librpcbuf_tirpc uses it too and sees only
 * what librpcbuf exports.
 */
#ifndef RPCBUF_OS_RATELIMIT_H
#define RPCBUF_OS_RATELIMIT_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/os/clock.h"

#define RATELIMIT_LINES	    10u /* in a window */
#define RATELIMIT_WINDOW_NS OS_SECOND_NS

struct ratelimit {
	pthread_mutex_t lock; /* all of it */
	uint64_t window_ns;   /* when this window began */
	unsigned int lines;   /* in it */
	unsigned int left_out;
};

#define RATELIMIT_INIT                            \
	{                                         \
		.lock = PTHREAD_MUTEX_INITIALIZER \
	}

/*
 * May a line be written at @now_ns, on the monotonic clock?  Stores how many
 * were not in the window before, to be said once; 0 otherwise.
 */
static inline bool ratelimit_ok(struct ratelimit *limit, uint64_t now_ns,
				unsigned int *left_out)
{
	bool ok;

	*left_out = 0;
	pthread_mutex_lock(&limit->lock);
	/* A thread that read the clock earlier may come later. */
	if (now_ns >= limit->window_ns + RATELIMIT_WINDOW_NS) {
		limit->window_ns = now_ns;
		limit->lines = 0;
		*left_out = limit->left_out;
		limit->left_out = 0;
	}
	ok = limit->lines < RATELIMIT_LINES;
	if (ok)
		limit->lines++;
	else
		limit->left_out++;
	pthread_mutex_unlock(&limit->lock);
	return ok;
}

#endif /* RPCBUF_OS_RATELIMIT_H */
