/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <rpcbuf/tbl/engine_counters.def>
#include <rpcbuf/tbl/mm_counters.def>
#include <rpcbuf/tbl/svc_counters.def>
#include <string.h>

#include "counters.h"
#include "figures.h"

const struct counter counters[] = {
#define X(name, kind, unit, group, what) \
	{COUNTERS_ENGINE, #name, COUNTER_##unit, COUNTER_GROUP_##group, what},
	RPCBUF_ENGINE_STATS(X)
#undef X
#define X(member, name, buckets, unit, group, what) \
	{COUNTERS_ENGINE, #name, COUNTER_##unit, COUNTER_GROUP_##group, what},
	RPCBUF_ENGINE_HISTOGRAMS(X)
#undef X
#define X(name, kind, unit, group, what) \
	{COUNTERS_MM, "mm_" #name, COUNTER_##unit, COUNTER_GROUP_##group, what},
	RPCBUF_STATS(X)
#undef X
#define X(name, kind, unit, group, what) \
	{COUNTERS_SVC, #name, COUNTER_##unit, COUNTER_GROUP_##group, what},
	RPCBUF_SVC_STATS(X)
#undef X
};
const size_t nr_counters = sizeof(counters) / sizeof(*counters);

const char *const counter_headings[] = {
#define X(group, heading) heading,
	RPCBUF_STATS_GROUPS(X)
#undef X
};
const size_t nr_counter_groups =
	sizeof(counter_headings) / sizeof(*counter_headings);

const struct counter *counter_find(const char *name)
{
	for (size_t i = 0; i < nr_counters; i++)
		if (counters[i].list != COUNTERS_SVC &&
		    strcmp(counters[i].name, name) == 0)
			return &counters[i];
	return NULL;
}

enum counter_unit counter_unit(const char *name)
{
	const struct counter *counter = counter_find(name);

	if (counter)
		return counter->unit;
	if (figure_has_suffix(name, "_bytes") ||
	    strncmp(name, "bytes_", strlen("bytes_")) == 0)
		return COUNTER_BYTES;
	if (figure_has_suffix(name, "_pages"))
		return COUNTER_PAGES;
	return figure_has_suffix(name, "_ns") ? COUNTER_NS : COUNTER_NUMBER;
}
