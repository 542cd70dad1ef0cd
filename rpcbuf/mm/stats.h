/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Counting for rpcbuf/stats.h: a line of counters per CPU, and the pools.
 *
 * Any thread, also a signal handler, counts; the CPU is a hint, a count that
 * ends up with another CPU's is still in the sum.  Never on the path that a
 * cache serves.
 *
 * Nothing is called or taken under the lock of the list of pools but the pools'
 * inflight().
 */
#ifndef RPCBUF_MM_STATS_H
#define RPCBUF_MM_STATS_H

#include <rpcbuf/mm/instance.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/os/cpulock.h>
#include <rpcbuf/os/list.h>
#include <rpcbuf/stats.h>

/* Of all figures, also those that rpcbuf_stats_read() looks for. */
enum stat_id {
#define X(name, ...) STAT_##name,
	RPCBUF_STATS(X)
#undef X
	STAT_NR
};

struct stats_cpu {
	struct os_u64 count[STAT_NR];
} __attribute__((aligned(128)));

struct stats_pool {
	struct list_head link;
	uint64_t (*inflight)(const struct stats_pool *pool);
	const void *name; /* what rpcbuf_stats_pools() passes on */
};

struct stats {
	OS_GUARDED(struct list_head) pools;
	unsigned int nr_cpus;
	struct stats_cpu cpus[];
};

/* 0 or -ENOMEM. */
int stats_create(struct rpcbuf *mm);
void stats_destroy(struct rpcbuf *mm);

void stats_add_pool(struct rpcbuf *mm, struct stats_pool *pool);
void stats_del_pool(struct rpcbuf *mm, struct stats_pool *pool);

static inline void stats_add(struct rpcbuf *mm, enum stat_id id, uint64_t n)
{
	unsigned int cpu = os_cpu();
	struct stats *stats = mm->stats;

	os_fetch_add(&stats->cpus[cpu < stats->nr_cpus ? cpu : 0].count[id], n);
}

#endif /* RPCBUF_MM_STATS_H */
