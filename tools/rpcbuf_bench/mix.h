/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A mix of requests: the number of pages of each, in order.
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
 * Reads a recorded mix: a number from 1 to MIX_PAGES_MAX per line; empty lines
 * and comments (#) are ignored.  @path NULL: makes a mix like the traffic of an
 * NFS server, mostly requests of 1 page, some of 200 and more.  Returns false
 * on failure, with a message on standard error.
 */
bool mix_read(struct mix *mix, const char *path);
void mix_free(struct mix *mix);

#endif /* BENCH_MIX_H */
