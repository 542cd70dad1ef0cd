/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/mm.h - pages: an instance, the bulk page allocator, waiting.
 *
 * An instance (struct rpcbuf) owns one mapping of address space, its arena,
 * and hands out pages of RPCBUF_PAGE_SIZE bytes from it.  A page is named by
 * its address: `void *`, aligned to its size.  Pages of one fill are adjacent
 * in memory where that is possible, so that a vector of them is few iovecs.
 *
 * Threads: every function may be called by any thread at any time, unless it
 * says otherwise; by a signal handler only requests with RPCBUF_GFP_NOLOCK and
 * the releases named _nolock.  Nothing here aborts on shortage.
 */
#ifndef RPCBUF_MM_H
#define RPCBUF_MM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RPCBUF_PAGE_SHIFT 12
#define RPCBUF_PAGE_SIZE ((size_t)1 << RPCBUF_PAGE_SHIFT)
#define RPCBUF_PAGE_MASK (~(RPCBUF_PAGE_SIZE - 1))

/* Most slots that one bulk call takes; more is served up to here. */
#define RPCBUF_BULK_MAX 65536u

struct rpcbuf;

/*
 * Flags of a request for pages, named after the kernel's gfp flags.
 * Without a flag a request takes what is there and never sleeps.
 */
typedef unsigned int rpcbuf_gfp_t;
#define RPCBUF_GFP_NOWAIT ((rpcbuf_gfp_t)0)
#define RPCBUF_GFP_ZERO ((rpcbuf_gfp_t)1 << 0) /* pages are zeroed */
#define RPCBUF_GFP_WAIT ((rpcbuf_gfp_t)1 << 1) /* may sleep; only calls that
						* name it do */

/*
 * RPCBUF_GFP_NOLOCK: served from this CPU's cache, else by locks that happen to
 * be free; never waits for a lock and wakes nobody.  May come back empty while
 * there are pages.  Safe in a signal handler that interrupts the library.  In this
 * project only tests use it.
 *
 * RPCBUF_GFP_RESERVE: may use what is kept back from everybody else, for
 * callers that need a page in order to release others.
 */
#define RPCBUF_GFP_NOLOCK  ((rpcbuf_gfp_t)1 << 2)
#define RPCBUF_GFP_RESERVE ((rpcbuf_gfp_t)1 << 3)

/*
 * Structs that begin with `size` may grow at their end.
 *
 * Start from the macro RPCBUF_..._INIT of the struct: it sets `size` to the
 * sizeof that the program is compiled with.  So programs and libraries of
 * different releases work together.  The library takes defaults for members of
 * options that an older program lacks, and refuses with -E2BIG those that it
 * does not know itself, unless they are zero.  Of a struct of results it fills
 * what both know; the rest of a newer program's is zero.  -EINVAL: `size` is 0.
 * Other structs do not grow.
 */

/* Options of an instance.  Start from RPCBUF_OPTIONS_INIT. */
struct rpcbuf_options {
	size_t size;		/* sizeof(struct rpcbuf_options) */
	uint64_t memory;	/* page budget in bytes; rounded down to whole
				 * pages; from RPCBUF_MEMORY_MIN to
				 * RPCBUF_MEMORY_MAX */
	bool no_hugepages;	/* no transparent hugepages, even where the
				 * system gives them to all; otherwise advised
				 * for budgets of 16 MiB and more */
	unsigned int nodes;	/* memory nodes: 0 for those of the machine;
				 * else the budget is split in so many, up to
				 * RPCBUF_NODES_MAX and 2 MiB each at least, and
				 * the CPUs are dealt out to them: for tests */
	unsigned int harden;	/* RPCBUF_HARDEN_*; the environment variable
				 * RPCBUF_HARDEN, names in lower case with
				 * commas, adds to it */
	bool windows;		/* memory that rpcbuf/window.h can map again:
				 * counted as shared, never in hugepages */
	uint64_t memory_max;	/* the most that rpcbuf_budget_set() may set, in
				 * bytes, up to RPCBUF_MEMORY_MAX: address space
				 * for so much is reserved; 0: `memory` */
	bool no_thread;		/* no thread for maintenance: the program calls
				 * rpcbuf_maintain() (rpcbuf/budget.h) */
	bool no_pressure;	/* the thread does not listen for the system's
				 * memory pressure */
	void (*log)(const char *sentence); /* told, with no lock held and by
				 * whichever thread, of a release that was
				 * refused; NULL: standard error */
};

