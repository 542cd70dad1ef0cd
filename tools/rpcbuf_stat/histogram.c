/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>

#include "format.h"
#include "histogram.h"

#define BAR_WIDTH 40

static const char *const labels[] = {
	"1",   "2",   "4",   "8",    "16",   "32",   "64",
	"128", "256", "512", "1024", "2048", "4096", ">4k",
};
_Static_assert(sizeof(labels) / sizeof(*labels) == RPCBUF_HIST_PAGES,
	       "a label for each bucket");

const char *histogram_label(unsigned int bucket)
{
	return labels[bucket];
}

uint64_t histogram_total(const uint64_t *buckets)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++)
		total += buckets[i];
	return total;
}

unsigned int histogram_quantile(const uint64_t *buckets, double share)
{
	double rank = share * (double)histogram_total(buckets);
	uint64_t below = 0;

	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++) {
		below += buckets[i];
		if (below && (double)below >= rank)
			return i;
	}
	return RPCBUF_HIST_PAGES - 1;
}

static uint64_t largest(const uint64_t *buckets)
{
	uint64_t most = 0;

	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++)
		if (buckets[i] > most)
			most = buckets[i];
	return most;
}

/* A bucket with few calls still shows that it has some. */
static const char *bar(uint64_t calls, uint64_t most)
{
	static const char full[] = "########################################";
	double width = (double)calls / (double)most * BAR_WIDTH;

	_Static_assert(sizeof(full) == BAR_WIDTH + 1, "a full bar");
	if (calls && width < 0.5)
		return ".";
	return full + BAR_WIDTH - (int)(width + 0.5);
}

void histogram_print(const uint64_t *buckets)
{
	uint64_t total = histogram_total(buckets);
	uint64_t most = largest(buckets);
	char calls[FORMAT_GROUPED];

	if (!total) {
		printf("  no call yet\n");
		return;
	}
	unsigned int first = histogram_quantile(buckets, 0);
	unsigned int last = histogram_quantile(buckets, 1);

	for (unsigned int i = first; i <= last; i++)
		printf("  %6s %*s %5.1f %%%s%s\n", labels[i],
		       FORMAT_GROUPED_WIDTH, format_grouped(calls, buckets[i]),
		       100.0 * (double)buckets[i] / (double)total,
		       buckets[i] ? "  " : "", bar(buckets[i], most));
}
