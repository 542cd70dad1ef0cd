/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/rqst.h - the request page vector.
 *
 * A running thread owns one vector, rq_pages, that is full before it receives:
 * the socket is read straight into these pages.  What a call used is taken out
 * and travels with the call; the next fill refills only those slots.
 * (The kernel's svc_alloc_arg(), net/sunrpc/svc_xprt.c.)
 *
 * A call whose payload shall lie in one piece wants adjacent pages: it says how
 * many, and the fill has a run of them in front where one is to be had.  A run is
 * longer than one call wants, and what is left of it is kept for the next that
 * does: calls that need no run are given other pages, so that they neither cut it
 * up nor keep, for as long as they take, memory that runs are made of.
 *
 * Threads: one thread at a time uses a vector; only rpcbuf_service_stop() may be
 * called from others.
 */
#ifndef RPCBUF_RQST_H
#define RPCBUF_RQST_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_mempool;
struct rpcbuf_rqst;

/* 1 MiB of payload, headers, and a record that starts anywhere in a page. */
#define RPCBUF_RQST_MAXPAGES_DEFAULT 259u
#define RPCBUF_RQST_MAXPAGES_MAX 4096u

/*
 * rpcbuf_service - what vectors of one server share: the flag that ends their
 * waits.  Embed it; zero-initialised is running.
 */
struct rpcbuf_service {
	struct {
		bool os_private;
	} stopping; /* private: use rpcbuf_service_stop() */
};

/* Start from RPCBUF_RQST_STATS_INIT. */
struct rpcbuf_rqst_stats {
	size_t size;		/* sizeof(struct rpcbuf_rqst_stats) */
	uint64_t fills;		/* calls of rpcbuf_rqst_fill() that wanted pages */
	uint64_t pages_filled;	/* pages they got */
	uint64_t bulk_calls;	/* bulk calls they made */
	uint64_t runs;	  /* runs they got, however many calls share one */
	uint64_t no_runs; /* fills that wanted a run and found none */
	uint64_t sleeps;	/* fills that found a shortage and waited */
	uint64_t sleep_ns;	/* nanoseconds they waited, CLOCK_MONOTONIC */
};

#define RPCBUF_RQST_STATS_INIT { .size = sizeof(struct rpcbuf_rqst_stats) }

/*
 * rpcbuf_rqst_create - make a vector of @maxpages NULL slots and a sentinel.
 *
 * @maxpages from 1 to RPCBUF_RQST_MAXPAGES_MAX.  @service may be NULL: then a
 * fill waits until pages come.  0, -EINVAL or -ENOMEM; *rqst untouched on
 * failure.
 */
int rpcbuf_rqst_create(struct rpcbuf_rqst **rqst, struct rpcbuf *mm,
		       struct rpcbuf_service *service, unsigned int maxpages);

/* Gives the pages back and frees the vector.  NULL is allowed. */
void rpcbuf_rqst_destroy(struct rpcbuf_rqst *rqst);

/*
 * rpcbuf_rqst_reserve - let a vector fall back on a reserve (rpcbuf/mempool.h).
 *
 * Vectors share it, with each other and with requests of the pool: of those
 * that wait it serves the first in the queue, so that one call at a time goes
 * on however many pages the others keep.  It is topped up by fills that find no
 * shortage, and at once by pages that are released to it, and by those that the
 * vectors themselves give back.  Its min_nr must be maxpages or more (-EINVAL
 * otherwise), and it must outlive the vector.  NULL: none, as at first.  A
 * vector that is queued loses its place.
 */
int rpcbuf_rqst_reserve(struct rpcbuf_rqst *rqst,
			struct rpcbuf_mempool *reserve);

/*
 * rpcbuf_rqst_want - say what the next fills are for.
 *
 * @run: so many adjacent pages, up to maxpages; 0, as at first: any pages.  It is
 * a wish: see rpcbuf_rqst_fill().  Costs nothing by itself.
 */
void rpcbuf_rqst_want(struct rpcbuf_rqst *rqst, unsigned int run);

/*
 * rpcbuf_rqst_fill - fill every NULL slot; sleeps on shortage.
 *
 * Where a run is wanted (rpcbuf_rqst_want()) that is looked for first: so many
 * pages or more of what is left of the last run, else a new one, for which what
 * was left goes back.  With one it returns 0, with the run in front and all other
 * pages out of sight, and fills nothing else.  It finds none where memory is too
 * scattered, and while others wait for pages: then it goes on as without the wish.
 *
 * Tries again at once while there is progress.  Without progress it queues up,
 * first in, first out; the head of the queue keeps its partial fill, the others
 * give theirs back, and none of them what was left of a run, so that any number of
 * fillers finish on a budget of one vector, beside what was promised to reserves
 * (rpcbuf/mempool.h).  Returns 0 with a full vector, or with a run; -EINTR when
 * the service stops, the vector then holds what it had got; so it does with
 * -ENOMEM, when it has no reserve, would have to wait, and is larger than what
 * the budget has beside those promises (rpcbuf_why() has a sentence); -EPERM, as
 * the functions below, in a child of the process that made the instance.
 */
int rpcbuf_rqst_fill(struct rpcbuf_rqst *rqst);

/*
 * rpcbuf_rqst_try_fill - the same for an event loop, which must not sleep.
 *
 * Returns 0 as above.  On shortage, or behind others that wait, it
 * takes its place in the queue and returns -EAGAIN: call it again when the
 * descriptor given to rpcbuf_rqst_notify() is readable.  It keeps its place
 * until it succeeds or is refused with -ENOMEM (as above), or until
 * rpcbuf_rqst_give_up() or rpcbuf_rqst_release().
 */
int rpcbuf_rqst_try_fill(struct rpcbuf_rqst *rqst);

/* True while the vector is queued and was not notified since the last try:
 * another would be in vain. */
bool rpcbuf_rqst_is_asleep(const struct rpcbuf_rqst *rqst);

/*
 * rpcbuf_rqst_make_do - after -EAGAIN: is what there is enough?
 *
 * With @nr pages or more the vector can be used as it is: returns 0, and the
 * place in the queue goes to the next.  -EAGAIN when there are fewer.
 */
int rpcbuf_rqst_make_do(struct rpcbuf_rqst *rqst, unsigned int nr);

/* The caller no longer wants a full vector: leaves the queue, if it was in
 * it, and keeps the pages it has. */
void rpcbuf_rqst_give_up(struct rpcbuf_rqst *rqst);

/* @eventfd is written to when a queued vector should try again; -1: none. */
void rpcbuf_rqst_notify(struct rpcbuf_rqst *rqst, int eventfd);

/* The pages in front: as many as are populated, then a NULL.  A full vector
 * has maxpages, a run what is left of it. */
void **rpcbuf_rqst_pages(struct rpcbuf_rqst *rqst);
unsigned int rpcbuf_rqst_populated(const struct rpcbuf_rqst *rqst);
unsigned int rpcbuf_rqst_maxpages(const struct rpcbuf_rqst *rqst);

/* True when the pages in front are a run: they are best given back with
 * rpcbuf_free_run().  So until the next fill. */
bool rpcbuf_rqst_is_run(const struct rpcbuf_rqst *rqst);

/* The first page of what is left of a run, in front or not, and how many there
 * are; NULL and 0 when nothing is. */
const void *rpcbuf_rqst_run_left(const struct rpcbuf_rqst *rqst,
				 unsigned int *nr);

/* Gives that back, and no other pages. */
void rpcbuf_rqst_end_run(struct rpcbuf_rqst *rqst);

/* All pages that the vector has, in front or not. */
unsigned int rpcbuf_rqst_nr_pages(const struct rpcbuf_rqst *rqst);

/*
 * rpcbuf_rqst_take - move the first @nr pages in front to @pages.
 *
 * The caller owns them then.  Until the next fill the vector begins behind
 * them; the fill puts other pages in their slots, and those are used first.  Of a
 * run what follows is next.
 */
void rpcbuf_rqst_take(struct rpcbuf_rqst *rqst, unsigned int nr, void **pages);

/* Gives all pages back, to the reserve if that is short, else to the allocator:
 * an idle thread holds none. */
void rpcbuf_rqst_release(struct rpcbuf_rqst *rqst);

/* Fills *stats.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_rqst_stats(const struct rpcbuf_rqst *rqst,
		      struct rpcbuf_rqst_stats *stats);

/* Ends every wait of the service's vectors, now and later, with -EINTR. */
void rpcbuf_service_stop(struct rpcbuf_service *service, struct rpcbuf *mm);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_RQST_H */
