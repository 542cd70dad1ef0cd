/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Figures: a case and size, and a value per peer.
 *
 * All peers are measured in one run, interleaved: each repetition goes through
 * all figures, and for each figure through all peers, so that other load on the
 * machine affects all alike.  A value is the median of its repetitions.
 */
#ifndef BENCH_FIGURE_H
#define BENCH_FIGURE_H

#include "crew.h"
#include "mix.h"

#define FIGURES_MAX    40u
#define FIGURE_REPEATS 1001u
#define FIGURE_PAGES   1024u /* most pages of one fill */

struct case_info {
	const char *name;
	const char *about;
	unsigned int sizes[5]; /* pages per fill of its figures, ended by 0; */
	bool mixed;	       /* or one figure, of the mix */
};
extern const struct case_info case_infos[NR_CASES];

struct value {
	double samples[FIGURE_REPEATS]; /* ns per page */
	double alone[FIGURE_REPEATS];	/* case pair: one thread, right after */
	unsigned int nr;
	unsigned int disturbed; /* samples that the kernel interrupted */
	unsigned long rounds;	/* of a sample; 0: not calibrated yet */
	double median;
	double low, high; /* quartiles */
	double median_alone;
};

struct figure {
	enum bench_case which;
	unsigned int nr;		 /* pages of a fill; 0: the mix */
	struct value *values[PEERS_MAX]; /* NULL: the peer lacks this case */
};

struct bench {
	struct peer_set set;
	struct mix mix;
	double run_ns;	     /* duration of a sample */
	unsigned int repeat; /* samples of each value */
	struct figure figures[FIGURES_MAX];
	unsigned int nr_figures;
};

/* Lists the figures of @cases, a set of CASE_BIT. */
bool figures_list(struct bench *bench, unsigned int cases);
/* Measures all figures.  False, with a message: a peer ran out of pages. */
bool figures_measure(struct bench *bench, struct crew *crew);
void figures_free(struct bench *bench);

/* @nr 0: the mix.  Returns NULL when the figure was not measured. */
const struct value *figure_value(const struct bench *bench,
				 enum bench_case which, unsigned int nr,
				 const struct peer *peer);

#endif /* BENCH_FIGURE_H */
