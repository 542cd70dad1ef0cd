/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * histogram.h - calls by the pages that they reached into.
 *
 * Bucket i counts calls of at most 2^i pages, so what is asked of it is known
 * to a power of two.  The last bucket has no upper bound.
 */
#ifndef RPCBUF_STAT_HISTOGRAM_H
#define RPCBUF_STAT_HISTOGRAM_H

#include <rpcbuf/engine.h>

uint64_t histogram_total(const uint64_t *buckets);

/* The bucket that the @share, from 0 to 1, of all calls does not exceed; not
 * for an empty histogram. */
unsigned int histogram_quantile(const uint64_t *buckets, double share);

/* The label of a bucket: "1", "2" and so on, ">4k" for the last. */
const char *histogram_label(unsigned int bucket);

/* Lines with bars, from the first to the last bucket that has calls. */
void histogram_print(const uint64_t *buckets);

#endif
