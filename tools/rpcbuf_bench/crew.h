/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The threads that measure, each pinned to a CPU of its own.
 */
#ifndef BENCH_CREW_H
#define BENCH_CREW_H

#include "peers.h"

#define CREW_UNPINNED (-1)

struct crew_job {
	bool (*run)(void *arg);
	void *arg;
	double ns;	/* elapsed time */
	bool disturbed; /* preempted by the kernel: the time is not valid */
	bool served;	/* return value of run() */
};

struct crew;

/*
 * Starts the threads, which enter the peers of the set.  @cpus: one per thread,
 * or CREW_UNPINNED; NULL: the first ones that this process may use.  Returns
 * NULL on failure, with a message on standard error.
 */
struct crew *crew_start(const struct peer_set *set, const int *cpus);
void crew_stop(struct crew *crew);

/* Runs up to PEER_THREADS jobs at the same time, the first on thread 0. */
void crew_run(struct crew *crew, struct crew_job *jobs, unsigned int nr);

#endif /* BENCH_CREW_H */
