/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <stdlib.h>

#include "cross.h"
#include "figure.h"

/* A disturbed sample is repeated up to this often; then the fastest counts. */
#define TRIES 8

static bool add_figure(struct bench *bench, enum bench_case which,
		       unsigned int nr)
{
	struct figure *figure = &bench->figures[bench->nr_figures++];

	figure->which = which;
	figure->nr = nr;
	for (unsigned int i = 0; i < bench->set.nr; i++) {
		if (!(bench->set.peers[i]->cases & (1u << which)))
			continue;
		figure->values[i] = calloc(1, sizeof(*figure->values[i]));
		if (!figure->values[i])
			return false;
	}
	return true;
}

bool figures_list(struct bench *bench, unsigned int cases)
{
	bench->nr_figures = 0;
	for (unsigned int c = 0; c < NR_CASES; c++) {
		const struct case_info *info = &case_infos[c];

		if (!(cases & (1u << c)))
			continue;
		if (info->mixed && !add_figure(bench, c, 0))
			return false;
		for (unsigned int i = 0; i < 5 && info->sizes[i]; i++)
			if (!add_figure(bench, c, info->sizes[i]))
				return false;
	}
	return true;
}

static work_fn loop_of(const struct work_ops *ops, enum bench_case which)
{
	switch (which) {
	case CASE_TOUCH:
		return ops->touch;
	case CASE_REPLAY:
		return ops->replay;
	default:
		return ops->cycle;
	}
}

/* A job for one thread. */
struct loop {
	work_fn fn;
	struct work work;
	void *pages[FIGURE_PAGES];
} __attribute__((aligned(128)));

static bool run_loop(void *opaque)
{
	const struct loop *loop = opaque;

	return loop->fn(&loop->work);
}

static void sample_loops(const struct bench *bench, struct crew *crew,
			 const struct figure *figure, const struct peer *peer,
			 unsigned long rounds, struct crew_job *jobs)
{
	static struct loop loops[PEER_THREADS];
	unsigned int nr = figure->which == CASE_PAIR ? PEER_THREADS : 1;

	for (unsigned int i = 0; i < nr; i++) {
		struct loop *loop = &loops[i];

		*loop = (struct loop){
			.fn = loop_of(peer->ops, figure->which),
			.work = {.pool = peer->pool[i],
				 .pages = loop->pages,
				 .nr = figure->nr,
				 .rounds = rounds,
				 .mix = bench->mix.pages,
				 .nr_mix = bench->mix.nr},
		};
		jobs[i] = (struct crew_job){.run = run_loop, .arg = loop};
	}
	crew_run(crew, jobs, nr);
	if (nr == 1)
		jobs[1] = jobs[0];
}

static void sample_cross(struct crew *crew, const struct figure *figure,
			 const struct peer *peer, unsigned long rounds,
			 struct crew_job *jobs)
{
	static struct cross cross;

	cross = (struct cross){
		.peer = peer, .nr = figure->nr, .rounds = rounds};
	jobs[0] = (struct crew_job){.run = cross_fill, .arg = &cross};
	jobs[1] = (struct crew_job){.run = cross_release, .arg = &cross};
	crew_run(crew, jobs, 2);
	/* The releaser ends last, so its time counts. */
	jobs[0].ns = jobs[1].ns;
}

/* Returns the time of @rounds; 0: the peer ran out of pages. */
static double sample(const struct bench *bench, struct crew *crew,
		     const struct figure *figure, const struct peer *peer,
		     unsigned long rounds, bool *disturbed)
{
	struct crew_job jobs[PEER_THREADS] = {{0}};

	if (figure->which == CASE_CROSS)
		sample_cross(crew, figure, peer, rounds, jobs);
	else
		sample_loops(bench, crew, figure, peer, rounds, jobs);
	*disturbed = jobs[0].disturbed || jobs[1].disturbed;
	if (jobs[0].served && jobs[1].served)
		return (jobs[0].ns + jobs[1].ns) / 2;
	fprintf(stderr, "rpcbuf-bench: %s ran out of pages in case %s\n",
		peer->name, case_infos[figure->which].name);
	return 0;
}

