/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <string.h>

#include "counters.h"
#include "figures.h"

const struct rpcbuf_metric *figure_find(const struct rpcbuf_snapshot *snapshot,
					const char *name)
{
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++)
		if (strcmp(snapshot->metrics[i].name, name) == 0)
			return &snapshot->metrics[i];
	return NULL;
}

uint64_t figure_get(const struct rpcbuf_snapshot *snapshot, const char *name)
{
	const struct rpcbuf_metric *metric = figure_find(snapshot, name);

	return metric ? snapshot->values[metric->first] : 0;
}

uint64_t figure_grown(const struct rpcbuf_snapshot *from,
		      const struct rpcbuf_snapshot *to, const char *name)
{
	uint64_t before = figure_get(from, name), after = figure_get(to, name);

	return after > before ? after - before : 0;
}

bool figure_has_suffix(const char *name, const char *suffix)
{
	size_t len = strlen(name), suffix_len = strlen(suffix);

	return len >= suffix_len &&
	       strcmp(name + len - suffix_len, suffix) == 0;
}

struct histogram figure_histogram(const struct rpcbuf_snapshot *snapshot,
				  const struct rpcbuf_metric *metric)
{
	static const uint64_t none;

	if (!metric || metric->kind != RPCBUF_HISTOGRAM)
		return (struct histogram){.buckets = &none, .nr = 1};
	return (struct histogram){
		.buckets = &snapshot->values[metric->first],
		.nr = metric->count < FIGURE_BUCKETS_MAX ? metric->count
							 : FIGURE_BUCKETS_MAX,
		.ns = counter_unit(metric->name) == COUNTER_NS,
	};
}

struct histogram figure_histogram_grown(const struct rpcbuf_snapshot *from,
					const struct rpcbuf_snapshot *to,
					const char *name, uint64_t *buckets)
{
	struct histogram before =
		figure_histogram(from, figure_find(from, name));
	struct histogram after = figure_histogram(to, figure_find(to, name));

	for (unsigned int i = 0; i < after.nr; i++) {
		uint64_t old = i < before.nr ? before.buckets[i] : 0;

		buckets[i] = after.buckets[i] > old ? after.buckets[i] - old
						    : 0;
	}
	after.buckets = buckets;
	return after;
}
