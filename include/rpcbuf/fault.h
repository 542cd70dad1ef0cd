/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/fault.h - make requests for pages fail, to test what follows.
 *
 * While faults are on, the caches of the CPUs are shut: every request reaches
 * the place where faults are injected, and every release goes to its zone.  So
 * off costs nothing, and on is slow.  A request is what is served at a time: a
 * call for more than 64 pages is several.
 *
 * The environment turns faults on for every instance that a program makes:
 *
 *	RPCBUF_FAULT=nth=5,times=1	the members below, with commas
 *	RPCBUF_FAULT=share=10000,seed=7	one request in a hundred
 *	RPCBUF_FAULT=slow		no faults, but past the caches
 *
 * With a value that cannot be read rpcbuf_create() returns -EINVAL and says
 * why on standard error.
 *
 * Making a reserve (rpcbuf/mempool.h) tries again what failed for a fault
 * alone, a bounded number of times: faults are for the users of the reserve.
 *
 * A fault in a request of a thread that waits for pages wakes that thread at once,
 * as if pages had come and another thread had taken them.
 */
#ifndef RPCBUF_FAULT_H
#define RPCBUF_FAULT_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start from RPCBUF_FAULT_INIT, with which nothing fails.  Any of nth, every
 * and share makes a request fail, numbers count from rpcbuf_fault_set(). */
struct rpcbuf_fault {
	size_t size;	/* sizeof(struct rpcbuf_fault) */
	uint64_t nth;	/* this request fails; 1 is the first, 0 none */
	uint64_t every; /* each multiple of this fails; 0: none */
	uint64_t share; /* as many of a million fail, chosen by chance */
	uint64_t seed;	/* the same seed chooses the same numbers */
	uint64_t times; /* no more than so many fail; 0: no bound */
	uint64_t pages; /* what a request that fails gets nevertheless */
	bool reserve; /* all fail but those with RPCBUF_GFP_RESERVE, as long as
			 * no thread waits for pages: callers that have a reserve
			 * must live on it, and wait when it is used up */
	bool slow;	/* nothing fails for this; see above */
	bool reserved[6]; /* false */
};

#define RPCBUF_FAULT_INIT { .size = sizeof(struct rpcbuf_fault) }

/*
 * rpcbuf_fault_set - turn faults on, or off with NULL.
 *
 * Returns 0; -EINVAL when share is out of range; -EINVAL or -E2BIG for a wrong
 * `size`.  Other threads may be in
 * calls; what they hold is theirs.  May wait for a membarrier(2).
 */
int rpcbuf_fault_set(struct rpcbuf *mm, const struct rpcbuf_fault *fault);

/* Requests since rpcbuf_fault_set(), and how many of them it failed. */
uint64_t rpcbuf_fault_requests(const struct rpcbuf *mm);
uint64_t rpcbuf_fault_injected(const struct rpcbuf *mm);

/*
 * rpcbuf_fault_parse - read what RPCBUF_FAULT may be.
 *
 * Returns 0 with *fault, whose `size` is set, filled in; -EINVAL with *wrong, the
 * position in @text where it cannot be read; -EINVAL or -E2BIG, and *wrong is @text,
 * for a wrong `size`.  *fault is untouched on failure.
 */
int rpcbuf_fault_parse(const char *text, struct rpcbuf_fault *fault,
		       const char **wrong);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_FAULT_H */
