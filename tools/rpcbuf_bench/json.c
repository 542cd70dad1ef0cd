/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * All strings are names of this program, so none needs escapes.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "goal.h"
#include "show.h"

static void write_value(FILE *file, const struct peer *peer,
			const struct value *value, const char *before)
{
	fprintf(file,
		"%s\n        \"%s\": {\"median\": %.4f, \"quartiles\": "
		"[%.4f, %.4f], \"disturbed\": %u}",
		before, peer->name, value->median, value->low, value->high,
		value->disturbed);
}

static void write_figure(FILE *file, const struct bench *bench,
			 const struct figure *figure)
{
	const char *before = "";

	fprintf(file, "    {\"case\": \"%s\", \"n\": %u, \"ns_per_page\": {",
		case_infos[figure->which].name, figure->nr);
	for (unsigned int i = 0; i < bench->set.nr; i++) {
		if (!figure->values[i])
			continue;
		write_value(file, bench->set.peers[i], figure->values[i],
			    before);
		before = ",";
	}
	fprintf(file, "}}");
}

static void write_goal(FILE *file, const struct goal *goal)
{
	fprintf(file,
		"    {\"case\": \"%s\", \"n\": %u, \"against\": \"%s\", "
		"\"limit\": %.2f, ",
		case_infos[goal->which].name, goal->nr, goal->against,
		goal->limit);
	if (goal->ratio > 0)
		fprintf(file, "\"ratio\": %.4f, \"met\": %s}", goal->ratio,
			goal->ratio <= goal->limit ? "true" : "false");
	else
		fprintf(file, "\"ratio\": null, \"met\": null}");
}

static void write_all(FILE *file, const struct bench *bench)
{
	struct goal goals[GOALS_MAX];
	unsigned int nr = goals_list(bench, goals), i;

	fprintf(file, "{\n  \"version\": \"%s\",\n  \"repeat\": %u,\n",
		RPCBUF_VERSION, bench->repeat);
	fprintf(file, "  \"figures\": [");
	for (i = 0; i < bench->nr_figures; i++) {
		fputs(i ? ",\n" : "\n", file);
		write_figure(file, bench, &bench->figures[i]);
	}
	fprintf(file, "\n  ],\n  \"goals\": [");
	for (i = 0; i < nr; i++) {
		fputs(i ? ",\n" : "\n", file);
		write_goal(file, &goals[i]);
	}
	fprintf(file, "\n  ]\n}\n");
}

bool show_json(const struct bench *bench, const char *path)
{
	bool standard = !strcmp(path, "-"), failed;
	FILE *file = standard ? stdout : fopen(path, "we");

	if (file) {
		write_all(file, bench);
		failed = ferror(file) | fflush(file);
		if (!standard)
			failed |= fclose(file) != 0;
		if (!failed)
			return true;
	}
	fprintf(stderr, "rpcbuf-bench: %s cannot be written: %s\n", path,
		strerror(errno));
	return false;
}
