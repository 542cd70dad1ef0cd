/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The server writes its counters about once a second, in a rhythm of its own.
 * So a rate is taken over the time between two writes, not between two reads,
 * and a read that comes before the next write waits for it.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "histogram.h"
#include "rates.h"

#define HEADER_EVERY  20
#define POLL_NS	      20000000
/* A server that is alive and has not written for so long is hung. */
#define SILENCE_S     10
/* What a write may be older than the read that finds it, and a bit. */
#define CLOCK_SLACK_S 2.5

static const char *const needed[] = {
	"requests",	     "pages_filled",	"bulk_calls", "bytes_received",
	"payloads_in_place", "payloads_copied", "sleeps",     "records_refused",
	"connections",	     "threads",		"pages_out",  "pages_cached",
};

/* What happened between two samples, and how things stand at the second. */
struct interval {
	const struct sample *from, *to;
	double seconds;
	uint64_t hist[RPCBUF_HIST_PAGES];
};

static int check_names(const struct server *server, const struct sample *sample,
		       struct fault *fault)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!sample_has(sample, needed[i]))
			return fault_set(fault, STAT_FOREIGN,
					 "%s has no counter %s: it was written "
					 "by another version of rpcbuf",
					 server->path, needed[i]);
	return STAT_OK;
}

static double seconds_between(const struct timespec *a,
			      const struct timespec *b)
{
	return (double)(b->tv_sec - a->tv_sec) +
	       (double)(b->tv_nsec - a->tv_nsec) / 1e9;
}

static uint64_t happened(const struct interval *in, const char *name)
{
	uint64_t from = sample_get(in->from, name);
	uint64_t to = sample_get(in->to, name);

	return to > from ? to - from : 0;
}

/* @elapsed: seconds between the reads, which count when the clock was set in
 * between. */
static void measure(struct interval *in, const struct sample *from,
		    const struct sample *to, double elapsed)
{
	in->from = from;
	in->to = to;
	in->seconds = seconds_between(&from->written, &to->written);
	if (in->seconds < elapsed - CLOCK_SLACK_S ||
	    in->seconds > elapsed + CLOCK_SLACK_S)
		in->seconds = elapsed;
	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES; i++)
		in->hist[i] = to->hist_pages[i] > from->hist_pages[i]
				      ? to->hist_pages[i] - from->hist_pages[i]
				      : 0;
}

/* The widths are those of print_rates(); fits in 80 columns. */
static void print_header(void)
{
	puts("--received-- ---pages per call--- -bulk in--- --counts--- ---now--- ---pages---\n"
	     "call/s MiB/s  fill  p50  p99  max    /s place sleep refus conns thr  used cache");
}

static void print_rate(const struct interval *in, double amount, int width)
{
	char text[FORMAT_SHORT];

	printf("%*s", width,
	       format_rate(text, amount / in->seconds, width - 1));
}

static void print_count(uint64_t value, int width)
{
	char text[FORMAT_SHORT];

	printf("%*s", width, format_count(text, value, width - 1));
}

static void print_pages(const struct interval *in)
{
	double calls = (double)happened(in, "requests");
	char text[FORMAT_SHORT];

	if (calls > 0)
		format_rate(text, (double)happened(in, "pages_filled") / calls,
			    5);
	printf("%6s", calls > 0 ? text : "-");
	if (!histogram_total(in->hist)) {
		printf("%5s%5s%5s", "-", "-", "-");
		return;
	}
	printf("%5s%5s%5s", histogram_label(histogram_quantile(in->hist, 0.5)),
	       histogram_label(histogram_quantile(in->hist, 0.99)),
	       histogram_label(histogram_quantile(in->hist, 1)));
}

/* 100% only when it was all of them. */
static void print_place(const struct interval *in)
{
	uint64_t good = happened(in, "payloads_in_place");
	uint64_t all = good + happened(in, "payloads_copied");

	if (all)
		printf("%5u%%",
		       (unsigned int)(100.0 * (double)good / (double)all));
	else
		printf("%6s", "-");
}

static void print_rates(const struct interval *in)
{
	print_rate(in, (double)happened(in, "requests"), 6);
	print_rate(in, (double)happened(in, "bytes_received") / (1 << 20), 6);
	print_pages(in);
	print_rate(in, (double)happened(in, "bulk_calls"), 6);
	print_place(in);
	print_count(happened(in, "sleeps"), 6);
	print_count(happened(in, "records_refused"), 6);
	print_count(sample_get(in->to, "connections"), 6);
	print_count(sample_get(in->to, "threads"), 4);
	print_count(sample_get(in->to, "pages_out"), 6);
	print_count(sample_get(in->to, "pages_cached"), 6);
	puts("");
	fflush(stdout);
}

static bool same_write(const struct sample *a, const struct sample *b)
{
	return a->pid == b->pid &&
	       !memcmp(&a->written, &b->written, sizeof(a->written));
}

static double seconds_since(const struct timespec *start)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return seconds_between(start, &now);
}

/* Reads what the server wrote after @last, waiting for it. */
static int read_next(const struct server *server, const struct sample *last,
		     struct sample *sample, struct fault *fault)
{
	const struct timespec pause = {.tv_nsec = POLL_NS};
	struct timespec start;
	bool said = false;

	clock_gettime(CLOCK_MONOTONIC, &start);
	for (;;) {
		int status = server_read(server, sample, fault);

		if (status == STAT_OK && !same_write(last, sample))
			return STAT_OK;
		/* The file goes when the server stops. */
		if (server_check(server, last, fault))
			return fault->status;
		if (status != STAT_OK && status != STAT_UNREADABLE)
			return status;
		if (!said && seconds_since(&start) > SILENCE_S) {
			fprintf(stderr,
				"rpcbuf-stat: %s was not written for %d s; waiting\n",
				server->path, SILENCE_S);
			said = true;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

/* One line for what happened from @from to @to; returns how many that were. */
static unsigned int print_interval(const struct sample *from,
				   const struct sample *to, double elapsed,
				   unsigned int lines)
{
	struct interval in;

	if (to->pid != from->pid) {
		printf("process %d writes now\n", (int)to->pid);
		return 0;
	}
	if (lines % HEADER_EVERY == 0)
		print_header();
	measure(&in, from, to, elapsed);
	print_rates(&in);
	return 1;
}

static int watch(const struct server *server, struct sample *samples,
		 unsigned int interval, unsigned int count, struct fault *fault)
{
	struct sample *from = &samples[0], *to = &samples[1], *spare;
	struct timespec next, read;
	unsigned int lines = 0;

	clock_gettime(CLOCK_MONOTONIC, &read);
	next = read;
	while (!count || lines < count) {
		double elapsed;

		next.tv_sec += interval;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
		if (read_next(server, from, to, fault))
			return fault->status;
		elapsed = seconds_since(&read);
		clock_gettime(CLOCK_MONOTONIC, &read);
		lines += print_interval(from, to, elapsed, lines);
		if (ferror(stdout))
			break; /* the caller looks at that */
		spare = from;
		from = to;
		to = spare;
	}
	return STAT_OK;
}

int rates(const struct server *server, unsigned int interval,
	  unsigned int count, struct fault *fault)
{
	static struct sample samples[2];

	if (server_read(server, &samples[0], fault) ||
	    server_check(server, &samples[0], fault) ||
	    check_names(server, &samples[0], fault))
		return fault->status;
	return watch(server, samples, interval, count, fault);
}
