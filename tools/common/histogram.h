/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * histogram.h - the buckets of a figure, as text.
 *
 * Bucket i counts values up to 2^i, so results are exact to a power of two.
 * The last bucket has no upper bound.
 */
#ifndef RPCBUF_COMMON_HISTOGRAM_H
#define RPCBUF_COMMON_HISTOGRAM_H

#include <rpcbuf/segment.h>

#include "format.h"

struct histogram {
	const uint64_t *buckets;
	unsigned int nr; /* 1 to 64 */
	bool ns;	 /* in nanoseconds; else numbers */
};

uint64_t histogram_total(const struct histogram *histogram);

/* The bucket of a quantile; @share: 0 to 1.  The histogram must not be
 * empty. */
unsigned int histogram_quantile(const struct histogram *histogram,
				double share);

/* The label of a bucket: "1", "2" and so on, ">4k" for the last. */
const char *histogram_label(const struct histogram *histogram,
			    unsigned int bucket, char out[FORMAT_SHORT]);

/* A line with a bar for each bucket, from the first to the last one in use. */
void histogram_print(const struct histogram *histogram);

#endif