/*
 * Hardening.  Any of it shuts the caches of the CPUs, so that every page goes
 * through its zone; pages are handed out and taken back some ten times slower
 * for that, apart from what the hardening itself costs.
 */
#define RPCBUF_HARDEN_INIT_ON_ALLOC (1u << 0) /* all pages come zeroed */
#define RPCBUF_HARDEN_INIT_ON_FREE  (1u << 1) /* ... and are zeroed when freed */
#define RPCBUF_HARDEN_SHUFFLE	    (1u << 2) /* addresses in random order; no
					       * adjacent pages but in runs */
#define RPCBUF_HARDEN_REDZONE	    (1u << 3) /* a page behind each allocation
					       * that must not be written to:
					       * the release aborts and names
					       * the page if it was.  Left out
					       * where memory is short, and
					       * above 511 pages */
#define RPCBUF_HARDEN_ALL	    0xfu

#define RPCBUF_MEMORY_MIN ((uint64_t)64 << 10)
#define RPCBUF_MEMORY_MAX ((uint64_t)8 << 40)

#define RPCBUF_OPTIONS_INIT                                                    \
	{                                                                      \
		.size = sizeof(struct rpcbuf_options),                         \
		.memory = (uint64_t)64 << 20,                                  \
	}

#define RPCBUF_NODES_MAX 64u

/*
 * rpcbuf_create - make an instance.
 *
 * Address space is reserved here; memory is committed page by page when it is
 * first written to.  Returns 0 and stores the instance in *mm; -EINVAL when
 * an option is out of range, -ENOMEM when address space or bookkeeping (about
 * 1/680 of the budget, committed on use) cannot be had, -EAGAIN or -EMFILE when
 * the thread cannot be started or has no descriptor for its wakes.  *mm is
 * untouched on failure.
 *
 * The instance belongs to the process that made it.  After fork(3) the child
 * may read the pages that it inherited, and write to them: its copy, which the
 * parent does not see.  It gets none, by no call of this library: functions
 * that return a count or an address return none of it, those that return an
 * error -EPERM, at once, also where they would wait.  Releases are ignored.  So
 * are mempools, page pools and request vectors of the instance; their destroy
 * functions free the child's copy.  A sentence on standard error says so once.
 * rpcbuf_destroy() unmaps the instance there.
 *
 * With `windows` the memory is shared with the child until it writes to a page:
 * up to then it reads what the parent has in there now, not what was there at
 * the fork.  Windows are not inherited.
 *
 * All this is done by pthread_atfork(3).  Where that does not run, with _Fork()
 * and clone(2), the child must not use the instance nor write to its pages.
 */
int rpcbuf_create(struct rpcbuf **mm, const struct rpcbuf_options *options);

/*
 * rpcbuf_destroy - unmap an instance.
 *
 * Every page must be back and no thread may be inside a call on @mm.  Ends the
 * instance's thread, if it has one, and waits for that; so the caller holds no
 * lock that a shrinker or a consumer of reports takes.
 * Returns 0, or -EBUSY while pages are out or a waiter is queued; the instance
 * is then unharmed.
 */
int rpcbuf_destroy(struct rpcbuf *mm);

/*
 * rpcbuf_alloc_bulk_array - fill the NULL slots of an array with pages.
 *
 * @nr:    slots in @pages, at most RPCBUF_BULK_MAX are looked at.
 * @pages: slots that are not NULL are left alone; holes anywhere are legal.
 *
 * Returns how many slots, counted from the front, are populated afterwards:
 * @nr for an array that is full, also before the call; less on shortage, where at least
 * one page is always tried for.  @nr == 0 returns 0 and touches nothing.
 * Never sleeps, never reads past @nr.  The pages belong to the caller and
 * their contents are undefined unless RPCBUF_GFP_ZERO asks for zeroes.
 * (The contract of the kernel's alloc_pages_bulk.)
 */
