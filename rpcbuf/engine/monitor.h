/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * monitor.h - the thread that takes loops away from owners that run a long
 * call.
 *
 * It scans all loops every handover_us (500 by default) while calls
 * come in.  A loop whose sequence is odd, and the same as at the last scan,
 * runs a long call: a worker gets the loop, at once if the thread of the call
 * sleeps, a few scans later if it computes.  While no calls come the monitor
 * sleeps.
 */
#ifndef RPCBUF_ENGINE_MONITOR_H
#define RPCBUF_ENGINE_MONITOR_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_engine;

struct monitor {
	pthread_mutex_t lock; /* also of what the monitor uncorks: batch.c */
	pthread_cond_t wake;
	bool stop;	    /* under the lock */
	uint32_t asleep;    /* atomic */
	bool alive;	    /* for the thread that starts and stops the
			     * engine */
	pthread_t thread;
};

void monitor_init(struct monitor *monitor);
void monitor_exit(struct monitor *monitor);

/* Returns 0, or -errno after os_why(). */
int monitor_start(struct rpcbuf_engine *engine);
/* All workers have ended. */
void monitor_stop(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_MONITOR_H */
