/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <string.h>

#include "goal.h"
#include "show.h"

#define COLUMN_MIN 8

static int peer_width(const struct peer *peer)
{
	int len = (int)strlen(peer->name);

	return 2 + (len > COLUMN_MIN ? len : COLUMN_MIN);
}

static void show_header(const struct bench *bench, const struct figure *figure)
{
	const struct case_info *info = &case_infos[figure->which];

	printf("\n%s: %s\n%6s", info->name, info->about, "n");
	for (unsigned int i = 0; i < bench->set.nr; i++)
		if (figure->values[i])
			printf("%*s", peer_width(bench->set.peers[i]),
			       bench->set.peers[i]->name);
	putchar('\n');
}

static void show_size(unsigned int nr)
{
	if (nr)
		printf("%6u", nr);
	else
		printf("%6s", "mix");
}

static void show_figure(const struct bench *bench, const struct figure *figure)
{
	show_size(figure->nr);
	for (unsigned int i = 0; i < bench->set.nr; i++) {
		const struct value *value = figure->values[i];

		if (value)
			printf("%*.*f", peer_width(bench->set.peers[i]),
			       value->median < 9.995 ? 2 : 1, value->median);
	}
	putchar('\n');
}

static void show_goals(const struct goal *goals, unsigned int nr,
		       enum bench_case which)
{
	bool first = true;

	for (unsigned int i = 0; i < nr; i++) {
		const struct goal *goal = &goals[i];

		if (goal->which != which)
			continue;
		if (first)
			printf("  goals\n");
		first = false;
		show_size(goal->nr);
		if (goal->ratio > 0)
			printf("  %6.2f", goal->ratio);
		else
			printf("  %6s", "-");
		printf(" of %-24s at most %4.2f: %s", goal->against,
		       goal->limit, goal_verdict(goal));
		if (which == CASE_POOL && goal->ratio > 0)
			printf(" (a gain of %.1f%%)", 100 / goal->ratio - 100);
		putchar('\n');
	}
}

/* The smallest vector for which a window is faster than a copy. */
static void show_break_even(const struct bench *bench)
{
	for (unsigned int i = 0; i < bench->nr_figures; i++) {
		unsigned int nr = bench->figures[i].nr;
		const struct value *window = figure_value(
			bench, CASE_WINDOW, nr, &peer_window_window);
		const struct value *copy =
			figure_value(bench, CASE_WINDOW, nr, &peer_window_copy);

		if (!window || !copy || window->median > copy->median)
			continue;
		printf("  a window pays from %u pages on\n", nr);
		return;
	}
	printf("  a window that is used once pays at none of these sizes\n");
}

static unsigned int disturbed(const struct bench *bench)
{
	unsigned int sum = 0;

	for (unsigned int i = 0; i < bench->nr_figures; i++)
		for (unsigned int j = 0; j < bench->set.nr; j++)
			if (bench->figures[i].values[j])
				sum += bench->figures[i].values[j]->disturbed;
	return sum;
}

void show(const struct bench *bench)
{
	struct goal goals[GOALS_MAX];
	unsigned int nr_goals = goals_list(bench, goals);

	printf("ns per page, filled and released; medians of %u runs\n",
	       bench->repeat);
	for (unsigned int i = 0; i < bench->nr_figures; i++) {
		const struct figure *figure = &bench->figures[i];

		if (!i || figure[-1].which != figure->which)
			show_header(bench, figure);
		show_figure(bench, figure);
		if (i + 1 == bench->nr_figures ||
		    figure[1].which != figure->which)
			show_goals(goals, nr_goals, figure->which);
		if (figure->which == CASE_WINDOW && figure->nr == 16384)
			show_break_even(bench);
	}
	if (disturbed(bench))
		printf("\n%u runs had to share a CPU: the machine is busy.\n",
		       disturbed(bench));
}
