/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/budget.h - how much memory an instance may use, and giving it back.
 *
 * An instance reserves address space for options.memory_max bytes and hands out
 * pages up to its budget, options.memory at first.  Memory is committed in
 * blocks of 2 MiB as pages are first used, and goes back by reporting
 * (rpcbuf/report.h) when it was free for a while, or when it is asked for:
 * by rpcbuf_reclaim(), by a shortage of pages, or because the system, or the
 * cgroup of the process, says that memory is short.
 *
 * All of that is maintenance: the work of a thread that rpcbuf_create() starts
 * and rpcbuf_destroy() ends, with all signals blocked; with
 * options.no_thread it is done by rpcbuf_maintain().
 *
 * Threads: any, at any time, unless it says otherwise; no signal handlers.  In
 * a child of the process that made the instance all return -EPERM (0 where
 * bytes are returned).
 */
#ifndef RPCBUF_BUDGET_H
#define RPCBUF_BUDGET_H

#include <rpcbuf/hook.h>
#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * rpcbuf_budget_set - change the budget while the instance is in use.
 *
 * @memory in bytes, rounded down to whole pages; from RPCBUF_MEMORY_MIN to
 * options.memory_max.  A larger budget takes effect before the return, and
 * wakes the threads that wait for pages.  A smaller one takes free pages away at
 * once, and the rest as it is released; until then requests get only pages that
 * caches still have, unless they have RPCBUF_GFP_RESERVE.  Pages that were taken
 * away lose their memory.
 * Returns 0; -EINVAL, or -EBUSY when reserves were promised more than @memory
 * (rpcbuf/mempool.h), with nothing changed.  Never waits for pages.
 */
int rpcbuf_budget_set(struct rpcbuf *mm, uint64_t memory);

/* In bytes.  Start from RPCBUF_BUDGET_INIT. */
struct rpcbuf_budget {
	size_t size;	     /* sizeof(struct rpcbuf_budget) */
	uint64_t memory;     /* the budget in force */
	uint64_t memory_max; /* the most that it can be set to */
	uint64_t excess;     /* bytes out above a budget that was lowered */
};

#define RPCBUF_BUDGET_INIT { .size = sizeof(struct rpcbuf_budget) }

/* Fills *budget.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_budget_get(struct rpcbuf *mm, struct rpcbuf_budget *budget);

/*
 * rpcbuf_reclaim - give memory back to the operating system now.
 *
 * @bytes: how much is enough; UINT64_MAX for all.  Takes free blocks of 2 MiB,
 * however short they have been free; when these are not enough, calls the
 * shrinkers, empties the caches, and tries again; then come free pages of other
 * blocks.  What requests need next stays, as in reporting.  Returns the bytes
 * that went back, possibly more than @bytes by a part of a block.  May wait for other threads' system calls, not
 * for pages.
 */
uint64_t rpcbuf_reclaim(struct rpcbuf *mm, uint64_t bytes);

struct rpcbuf_shrinker;

/*
 * Releases up to @nr pages, more if that is simpler, of those that its owner
 * can do without: idle vectors, caches, pools.  Returns how many it released,
 * or will in a moment on another thread; 0 when it has none.  No lock is held;
 * calls of one shrinker never overlap.  It may allocate; it must not call
 * rpcbuf_maintain(), rpcbuf_reclaim() or rpcbuf_shrinker_unregister().
 */
typedef uint64_t (*rpcbuf_shrink_fn)(struct rpcbuf_shrinker *shrinker,
				     uint64_t nr);

/* The owner's, zeroed but for `shrink`; stays where it is while registered. */
struct rpcbuf_shrinker {
	rpcbuf_shrink_fn shrink;
	struct rpcbuf_hook hook; /* private */
};

/* Calls @shrinker from now on when pages are short.  Returns 0, -EBUSY when it is
 * registered already, -EINVAL without a callback, -EPERM in a child. */
int rpcbuf_shrinker_register(struct rpcbuf *mm,
			     struct rpcbuf_shrinker *shrinker);

/* Waits for a call of the callback that is under way; there is none afterwards.
 * Returns 0, -ENOENT when it is not registered, or -EPERM in a child. */
int rpcbuf_shrinker_unregister(struct rpcbuf *mm,
			       struct rpcbuf_shrinker *shrinker);

/*
 * rpcbuf_maintain - do what is due.
 *
 * For programs without the instance's thread; harmless beside it.  Reclaims
 * when pages are short, lets caches decay, reports a batch.  Returns the
 * milliseconds after which it wants to be called again, at least 1; calling it
 * more often is harmless, less often keeps memory longer.  Does not see the
 * system's pressure: call rpcbuf_reclaim() for that.
 */
int rpcbuf_maintain(struct rpcbuf *mm);

/*
 * rpcbuf_maintain_stop - end the instance's thread before rpcbuf_destroy()
 * does.
 *
 * For code that is about to be unloaded while pages are missing.  Waits for the
 * pass that is under way.  Not from a callback.  Harmless without a thread.
 */
void rpcbuf_maintain_stop(struct rpcbuf *mm);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_BUDGET_H */
