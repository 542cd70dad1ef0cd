/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Histograms over the calls, printed at the end.
 */
#include <inttypes.h>
#include <stdio.h>

#include "output.h"
#include "tools/common/histogram.h"

#define BUCKETS 40

static uint64_t pages[BUCKETS], bytes[BUCKETS], runs[BUCKETS], wait[BUCKETS],
	receive[BUCKETS], reply[BUCKETS], reply_pages[BUCKETS],
	reply_bytes[BUCKETS];

static void count(uint64_t *buckets, uint64_t value)
{
	unsigned int i =
		value <= 1 ? 0 : 64 - (unsigned int)__builtin_clzll(value - 1);

	buckets[i < BUCKETS ? i : BUCKETS - 1]++;
}

static void count_event(const struct rpcbuf_event *event, uint64_t time_ns)
{
	(void)time_ns;
	count(pages, event->pages);
	count(bytes, event->bytes);
	count(runs, event->runs);
	count(wait, event->wait_ns);
	count(receive, event->receive_ns);
	count(reply, event->reply_ns);
	count(reply_pages, event->reply_pages);
	count(reply_bytes, event->reply_bytes);
}

static void print_histogram(const char *what, const uint64_t *buckets, bool ns)
{
	const struct histogram histogram = {
		.buckets = buckets,
		.nr = BUCKETS,
		.ns = ns,
	};

	printf("\n%s, at most\n", what);
	histogram_print(&histogram);
}

static int histograms_end(uint64_t shown, uint64_t lost, struct fault *fault)
{
	(void)fault;
	printf("%" PRIu64 " calls, %" PRIu64 " lost\n", shown, lost);
	print_histogram("pages per call", pages, false);
	print_histogram("bytes on the wire", bytes, false);
	print_histogram("runs of adjacent pages", runs, false);
	print_histogram("waits for pages", wait, true);
	print_histogram("time from first to last byte", receive, true);
	print_histogram("time from last byte to end of call", reply, true);
	print_histogram("pages per reply", reply_pages, false);
	print_histogram("bytes per reply", reply_bytes, false);
	return FAULT_NONE;
}

const struct output output_histograms = {
	.event = count_event,
	.end = histograms_end,
};
