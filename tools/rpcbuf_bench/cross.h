/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One thread fills arrays, another releases them, both at once: a ring of
 * arrays goes from the first to the second.
 */
#ifndef BENCH_CROSS_H
#define BENCH_CROSS_H

#include "peer.h"

#define CROSS_SLOTS	4u   /* arrays on their way */
#define CROSS_PAGES_MAX 256u /* of an array */

struct cross {
	const struct peer *peer;
	unsigned int nr;      /* pages of an array */
	unsigned long rounds; /* arrays that are handed over */

	/* Each index has a line of its own and one writer. */
	unsigned long filled __attribute__((aligned(128)));
	unsigned long released __attribute__((aligned(128)));
	bool failed;
	void *pages[CROSS_SLOTS][CROSS_PAGES_MAX] __attribute__((aligned(128)));
};

/* Jobs for two threads; @opaque is the same struct cross, zeroed but for its
 * first fields.  False when a fill came back short. */
bool cross_fill(void *opaque);
bool cross_release(void *opaque);

#endif /* BENCH_CROSS_H */
