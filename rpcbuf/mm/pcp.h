/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Per-CPU caches of pages.
 *
 * A cache is two arrays: addresses of single pages, and addresses of runs of
 * 16 adjacent, aligned pages.  Both are stacks of slices: what is taken is the
 * top slice in ascending position, what is released is appended in the same
 * order, so a vector that comes back goes out again as it was.  Requests of 16
 * and more are served in runs, smaller ones from single pages: traffic in
 * single pages cannot scatter the vectors.
 *
 * Concurrency: a cache is used under its CPU's lock (os/cpulock.h), which is
 * tried, never waited for; a caller that fails uses the zone.  A hold moves
 * at most 64 pages, or addresses of runs, and takes no other lock.  The counts
 * may be read by anybody.
 *
 * How much a cache keeps adapts: each miss and each overflow doubles its
 * limits, up to those of the instance; a period without any halves them.  Whole
 * batches of runs leave by way of the node's depot.  Periods, and the draining
 * of CPUs that did nothing for one, are pcp_decay()'s, which the instance's
 * maintenance calls; nobody else drains except in a shortage.
 */
#ifndef RPCBUF_MM_PCP_H
#define RPCBUF_MM_PCP_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/instance.h>
#include <rpcbuf/mm/slots.h>
#include <rpcbuf/os/cpulock.h>

#define PCP_CHUNK	 ZONE_BATCH /* pages moved in one hold */

/* Most that any budget makes a cache keep; the arrays have room for two more
 * chunks, so that a release may overshoot before it trims. */
#define PCP_SINGLES_MAX	 256u
#define PCP_RUNS_MAX	 64u
#define PCP_SINGLES_ROOM (PCP_SINGLES_MAX + 2 * PCP_CHUNK)
#define PCP_SINGLES_MIN	 64u /* limits do not decay below these */
#define PCP_RUNS_MIN	 8u
#define PCP_RUNS_ROOM	 (PCP_RUNS_MAX + 2 * PCP_CHUNK / RUN_PAGES)

typedef void *pcp_run_stack[PCP_RUNS_ROOM];
typedef void *pcp_single_stack[PCP_SINGLES_ROOM];

struct pcp {
	struct os_cpulock lock;
	/* Written by the holder of the lock. */
	struct os_u32 nr_singles;
	struct os_u32 nr_runs;
	struct os_u32 high_singles; /* it trims when it has more than these */
	struct os_u32 high_runs;
	/* Constant. */
	struct arena slice; /* of its node; others' pages it does not keep */
	struct os_u16 *refs; /* the counts of these pages: page.h */
	uintptr_t refs_of_0; /* where that of address 0 would be */
	uint16_t node;
	struct os_u16 scattered; /* the zone had no runs: serve single pages */
	struct os_u32 misses; /* and overflows, that made limits grow; wraps */
	/* Of pcp_decay(), under `freezing`. */
	struct os_u32 idle;	     /* the last one found it unused */
	struct os_u32 misses_before; /* at the last one */
	OS_HELD(pcp_run_stack) runs;
	OS_HELD(pcp_single_stack) singles;
} __attribute__((aligned(128)));

/* The stacks; the caller holds the lock or has frozen it. */
static inline void **pcp_runs(struct pcp *pcp)
{
	return *os_held(&pcp->lock, &pcp->runs);
}

static inline void **pcp_singles(struct pcp *pcp)
{
	return *os_held(&pcp->lock, &pcp->singles);
}

/* @fake: CPUs are dealt out to the nodes, whatever the machine has. */
void pcp_init(struct rpcbuf *mm, bool fake);

/* Chooses the limits of the caches for a budget; while they are in use, too:
 * those of each CPU get there by and by. */
void pcp_limits(struct rpcbuf *mm, uint64_t nr_pages);

/* The node that the caller runs on, a moment ago. */
unsigned int pcp_node(const struct rpcbuf *mm);

/* Counts a cache that was locked or closed; NULL, for the callers' sake. */
struct pcp *pcp_missed(struct rpcbuf *mm) __attribute__((cold, noinline));

/* What a refill took beyond its need goes to the cache of this CPU, if that is
 * of the node: a release, see wait.c. */
void pcp_put_surplus(struct rpcbuf *mm, unsigned int node, void **pages,
		     unsigned int nr, bool adjacent);

void pcp_put_surplus_runs(struct rpcbuf *mm, unsigned int node,
			  void *const *runs, unsigned int nr);

/* Shared by the files of the caches: the coldest entries off a stack, and runs
 * to the zone. */
unsigned int pcp_cut_stack(void **stack, struct os_u32 *nr, void **cold,
			   unsigned int most);
void pcp_give_runs(struct rpcbuf *mm, void *const *runs, unsigned int nr);

/* Whether the zone had runs when this CPU's cache had none: a hint. */
void pcp_note_scattered(struct rpcbuf *mm, bool scattered);

/* Up to @want single pages of this CPU's cache, if it is of the node. */
unsigned int pcp_take_singles(struct rpcbuf *mm, unsigned int node,
			      void **pages, unsigned int want);

/* For the holder of a cache that is over its limits: moves the coldest pages
 * out, PCP_CHUNK at most; returns how many. */
unsigned int pcp_cut(struct pcp *pcp, void **cold);

/*
 * For the holder of a cache that is over its limits: moves the coldest pages
 * to the zone, PCP_CHUNK at most, and lets go of the lock in between.
 */
void pcp_trim_unlock(struct rpcbuf *mm, struct pcp *pcp)
	__attribute__((cold, noinline));

/* What this CPU's cache did not have: up to @want (at most PCP_CHUNK) pages from
 * the nodes, and a batch for the cache; the pages of all caches before it gives
 * up.  Returns how many. */
unsigned int pcp_refill(struct rpcbuf *mm, rpcbuf_gfp_t gfp, unsigned int node,
			rpcbuf_nodemask_t mask, void **pages,
			unsigned int want);

/*
 * Moves every cached page to the zone and returns how many.  Every release
 * that began before is then either in the zone or sees what the caller wrote
 * before the call.
 */
uint64_t pcp_drain_all(struct rpcbuf *mm);

/*
 * Once per period, a second or so, by the maintenance of the instance: halves
 * the limits of caches that had no miss since the last call, and moves to the
 * zone what is over them, what CPUs hold that did not touch their cache for two
 * periods, and runs in depots that were not wanted.  Returns how many pages.
 */
uint64_t pcp_decay(struct rpcbuf *mm);

/* Pages in all caches and depots; exact while nobody allocates. */
uint64_t pcp_nr_cached(struct rpcbuf *mm);

/* Freezes and walks all caches; for tests.  NULL, or what is wrong. */
const char *pcp_is_valid(struct rpcbuf *mm);

#endif /* RPCBUF_MM_PCP_H */