unsigned int rpcbuf_alloc_bulk_array(struct rpcbuf *mm, rpcbuf_gfp_t gfp,
				     unsigned int nr, void **pages);

/*
 * rpcbuf_free_bulk_array - drop one reference on each page of an array.
 *
 * NULL slots are passed over; every slot is NULL afterwards.  A page whose
 * last reference this was goes back to the allocator, and the first thread
 * that waits for pages is woken.  Never sleeps.
 *
 * A page that is free already is refused, as is an address that is no page of
 * the instance: left alone, counted (rpcbuf_mm_counts()), and told of with a
 * sentence that names it, ten a second at most.  So in every build, by all
 * calls that release; debug builds abort.  It is the state of the page that is
 * looked at: once it was handed out again, a second release by its former owner
 * is one by its new owner.  And of two releases by two threads at the same
 * moment both may succeed, where the page goes to a cache of a CPU: to exclude
 * that would cost more than the rest of the release.  One of them is refused in
 * debug builds and in instances with hardening (`harden` above).
 */
void rpcbuf_free_bulk_array(struct rpcbuf *mm, unsigned int nr, void **pages);

/*
 * The same without ever waiting for a lock, for signal handlers and the like.
 * Pages whose place is locked are left to the holder of that lock.  Wakes a waiter,
 * which is a system call that signal handlers may make.
 */
void rpcbuf_free_bulk_array_nolock(struct rpcbuf *mm, unsigned int nr,
				   void **pages);
void rpcbuf_free_page_nolock(struct rpcbuf *mm, void *page);

/*
 * rpcbuf_alloc_run - fill an array with pages that are adjacent in memory.
 *
 * @nr from 1 to RPCBUF_RUN_MAX, the longest vector; all slots of @pages are
 * written.  Returns @nr, or 0 with nothing changed when no such run is free:
 * rpcbuf_alloc_bulk_array() may still serve.  A power of two begins at a multiple
 * of itself, any other length of 16 and more at a multiple of 16, above 512 pages
 * all begin at one of 512; none is rounded up.  The pages are ordinary ones, each
 * with its own reference.  Comes from the zone past the caches, and is meant for
 * vectors whose contents should be contiguous.  Above 512 pages it looks for
 * neighbouring blocks of 2 MiB that are free, through all of the bookkeeping if
 * need be, a cache line for each block.  Never sleeps.
 */
#define RPCBUF_RUN_MAX 4096u
unsigned int rpcbuf_alloc_run(struct rpcbuf *mm, unsigned int nr,
			      void **pages);

/*
 * rpcbuf_free_run - as rpcbuf_free_bulk_array(), past the caches.
 *
 * For pages of a run: back in the zone they are part of one again at once.
 */
void rpcbuf_free_run(struct rpcbuf *mm, unsigned int nr, void **pages);

/* One page: NULL means that none was free.  Never sleeps. */
void *rpcbuf_alloc_page(struct rpcbuf *mm, rpcbuf_gfp_t gfp);

/* Drops one reference, as rpcbuf_free_bulk_array() does for an array. */
void rpcbuf_free_page(struct rpcbuf *mm, void *page);

/*
 * rpcbuf_page_get - take another reference on a page that the caller holds.
 *
 * A page starts with one reference, which costs nothing to keep; further ones
 * are counted in a dense array beside the pages, up to UINT16_MAX - 1.  Each is
 * dropped with rpcbuf_free_page() or rpcbuf_free_bulk_array().  Returns 0;
 * -EPERM in a child of the process; -EOVERFLOW when the count is full; -EINVAL,
 * counted and told of as above, for a page that is free and what is no page.
 * Nothing changed then.
 */
int rpcbuf_page_get(struct rpcbuf *mm, void *page);

/* True when @address lies in a page of this instance. */
bool rpcbuf_owns(const struct rpcbuf *mm, const void *address);

