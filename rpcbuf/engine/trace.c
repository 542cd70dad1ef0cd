/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the engine shows in a segment: its statistics.  Runs on the thread of
 * the publisher.
 */
#include <rpcbuf/publish.h>
#include <stdio.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"

/* Statistics that are levels. */
#define IS(name, other) !__builtin_strcmp(name, other)
#define KIND(name)                                                        \
	(IS(name, "connections") || IS(name, "in_flight") ||              \
			 IS(name, "threads") || IS(name, "held_pages") || \
			 IS(name, "heap_bytes")                           \
		 ? RPCBUF_GAUGE                                           \
		 : RPCBUF_COUNTER)

static const struct rpcbuf_figure figures[] = {
#define X(name, what) {#name, what, KIND(#name), 0},
	RPCBUF_ENGINE_STATS(X)
#undef X
		{"pages_per_request", "calls by the pages that they reach into",
		 RPCBUF_HISTOGRAM, RPCBUF_HIST_PAGES},
};

#define X(name, what) +1
_Static_assert(sizeof(struct rpcbuf_engine_stats) ==
		       (0 RPCBUF_ENGINE_STATS(X) + RPCBUF_HIST_PAGES) *
			       sizeof(uint64_t),
	       "nothing but the figures, in their order");
#undef X

static void read_figures(void *owner, uint64_t *values)
{
	struct rpcbuf_engine_stats stats;

	rpcbuf_engine_stats(owner, &stats);
	memcpy(values, &stats, sizeof(stats));
}

int rpcbuf_engine_publish(struct rpcbuf_engine *engine,
			  struct rpcbuf_publisher *publisher)
{
	const struct rpcbuf_source source = {
		.owner = engine,
		.figures = figures,
		.nr_figures = sizeof(figures) / sizeof(*figures),
		.read = read_figures,
	};
	char detail[32];
	int err = rpcbuf_publisher_add(publisher, &source);

	if (err)
		return err;
	snprintf(detail, sizeof(detail), "engine %s",
		 rpcbuf_engine_backend(engine));
	rpcbuf_publisher_detail(publisher, detail);
	os_store_release(&engine->publisher, publisher);
	return 0;
}

void engine_unpublish(struct rpcbuf_engine *engine)
{
	if (engine->publisher)
		rpcbuf_publisher_remove(engine->publisher, engine);
}
