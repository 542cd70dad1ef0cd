/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Maintenance: what an instance does beside requests.
 *
 * Owns the thread, and when what was done last.  One pass runs at a time; a
 * second caller finds the work done.  The thread is started
 * with the instance and sleeps while nothing is due: for seconds at a time when
 * no page was used, until it is kicked at a low watermark, or until the kernel
 * reports memory pressure.
 *
 * kick.h wakes it.  `reclaim_asked` suppresses further kicks by requests until
 * the pass clears it, a moment after the reclaim: a shortage that lasts must not
 * make the thread spin.
 */
#ifndef RPCBUF_MM_MAINTAIN_H
#define RPCBUF_MM_MAINTAIN_H

#include <pthread.h>

#include <rpcbuf/budget.h>
#include <rpcbuf/mm/hook.h>
#include <rpcbuf/os/pressure.h>

/* State of the passes, of the thread that runs one. */
struct mm_pass {
	bool urgent;	       /* report what was free at this moment: */
	uint64_t urgent_since; /* report_moment() */
	bool muted;	       /* asked in vain, not again before reclaim_ns */
	uint64_t decay_ns;     /* when caches decay next, */
	uint64_t report_ns;    /* the next batch is due, */
	uint64_t reclaim_ns;
};

struct mm_thread {
	bool running;
	pthread_t id;
};

struct mm_maintain {
	OS_GUARDED(struct mm_pass) pass;
	OS_GUARDED(struct mm_thread) thread;
	struct os_bool stop;
	struct os_bool pressed; /* the system is short of memory */
	/* Of kick.h. */
	struct os_pressure pressure;
	struct os_bool listens;
	struct hook_list shrinkers;
};

/* With @pressure the thread listens to the system.  0 or -errno. */
int maintain_start(struct rpcbuf *mm, bool pressure);

/* Ends the thread, if it runs; and closes its descriptors, which others may
 * have kicked until then.  A forked child has the latter only. */
void maintain_stop(struct rpcbuf *mm);
void maintain_close(struct rpcbuf *mm);

/* Memory is short in the system: all that is idle goes back, over the next
 * passes. */
void maintain_pressure(struct rpcbuf *mm);

/* Calls the shrinkers until they released @nr pages; returns how many. */
uint64_t shrinkers_run(struct rpcbuf *mm, uint64_t nr);

#endif /* RPCBUF_MM_MAINTAIN_H */
