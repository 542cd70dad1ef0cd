/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One thread fills arrays while another releases them: a ring of arrays between
 * the two.
 */
#ifndef BENCH_CROSS_H
#define BENCH_CROSS_H

#include "peer.h"

#define CROSS_SLOTS	4u   /* arrays in the ring */
#define CROSS_PAGES_MAX 256u /* pages of an array, at most */

struct cross {
	const struct peer *peer;
	unsigned int nr;      /* pages of an array */
	unsigned long rounds; /* arrays in total */

	/* Each index has one writer and its own cache line. */
	unsigned long filled __attribute__((aligned(128)));
	unsigned long released __attribute__((aligned(128)));
	bool failed;
	void *pages[CROSS_SLOTS][CROSS_PAGES_MAX] __attribute__((aligned(128)));
};

/* Jobs for two threads; @opaque: one struct cross, zeroed after its first
 * fields.  False: a fill returned too few pages. */
bool cross_fill(void *opaque);
bool cross_release(void *opaque);

#endif /* BENCH_CROSS_H */
