/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Figures: what is measured of each peer, and what came out.
 *
 * All peers are measured in one run and take turns: each repetition goes
 * through all figures, and through all peers for each of them, so that what
 * else the machine does hits all alike.  A figure is the median of its
 * repetitions.
 */
#ifndef BENCH_FIGURE_H
#define BENCH_FIGURE_H

#include "crew.h"
#include "mix.h"

#define FIGURES_MAX    40u
#define FIGURE_REPEATS 1001u
#define FIGURE_PAGES   1024u /* of one fill, at most */

struct case_info {
	const char *name;
	const char *about;
	unsigned int sizes[5]; /* n of its figures, 0 ends them; */
	bool mixed;	       /* or a single one, of the mix */
};
extern const struct case_info case_infos[NR_CASES];

struct value {
	double samples[FIGURE_REPEATS]; /* ns per page */
	double alone[FIGURE_REPEATS];	/* case pair: one thread, right after */
	unsigned int nr;
	unsigned int disturbed; /* samples that the kernel interrupted */
	unsigned long rounds;	/* of a sample, once it is known */
	double median;
	double low, high; /* quartiles */
	double median_alone;
};

struct figure {
	enum bench_case which;
	unsigned int nr;		 /* pages of a fill; 0: the mix */
	struct value *values[PEERS_MAX]; /* NULL: not in this peer's cases */
};

struct bench {
	struct peer_set set;
	struct mix mix;
	double run_ns;	     /* how long a sample takes */
	unsigned int repeat; /* samples of each value */
	struct figure figures[FIGURES_MAX];
	unsigned int nr_figures;
};

/* Lists the figures of the cases in @cases (CASE_BIT of each). */
bool figures_list(struct bench *bench, unsigned int cases);
/* Measures all of them.  False when a peer ran short, which is said. */
bool figures_measure(struct bench *bench, struct crew *crew);
void figures_free(struct bench *bench);

/* NULL when it was not measured.  @nr 0: the mix. */
const struct value *figure_value(const struct bench *bench,
				 enum bench_case which, unsigned int nr,
				 const struct peer *peer);

#endif /* BENCH_FIGURE_H */
