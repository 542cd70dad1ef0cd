/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>

#include "histogram.h"

#define BAR_WIDTH 40

const char *histogram_label(const struct histogram *histogram,
			    unsigned int bucket, char out[FORMAT_SHORT])
{
	bool last = bucket + 1 == histogram->nr;
	uint64_t bound = UINT64_C(1) << (last && bucket ? bucket - 1 : bucket);
	char text[FORMAT_SHORT];

	if (histogram->ns)
		format_ns(text, bound);
	else if (bound >= 2048)
		snprintf(text, sizeof(text), "%uk",
			 (unsigned int)(bound >> 10));
	else
		snprintf(text, sizeof(text), "%u", (unsigned int)bound);
	snprintf(out, FORMAT_SHORT, "%s%.14s", last ? ">" : "", text);
	return out;
}

uint64_t histogram_total(const struct histogram *histogram)
{
	uint64_t total = 0;

	for (unsigned int i = 0; i < histogram->nr; i++)
		total += histogram->buckets[i];
	return total;
}

unsigned int histogram_quantile(const struct histogram *histogram, double share)
{
	double rank = share * (double)histogram_total(histogram);
	uint64_t below = 0;

	for (unsigned int i = 0; i < histogram->nr; i++) {
		below += histogram->buckets[i];
		if (below && (double)below >= rank)
			return i;
	}
	return histogram->nr - 1;
}

static uint64_t largest(const struct histogram *histogram)
{
	uint64_t most = 0;

	for (unsigned int i = 0; i < histogram->nr; i++)
		if (histogram->buckets[i] > most)
			most = histogram->buckets[i];
	return most;
}

/* Any count above 0 gets a bar. */
static const char *bar(uint64_t value, uint64_t most)
{
	static const char full[] = "########################################";
	double width = (double)value / (double)most * BAR_WIDTH;

	_Static_assert(sizeof(full) == BAR_WIDTH + 1, "a full bar");
	if (value && width < 0.5)
		return ".";
	return full + BAR_WIDTH - (int)(width + 0.5);
}

void histogram_print(const struct histogram *histogram)
{
	const uint64_t *buckets = histogram->buckets;
	uint64_t total = histogram_total(histogram);
	uint64_t most = largest(histogram);
	char count[FORMAT_GROUPED], label[FORMAT_SHORT];

	if (!total) {
		printf("  none yet\n");
		return;
	}
	unsigned int first = histogram_quantile(histogram, 0);
	unsigned int last = histogram_quantile(histogram, 1);

	for (unsigned int i = first; i <= last; i++)
		printf("  %9s %*s %5.1f %%%s%s\n",
		       histogram_label(histogram, i, label),
		       FORMAT_GROUPED_WIDTH, format_grouped(count, buckets[i]),
		       100.0 * (double)buckets[i] / (double)total,
		       buckets[i] ? "  " : "", bar(buckets[i], most));
}