/* Returns the number of rounds that fill the time of a sample.  The first pass
 * includes page faults, so the faster of two passes counts. */
static unsigned long calibrate(const struct bench *bench, struct crew *crew,
			       const struct figure *figure,
			       const struct peer *peer)
{
	unsigned long rounds = 1;
	bool disturbed;
	double ns, again;

	for (;; rounds *= 2) {
		ns = sample(bench, crew, figure, peer, rounds, &disturbed);
		again = sample(bench, crew, figure, peer, rounds, &disturbed);
		if (ns == 0 || again == 0)
			return 0;
		if (again < ns)
			ns = again;
		if (ns >= bench->run_ns / 8)
			break;
	}
	rounds = (unsigned long)((double)rounds * bench->run_ns / ns);
	return rounds ? rounds : 1;
}

/* Returns ns per page; 0: the peer ran out of pages. */
static double try_undisturbed(const struct bench *bench, struct crew *crew,
			      const struct figure *figure,
			      const struct peer *peer, struct value *value)
{
	double pages = figure->nr ? figure->nr : (double)bench->mix.total;
	bool disturbed = true;
	double ns, best = 0;

	for (int i = 0; i < TRIES && disturbed; i++) {
		ns = sample(bench, crew, figure, peer, value->rounds,
			    &disturbed);
		if (ns == 0)
			return 0;
		if (!disturbed || best == 0 || ns < best)
			best = ns;
	}
	value->disturbed += disturbed;
	return best / (double)value->rounds / pages;
}

static bool take_sample(const struct bench *bench, struct crew *crew,
			const struct figure *figure, const struct peer *peer,
			struct value *value)
{
	const struct figure alone = {.which = CASE_SAME, .nr = figure->nr};
	unsigned int nr = value->nr++;

	if (!value->rounds)
		value->rounds = calibrate(bench, crew, figure, peer);
	if (!value->rounds)
		return false;
	value->samples[nr] = try_undisturbed(bench, crew, figure, peer, value);
	if (figure->which == CASE_PAIR)
		value->alone[nr] =
			try_undisturbed(bench, crew, &alone, peer, value);
	return value->samples[nr] > 0;
}

static int compare_samples(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void conclude(struct value *value)
{
	qsort(value->samples, value->nr, sizeof(*value->samples),
	      compare_samples);
	qsort(value->alone, value->nr, sizeof(*value->alone), compare_samples);
	value->low = value->samples[value->nr / 4];
	value->median = value->samples[value->nr / 2];
	value->median_alone = value->alone[value->nr / 2];
	value->high = value->samples[value->nr * 3 / 4];
}

bool figures_measure(struct bench *bench, struct crew *crew)
{
	unsigned int repeat, i, j;

	for (repeat = 0; repeat < bench->repeat; repeat++)
		for (i = 0; i < bench->nr_figures; i++)
			for (j = 0; j < bench->set.nr; j++) {
				struct figure *figure = &bench->figures[i];

				if (figure->values[j] &&
				    !take_sample(bench, crew, figure,
						 bench->set.peers[j],
						 figure->values[j]))
					return false;
			}
	for (i = 0; i < bench->nr_figures; i++)
		for (j = 0; j < bench->set.nr; j++)
			if (bench->figures[i].values[j])
				conclude(bench->figures[i].values[j]);
	return true;
}

void figures_free(struct bench *bench)
{
	for (unsigned int i = 0; i < bench->nr_figures; i++)
		for (unsigned int j = 0; j < bench->set.nr; j++)
			free(bench->figures[i].values[j]);
}

const struct value *figure_value(const struct bench *bench,
				 enum bench_case which, unsigned int nr,
				 const struct peer *peer)
{
	for (unsigned int i = 0; i < bench->nr_figures; i++) {
		const struct figure *figure = &bench->figures[i];

		if (figure->which != which || figure->nr != nr)
			continue;
		for (unsigned int j = 0; j < bench->set.nr; j++)
			if (bench->set.peers[j] == peer)
				return figure->values[j];
	}
	return NULL;
}
