/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An instance: the arena, and what the modules of this folder keep for it.
 *
 * It lies at the start of one lazily committed mapping that holds all
 * bookkeeping: this struct, the per-CPU caches, the blocks of the zone, the
 * reference counts and the links of lists.
 *
 * Lock order, for the whole folder.  No thread waits for a lock while it
 * holds a CPU's cache, and a cache is only ever tried for, or frozen:
 *
 *	maintain.pass > report.giving > budget.lock > freezing
 *	guarding | wait.joining > freezing > a frozen cache > zone.lock | wait.lock
 *
 * Callers that must not wait only try for any of these.
 *
 * The fields up to `refusals` are written when the instance is made, and
 * `waiting` when a queue forms or dissolves: the fast paths share these lines
 * with nobody who writes.
 */
#ifndef RPCBUF_MM_INSTANCE_H
#define RPCBUF_MM_INSTANCE_H

#include <rpcbuf/bulk.h>
#include <rpcbuf/mm/arena.h>
#include <rpcbuf/mm/budget.h>
#include <rpcbuf/mm/maintain.h>
#include <rpcbuf/mm/report.h>
#include <rpcbuf/mm/zone.h>
#include <rpcbuf/os/lock.h>
#include <rpcbuf/os/ratelimit.h>

#define MM_CACHE_LINE 64

enum fork_state {
	FORK_NONE,
	FORK_CHILD, /* and not told yet */
	FORK_TOLD,
};

struct pcp;
struct mm_node;
struct stats;
struct page_owner;

/* What rpcbuf_fault_set() was given, and what came of it: fault.c. */
struct fault_state {
	uint64_t nth, every, share, seed, times, pages, reserve;
	uint64_t requests, injected;
};

/* What callers get wrong about a page: page.h. */
enum page_misuse {
	PAGE_FOREIGN,
	PAGE_FREED_TWICE,
	PAGE_GOT_FREE,
	PAGE_MISUSES
};

struct page_refusals {
	uint64_t nr;
	uint32_t untold;		 /* something below is not told yet */
	const void *pages[PAGE_MISUSES]; /* the latest, or NULL */
	struct ratelimit limit;
};

struct wait_queue {
	struct os_lock lock;	/* the list, and `woken` of those in it */
	uint32_t missed;	/* a wake that found `lock` held */
	struct os_lock joining; /* raising `waiting`, until caches are empty */
	struct rpcbuf_waiter *first, *last;
};

struct rpcbuf {
	struct arena arena;
	uint16_t *refs;	 /* references of each page: page.h */
	uint32_t *links; /* of each page: the next on its list, list.c */
	struct zone_block *blocks; /* of all zones, in the order of the pages */
	struct pcp *pcps;	  /* one per CPU */
	unsigned int nr_pcps;	  /* 0: the budget is too small for caches */
	unsigned int nr_pcps_rseq; /* the same; 0: not that protocol */
	unsigned int nr_cpus;
	unsigned int nr_nodes;
	struct mm_node *nodes;
	uint64_t slice_pages; /* of each node; the last may have more */
	uint64_t made_ticks;  /* os_ticks() and os_now() at creation */
	uint64_t made_ns;
	unsigned int pcp_singles; /* a cache keeps no more than this, */
	unsigned int pcp_runs;	  /* and this many runs */
	unsigned int batch;	  /* pages moved from zone to cache at a time */
	bool rseq;		  /* protocol of the per-CPU locks */
	bool wide;		  /* the CPU has AVX2 */
	uint32_t waiting;	  /* releases bypass the caches: wait.c */
	uint32_t guard;		  /* misses take a longer way: guard.h */
	struct stats *stats;	  /* stats.h */
	struct page_owner *owners; /* debug builds: poison.h */
	uint8_t *red;		  /* NULL, or what is a red zone: harden.h */
	int window_fd;		  /* of the arena's memory, or -1: window.c */
	size_t footprint;	  /* of the mapping that this struct begins */

	/*
	 * Called, from any thread and with no lock held, when a zone falls to
	 * its low watermark; not again until `reclaim_asked` is 0.  NULL:
	 * nobody reclaims.
	 */
	void (*reclaim_wake)(struct rpcbuf *mm);
	uint32_t reclaim_asked;

	void (*log)(const char *sentence); /* of the options, or NULL */
	struct rpcbuf *next; /* of the process: fork.c */
	uint32_t forked;     /* enum fork_state */

	struct page_refusals refusals __attribute__((aligned(MM_CACHE_LINE)));
	uint64_t reserved; /* pages in reserves: mempool.c */
	struct os_lock freezing __attribute__((aligned(MM_CACHE_LINE)));
	struct os_lock guarding;
	struct fault_state fault __attribute__((aligned(MM_CACHE_LINE)));
	uint64_t shuffle;
	struct wait_queue wait __attribute__((aligned(MM_CACHE_LINE)));
	struct mm_budget budget __attribute__((aligned(MM_CACHE_LINE)));
	struct mm_report report;
	struct mm_maintain maintain;
};

/*
 * Puts pages back in the zone, past the caches, and wakes the head of the
 * queue if there is one.  At most ZONE_BATCH.
 */
void mm_give(struct rpcbuf *mm, void *const *pages, unsigned int nr);

/* The same for a run of pages that lies within a block of the zone. */
void mm_give_run(struct rpcbuf *mm, void *first, unsigned int nr);

/* The same without waiting for a lock: node.c, zone_defer.c. */
void mm_give_nolock(struct rpcbuf *mm, void *const *pages, unsigned int nr);

/* Walks zones and caches; for tests.  NULL, or a sentence on what is wrong. */
const char *mm_is_valid(struct rpcbuf *mm);

#endif /* RPCBUF_MM_INSTANCE_H */
