/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mix of requests: how many pages each of them takes, in order.
 */
#ifndef BENCH_MIX_H
#define BENCH_MIX_H

#include <stdbool.h>
#include <stdint.h>

#define MIX_REQUESTS_MAX 1000000u
#define MIX_PAGES_MAX	 1024u /* of one request */

struct mix {
	unsigned int *pages;
	unsigned int nr;
	unsigned long total; /* pages of all requests */
};

/*
 * Reads a recorded mix: a number from 1 to MIX_PAGES_MAX in each line; empty
 * lines and those that start with # are passed over.  @path NULL: makes one
 * like the traffic of an NFS server, mostly requests of 1 page, some of 200
 * and more.  False when that fails, which is said on standard error.
 */
bool mix_read(struct mix *mix, const char *path);
void mix_free(struct mix *mix);

#endif /* BENCH_MIX_H */
