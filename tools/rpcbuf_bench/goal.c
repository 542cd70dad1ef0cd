/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>

#include "goal.h"

/* Ratios of rpcbuf's figure to that of a peer. */
static const struct {
	enum bench_case which;
	unsigned int nr;
	const struct peer *against;
	double limit;
} versus[] = {
	{CASE_SAME, 1, &peer_dpdk, 2.0},    {CASE_SAME, 1, &peer_tcmalloc, 1.0},
	{CASE_SAME, 16, &peer_dpdk, 1.3},   {CASE_SAME, 64, &peer_dpdk, 1.0},
	{CASE_SAME, 64, &peer_copy, 3.0},   {CASE_SAME, 256, &peer_dpdk, 1.0},
	{CASE_SAME, 256, &peer_copy, 3.0},  {CASE_CROSS, 64, &peer_dpdk, 1.0},
	{CASE_CROSS, 256, &peer_dpdk, 1.0}, {CASE_TOUCH, 64, &peer_dpdk, 1.0},
	{CASE_TOUCH, 256, &peer_dpdk, 1.0},
};

static const struct peer *const mallocs[] = {&peer_tcmalloc, &peer_jemalloc,
					     &peer_mimalloc, &peer_glibc};
#define MALLOC_LIMIT 0.1 /* n of 64 and 256 */
#define PAIR_LIMIT   1.1
#define AGED_LIMIT   1.1

static double median(const struct bench *bench, enum bench_case which,
		     unsigned int nr, const struct peer *peer)
{
	const struct value *value = figure_value(bench, which, nr, peer);

	return value ? value->median : 0;
}

static double fastest_malloc(const struct bench *bench, enum bench_case which,
			     unsigned int nr)
{
	double best = 0;

	for (unsigned int i = 0; i < sizeof(mallocs) / sizeof(*mallocs); i++) {
		double ns = median(bench, which, nr, mallocs[i]);

		if (ns > 0 && (best == 0 || ns < best))
			best = ns;
	}
	return best;
}

struct list {
	const struct bench *bench;
	struct goal *goals;
	unsigned int nr;
};

static void add_goal(struct list *list, enum bench_case which, unsigned int nr,
		     const char *against, double limit, double ours,
		     double theirs)
{
	struct goal *goal = &list->goals[list->nr];

	if (ours == 0 || list->nr == GOALS_MAX)
		return;
	*goal = (struct goal){.which = which, .nr = nr, .limit = limit};
	snprintf(goal->against, sizeof(goal->against), "%s", against);
	if (theirs > 0)
		goal->ratio = ours / theirs;
	list->nr++;
}

static void add_versus(struct list *list, const struct figure *figure,
		       double ours)
{
	for (size_t i = 0; i < sizeof(versus) / sizeof(*versus); i++)
		if (versus[i].which == figure->which &&
		    versus[i].nr == figure->nr)
			add_goal(list, figure->which, figure->nr,
				 versus[i].against->name, versus[i].limit, ours,
				 median(list->bench, figure->which, figure->nr,
					versus[i].against));
	if (figure->which == CASE_SAME && figure->nr >= 64)
		add_goal(
			list, figure->which, figure->nr, "the fastest malloc",
			MALLOC_LIMIT, ours,
			fastest_malloc(list->bench, figure->which, figure->nr));
}

static void add_replay(struct list *list, double ours)
{
	double best = fastest_malloc(list->bench, CASE_REPLAY, 0);
	double dpdk = median(list->bench, CASE_REPLAY, 0, &peer_dpdk);

	if (dpdk > 0 && (best == 0 || dpdk < best))
		best = dpdk;
	add_goal(list, CASE_REPLAY, 0, "the fastest peer", 1.0, ours, best);
}

static void add_pair(struct list *list, unsigned int nr)
{
	const struct value *value =
		figure_value(list->bench, CASE_PAIR, nr, &peer_rpcbuf);

	if (value)
		add_goal(list, CASE_PAIR, nr, "one thread, right after",
			 PAIR_LIMIT, value->median, value->median_alone);
}

unsigned int goals_list(const struct bench *bench, struct goal goals[GOALS_MAX])
{
	struct list list = {.bench = bench, .goals = goals};

	for (unsigned int i = 0; i < bench->nr_figures; i++) {
		const struct figure *figure = &bench->figures[i];
		enum bench_case which = figure->which;
		unsigned int nr = figure->nr;
		double ours = median(bench, which, nr, &peer_rpcbuf);
		double aged = median(bench, which, nr, &peer_aged);

		add_versus(&list, figure, ours);
		if (which == CASE_REPLAY)
			add_replay(&list, ours);
		if (which == CASE_PAIR)
			add_pair(&list, nr);
		if (which == CASE_POOL)
			add_goal(&list, which, nr, "one by one, by bulk", 1.0,
				 median(bench, which, nr, &peer_pool),
				 median(bench, which, nr, &peer_pool_single));
		add_goal(&list, which, nr, "64 MiB, at 16 GiB", AGED_LIMIT,
			 aged, ours);
	}
	return list.nr;
}

const char *goal_verdict(const struct goal *goal)
{
	if (goal->ratio == 0)
		return "not measured";
	return goal->ratio <= goal->limit ? "met" : "not met";
}
