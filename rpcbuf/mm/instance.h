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
 *	maintain.pass > report.giving > budget.balloon > freezing
 *	guarding | wait.joining > freezing > a frozen cache > zone | wait.list
 *
 * Callers that must not wait only try for any of these.
 *
 * The fields up to `refusals` are read-mostly, for the fast paths: written at
 * creation, and `waiting` when a queue forms or empties.
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
	FORK_CHILD, /* and not logged yet */
	FORK_LOGGED,
};

struct pcp;
struct mm_node;
struct stats;
struct page_owner;

/* What rpcbuf_fault_set() was given, and what came of it: fault.c. */
struct fault_state {
	struct os_u64 nth, every, share, seed, times, pages, reserve;
	struct os_u64 requests, injected;
};

/* What callers get wrong about a page: page.h. */
enum page_misuse {
	PAGE_FOREIGN,
	PAGE_FREED_TWICE,
	PAGE_GOT_FREE,
	PAGE_MISUSES
};

struct page_refusals {
	struct os_u64 nr;
	struct os_u32 unlogged; /* something below is not logged yet */
	OS_PTR(const void) pages[PAGE_MISUSES]; /* the latest, or NULL */
	struct ratelimit limit;
};

struct wait_list {
	struct rpcbuf_waiter *first, *last;
};

struct wait_queue {
	OS_GUARDED(struct wait_list) list; /* with the links of its waiters */
	struct os_u32 missed;		   /* a wake that found it locked */
	struct os_lock joining; /* raising `waiting`, until caches are empty */
};

struct rpcbuf {
	struct arena arena;
	struct os_u16 *refs;  /* references of each page: page.h */
	struct os_u32 *links; /* of each page: the next on its list, list.c */
	void *blocks;	      /* of all zones, in the order of the pages */
	struct pcp *pcps;	  /* one per CPU */
	struct os_u32 nr_pcps;	  /* 0: the budget is too small for caches */
	struct os_u32 nr_pcps_rseq; /* the same; 0: not that protocol */
	unsigned int nr_cpus;
	unsigned int nr_nodes;
	struct mm_node *nodes;
	uint64_t slice_pages; /* of each node; the last may have more */
	uint64_t made_ticks;  /* os_ticks() and os_now() at creation */
	uint64_t made_ns;
	struct os_u32 pcp_singles; /* a cache keeps no more than this, */
	struct os_u32 pcp_runs;	   /* and this many runs */
	struct os_u32 batch;	  /* pages moved from zone to cache at a time */
	bool rseq;		  /* protocol of the per-CPU locks */
	bool wide;		  /* the CPU has AVX2 */
	struct os_u32 waiting;	  /* releases bypass the caches: wait.c */
	struct os_u32 guard;	  /* misses take a longer way: guard.h */
	struct stats *stats;	  /* stats.h */
	struct page_owner *owners; /* debug builds: poison.h */
	struct os_u8 *red;	   /* NULL, or what is a red zone: harden.h */
	int window_fd;		  /* of the arena's memory, or -1: window.c */
	size_t footprint;	  /* of the mapping that this struct begins */

	/* The maintenance was kicked as a zone fell to its low watermark; not
	 * again until this is 0. */
	struct os_u32 reclaim_asked;

	void (*log)(const char *sentence); /* of the options, or NULL */
	struct rpcbuf *next; /* of the process: fork.c */
	struct os_u32 forked; /* enum fork_state */

	struct page_refusals refusals __attribute__((aligned(MM_CACHE_LINE)));
	struct os_u64 reserved; /* pages in reserves: mempool.c */
	/* Closing and opening caches, and writes of `nr_pcps`. */
	struct os_lock freezing __attribute__((aligned(MM_CACHE_LINE)));
	struct os_lock guarding; /* writes of `guard` */
	struct fault_state fault __attribute__((aligned(MM_CACHE_LINE)));
	struct os_u64 shuffle;
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
