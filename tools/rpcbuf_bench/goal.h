/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goals: each an upper limit for a ratio of two figures.  A missed goal is not
 * an error of the run.
 */
#ifndef BENCH_GOAL_H
#define BENCH_GOAL_H

#include "figure.h"

#define GOAL_TEXT 64u

struct goal {
	enum bench_case which;
	unsigned int nr;
	char against[GOAL_TEXT]; /* "of rte_mempool" */
	double limit;
	double ratio; /* 0: a peer is missing */
};

#define GOALS_MAX 64u

/* Lists the goals of the measured cases; returns their number. */
unsigned int goals_list(const struct bench *bench,
			struct goal goals[GOALS_MAX]);

const char *goal_verdict(const struct goal *goal);

#endif /* BENCH_GOAL_H */
