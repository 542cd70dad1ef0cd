/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * monitor.h - the thread that gives loops away whose owner runs a long call.
 *
 * It looks at every loop some thousand times a second while calls come in: a
 * loop whose turn is odd and has not changed since the last look runs a long
 * call, and a worker gets the loop.  While nothing happens the monitor sleeps.
 */
#ifndef RPCBUF_ENGINE_MONITOR_H
#define RPCBUF_ENGINE_MONITOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_engine;

struct monitor {
	pthread_mutex_t lock; /* held while it lets go of replies: batch.c */
	pthread_cond_t wake;
	bool stop;	    /* under the lock */
	uint32_t asleep;    /* atomic */
	uint64_t handovers; /* its own stat_add() */
	bool alive;	    /* of the thread that starts and stops the engine */
	pthread_t thread;
};

void monitor_init(struct monitor *monitor);
void monitor_exit(struct monitor *monitor);

/* Returns 0, or -errno after os_why(). */
int monitor_start(struct rpcbuf_engine *engine);
/* No worker is left. */
void monitor_stop(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_MONITOR_H */
