/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * counters.h - the figures that the library has, as people read about them: what
 * the tables in rpcbuf/tbl say.
 */
#ifndef RPCBUF_COMMON_COUNTERS_H
#define RPCBUF_COMMON_COUNTERS_H

#include <rpcbuf/tbl/groups.def>
#include <stddef.h>

enum counter_list {
	COUNTERS_ENGINE,
	COUNTERS_MM,
	COUNTERS_SVC, /* in no segment */
};

/* A unit that is not known, of a figure of another program, is a number. */
enum counter_unit {
	COUNTER_NUMBER,
	COUNTER_BYTES,
	COUNTER_PAGES,
	COUNTER_NS,
};

enum counter_group {
#define X(group, heading) COUNTER_GROUP_##group,
	RPCBUF_STATS_GROUPS(X)
#undef X
};

struct counter {
	enum counter_list list;
	const char *name; /* as in the segment */
	enum counter_unit unit;
	enum counter_group group;
	const char *what;
};
extern const struct counter counters[];
extern const size_t nr_counters;

/* By group. */
extern const char *const counter_headings[];
extern const size_t nr_counter_groups;

/* NULL: it is none of the library's. */
const struct counter *counter_find(const char *name);

/*
 * The unit of a figure in a segment.  Figures of other programs have it at the end
 * of their names: _bytes, _pages or _ns.
 */
enum counter_unit counter_unit(const char *name);

#endif
