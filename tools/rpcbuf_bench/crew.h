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
	double ns;	/* wall time that it took */
	bool disturbed; /* the kernel took the CPU away: not to be trusted */
	bool served;	/* what it returned */
};

struct crew;

/*
 * Starts the threads and lets them enter the peers of the set.  @cpus: one for
 * each, or CREW_UNPINNED; NULL: the first ones that this process may use.
 * NULL when that fails, which is said on standard error.
 */
struct crew *crew_start(const struct peer_set *set, const int *cpus);
void crew_stop(struct crew *crew);

/* Runs up to PEER_THREADS jobs at once, the first on the first thread. */
void crew_run(struct crew *crew, struct crew_job *jobs, unsigned int nr);

#endif /* BENCH_CREW_H */
