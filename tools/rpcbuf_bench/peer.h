/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A peer: an allocator to measure, with loops compiled for it.
 *
 * Each interface of rpcbuf is a peer.  Peers of other projects are loaded at
 * run time, if they are installed.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "work.h"

/* Measuring threads; most figures use only the first. */
#define PEER_THREADS 2u

/* Size of a fixed pool, in pages. */
#define PEER_PAGES   16384u

/* Cases; case.c describes each. */
enum bench_case {
	CASE_SAME,
	CASE_CROSS,
	CASE_PAIR,
	CASE_TOUCH,
	CASE_REPLAY,
	CASE_FACES,
	CASE_POOL,
	CASE_WINDOW,
	NR_CASES,
};
#define CASE_BIT(name) (1u << CASE_##name)
#define CASES_ALLOC                                                            \
	(CASE_BIT(SAME) | CASE_BIT(CROSS) | CASE_BIT(PAIR) | CASE_BIT(TOUCH) | \
	 CASE_BIT(REPLAY) | CASE_BIT(FACES))

/* Length of the sentence why a peer is missing. */
#define PEER_WHY 200u

struct peer {
	const char *name;
	const char *about;
	const struct work_ops *ops;

	/* Called once, before a thread enters.  False, with the reason in
	 * @why. */
	bool (*open)(struct peer *peer, char why[PEER_WHY]);
	/* Called once by each measuring thread; may be NULL. */
	bool (*enter)(struct peer *peer);

	unsigned int cases;	  /* a set of CASE_BIT */
	void *pool[PEER_THREADS]; /* one per thread; may be the same */
};

#endif /* BENCH_PEER_H */
