/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * histogram.h - a figure's buckets, as text.
 *
 * Bucket i counts what was at most 2^i, so what is asked of it is known to a
 * power of two.  The last bucket has no upper bound.
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

/* The bucket that the @share, from 0 to 1, of all does not exceed; not for an
 * empty histogram. */
unsigned int histogram_quantile(const struct histogram *histogram,
				double share);

/* The label of a bucket: "1", "2" and so on, ">4k" for the last. */
const char *histogram_label(const struct histogram *histogram,
			    unsigned int bucket, char out[FORMAT_SHORT]);

/* Lines with bars, from the first to the last bucket that has any. */
void histogram_print(const struct histogram *histogram);

#endif