/* Pages that the budget allows, pages that are out now, pages in per-CPU
 * caches, pages that reserves keep aside (rpcbuf/mempool.h), which are neither
 * out nor free.  Sums over CPUs: exact only while nobody allocates.  Refused:
 * releases of, and further references on, what was no page of this instance or
 * was free already; debug builds abort instead and name the address. */
struct rpcbuf_mm_counts {
	size_t size; /* sizeof(struct rpcbuf_mm_counts) */
	uint64_t pages_total;
	uint64_t pages_out;
	uint64_t pages_cached;
	uint64_t pages_reserved;
	uint64_t refused;
	uint64_t longest_hold_ns; /* of a zone's lock, which others may wait
				   * for; preemption of the holder included */
};

#define RPCBUF_MM_COUNTS_INIT { .size = sizeof(struct rpcbuf_mm_counts) }

/* Fills *counts, whose `size` is set.  0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_mm_counts(struct rpcbuf *mm, struct rpcbuf_mm_counts *counts);

/*
 * Waiting for pages.
 *
 * A waiter embeds its queue entry, so waiting allocates nothing.  The queue
 * is first in, first out.  Any release of pages wakes the head, from
 * whichever thread or cache the release came; the head tries again and
 * leaves the queue when it has what it needs, which wakes the next.
 *
 * A waiter is woken through `woken`, a futex word that only grows, and through
 * `eventfd` when that is not -1, so that an event loop can wait without a
 * thread.  Initialise with RPCBUF_WAITER_INIT; one thread uses a waiter.
 */
struct rpcbuf_waiter {
	struct {
		struct rpcbuf_waiter *os_private;
	} prev, next;			   /* private: under the queue's lock */
	struct rpcbuf *mm;		   /* private: whose queue, or NULL */
	const void *pool; /* private: whose reserve would do as well, or NULL */
	struct {
		uint32_t os_private;
	} woken, sleeping; /* private: futex word; a futex wake is needed */
	int eventfd;			   /* written with 1 on each wake, or -1 */
};

#define RPCBUF_WAITER_INIT { .eventfd = -1 }

/*
 * rpcbuf_wait_join - queue up for pages.
 *
 * From its return on, no release goes unnoticed: pages kept in per-CPU caches
 * have been given back to the zone, and releases bypass the caches.  The
 * caller tries once more after joining, then sleeps with rpcbuf_wait_sleep()
 * or does other work until its eventfd is readable.  Joining twice is
 * joining once.  May wait for the membarrier(2) that the first waiter issues.
 */
void rpcbuf_wait_join(struct rpcbuf *mm, struct rpcbuf_waiter *waiter);

/* True when @waiter is at the head of its queue: it alone may keep a partial
 * fill while it sleeps; the others give theirs back. */
bool rpcbuf_wait_is_head(const struct rpcbuf_waiter *waiter);

/* How often @waiter was woken so far: read it before the last try, then pass
 * it to rpcbuf_wait_sleep(), and no wake is lost in between. */
uint32_t rpcbuf_wait_count(const struct rpcbuf_waiter *waiter);

/*
 * rpcbuf_wait_sleep - sleep until the count differs from @count.
 *
 * @timeout_ns: longest sleep in nanoseconds.  Returns 0 when woken (or at
 * once when the count differs already), -ETIMEDOUT, -EINTR on a signal, or
 * -EPERM at once for a waiter that is queued in a parent's instance.
 */
int rpcbuf_wait_sleep(struct rpcbuf_waiter *waiter, uint32_t count,
		      uint64_t timeout_ns);

/* Leaves the queue; the next waiter, if any, becomes the head and is woken.
 * Harmless when @waiter is not queued. */
void rpcbuf_wait_leave(struct rpcbuf_waiter *waiter);

/* Wakes everybody in the queue without releasing pages: a service stops. */
void rpcbuf_wait_wake_all(struct rpcbuf *mm);

/* True while anybody is queued: new fillers then queue up behind instead of
 * taking pages past the queue.  One load. */
bool rpcbuf_wait_pending(const struct rpcbuf *mm);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_MM_H */
