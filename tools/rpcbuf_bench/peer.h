/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A peer: one way to get pages, with the loops compiled for it.
 *
 * rpcbuf itself is one, so is each of its faces.  Peers of other projects are
 * loaded when the program runs; which of them are there is found out by
 * opening them.
 */
#ifndef BENCH_PEER_H
#define BENCH_PEER_H

#include "work.h"

/* Threads that measure; the first is the only one of most figures. */
#define PEER_THREADS 2u

/* Pages that a peer with a fixed pool has. */
#define PEER_PAGES   16384u

/* What is measured; case.c says more of each. */
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

/* The sentence that says why a peer is not there. */
#define PEER_WHY 200u

struct peer {
	const char *name;
	const char *about;
	const struct work_ops *ops;

	/* Once, before any thread enters.  False, and @why says why not. */
	bool (*open)(struct peer *peer, char why[PEER_WHY]);
	/* By each thread that measures, once; may be NULL. */
	bool (*enter)(struct peer *peer);

	unsigned int cases;	  /* CASE_BIT of each that it is in */
	void *pool[PEER_THREADS]; /* for each thread; often the same */
};

#endif /* BENCH_PEER_H */
