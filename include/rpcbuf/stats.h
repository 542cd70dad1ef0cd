/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/stats.h - what an instance counts.
 *
 * One list makes the struct, both printers and the table of names; a program
 * may expand it for its own purposes.  Nothing is counted where the cache of a
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

#ifdef __cplusplus
extern "C" {
#endif

/*
 * X(kind, name, what).  COUNTER: only grows.  GAUGE: a level now.  MAX: the
 * highest since the instance was made.  Names in _pages, _bytes and _ns are
 * in these units, the others are numbers of events.
 */
#define RPCBUF_STATS_COUNTED(X)                                                \
	X(COUNTER, refills, "requests that the cache of the CPU did not serve") \
	X(COUNTER, bulk_pages, "pages taken in bulk from the preferred node")  \
	X(COUNTER, stocked_pages, "of these, pages that stayed in the cache")  \
	X(COUNTER, single_pages, "pages taken by the single-page path")        \
	X(COUNTER, fallback_pages, "of these, pages of other nodes")           \
	X(COUNTER, reserve_pages, "of these, pages below the min watermark")   \
	X(COUNTER, run_pages, "pages taken as runs, and of orders above 0")    \
	X(COUNTER, nolock_pages, "pages taken by try-locks alone")             \
	X(COUNTER, short_requests, "requests that got fewer than they wanted") \
	X(COUNTER, trylock_misses, "caches that were found locked or closed")  \
	X(COUNTER, zone_puts, "batches released past the caches")              \
	X(COUNTER, zone_put_pages, "pages in these")                           \
	X(COUNTER, drains, "times that caches were emptied")                   \
	X(COUNTER, drained_pages, "pages that this moved")                     \
	X(COUNTER, reclaim_wakes, "times that the reclaimer was asked")        \
	X(COUNTER, waits, "sleeps of those who wait for pages")                \
	X(COUNTER, wait_ns, "nanoseconds slept")                               \
	X(COUNTER, wakes, "wakes of the head of the queue")                    \
	X(COUNTER, mempool_pages, "pages that reserves of mempools gave")      \
	X(COUNTER, reported_bytes, "bytes given back by reporting")            \
	X(COUNTER, faults, "requests failed by fault injection")               \
	X(COUNTER, windows, "contiguous windows that were mapped")

#define RPCBUF_STATS_READ(X)                                                \
	X(GAUGE, total_pages, "pages of the budget")                        \
	X(GAUGE, out_pages, "pages that are out")                           \
	X(GAUGE, cached_pages, "pages in caches")                           \
	X(GAUGE, kept_pages, "pages that reserves of mempools keep")        \
	X(COUNTER, refused, "releases of what was no page, or free")        \
	X(GAUGE, waiting, "1 while anybody is queued for pages")            \
	X(GAUGE, pools, "page pools")                                       \
	X(GAUGE, inflight_pages, "pages in page pools, counted by the pool's " \
				 "order")                                   \
	X(MAX, longest_hold_ns, "longest hold of a zone's lock")

#define RPCBUF_STATS(X)         \
	RPCBUF_STATS_COUNTED(X) \
	RPCBUF_STATS_READ(X)

/* Start from RPCBUF_STATS_INIT. */
struct rpcbuf_stats {
	size_t size; /* sizeof(struct rpcbuf_stats) */
#define RPCBUF_STATS_MEMBER(kind, name, what) uint64_t name;
	RPCBUF_STATS(RPCBUF_STATS_MEMBER)
#undef RPCBUF_STATS_MEMBER
};

#define RPCBUF_STATS_INIT { .size = sizeof(struct rpcbuf_stats) }

/* Reads all.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_stats_read(struct rpcbuf *mm, struct rpcbuf_stats *stats);

/*
 * Prints as lines `name value`, or as one JSON object.
 *
 * Writes at most @len bytes with the final NUL and returns the length of the
 * whole, as snprintf(3) does.  JSON: the numbers may exceed 2^53.
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
