/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/stats.h - what an instance counts.
 *
 * One list, rpcbuf/tbl/mm_counters.def, makes the struct, both printers and the
 * table of names; a program may expand it for its own purposes.  Nothing is counted where the cache of a
 * CPU serves a request or takes a release: that path has no instruction to
 * spare, and layers above count what they ask for.  What is counted is where
 * pages go that the caches could not serve, per CPU, summed by the reader.
 *
 * Threads: any, at any time.  Sums over CPUs and levels are exact only while
 * nobody allocates.  Nothing here waits.
 */
#ifndef RPCBUF_STATS_H
#define RPCBUF_STATS_H

#include <rpcbuf/mm.h>
#include <rpcbuf/tbl/mm_counters.def>

#ifdef __cplusplus
extern "C" {
#endif

/* Start from RPCBUF_STATS_INIT. */
struct rpcbuf_stats {
	size_t size; /* sizeof(struct rpcbuf_stats) */
#define X(name, ...) uint64_t name;
	RPCBUF_STATS(X)
#undef X
};

#define RPCBUF_STATS_INIT { .size = sizeof(struct rpcbuf_stats) }

/* Reads all.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_stats_read(struct rpcbuf *mm, struct rpcbuf_stats *stats);

/*
 * Prints as lines `name value`, or as one JSON object.
 *
 * Writes at most @len bytes with the final NUL and returns the length of the
 * whole, as snprintf(3) does; 0, and writes nothing, for a wrong `size`.  JSON: the numbers may exceed 2^53.
 */
size_t rpcbuf_stats_print(const struct rpcbuf_stats *stats, char *text,
			  size_t len);
size_t rpcbuf_stats_json(const struct rpcbuf_stats *stats, char *text,
			 size_t len);

/* What a name means; NULL for names that are not on the list. */
const char *rpcbuf_stats_what(const char *name);

/*
 * Calls @fn for each page pool of the instance, with the pages that entered the
 * pool and did not leave it.  @fn must not make or destroy pools.
 */
void rpcbuf_stats_pools(struct rpcbuf *mm,
			void (*fn)(void *opaque, const void *pool,
				   uint64_t inflight),
			void *opaque);

/*
 * Shows what the instance counts in the segment of @publisher
 * (rpcbuf/publish.h), under the names of the list with `mm_` in front.  0, or
 * what rpcbuf_publisher_add() returns.  Before the instance is destroyed:
 * rpcbuf_publisher_remove(publisher, mm), or the end of the publisher.
 */
struct rpcbuf_publisher;
int rpcbuf_stats_publish(struct rpcbuf *mm, struct rpcbuf_publisher *publisher);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_STATS_H */
