/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * figures.h - the figures of a snapshot, by name.
 *
 * A program may be older or newer than the tool.  A figure that it does not
 * publish reads as 0.
 */
#ifndef RPCBUF_COMMON_FIGURES_H
#define RPCBUF_COMMON_FIGURES_H

#include <rpcbuf/segment.h>

#include "histogram.h"

/* NULL when there is none. */
const struct rpcbuf_metric *figure_find(const struct rpcbuf_snapshot *snapshot,
					const char *name);

uint64_t figure_get(const struct rpcbuf_snapshot *snapshot, const char *name);

/* Growth of a counter between two snapshots. */
uint64_t figure_grown(const struct rpcbuf_snapshot *from,
		      const struct rpcbuf_snapshot *to, const char *name);

/* Buckets of a histogram; one empty bucket when there is no such histogram. */
struct histogram figure_histogram(const struct rpcbuf_snapshot *snapshot,
				  const struct rpcbuf_metric *metric);

/* The same with their growth, written to @buckets (FIGURE_BUCKETS_MAX). */
#define FIGURE_BUCKETS_MAX 64
struct histogram figure_histogram_grown(const struct rpcbuf_snapshot *from,
					const struct rpcbuf_snapshot *to,
					const char *name, uint64_t *buckets);

bool figure_has_suffix(const char *name, const char *suffix);

#endif
