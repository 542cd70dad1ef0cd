/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A line of rates for each interval.  An interval lies between two publications
 * that were requested.  Its length comes from their own times, so rates are
 * right even if this process runs late.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "print.h"
#include "rates.h"
#include "rpcbuf/os/clock.h"
#include "tools/common/figures.h"
#include "tools/common/format.h"

#define HEADER_EVERY 20
/* Seconds without a publication after which a running program counts as
 * hung. */
#define SILENCE_S    10

static const char *const needed[] = {
	"requests",	     "pages",	       "pages_filled",
	"bulk_calls",	     "bytes_received", "payloads_in_place",
	"payloads_copied",   "sleeps",	       "records_refused",
	"connections",	     "mm_out_pages",   "mm_cached_pages",
	"pages_per_request",
};

/* Two snapshots: rates between them, levels at the second. */
struct interval {
	const struct rpcbuf_snapshot *from, *to;
	double seconds;
};

static int check_names(const struct server *server,
		       const struct rpcbuf_snapshot *snapshot,
		       struct fault *fault)
{
	for (size_t i = 0; i < sizeof(needed) / sizeof(*needed); i++)
		if (!figure_find(snapshot, needed[i]))
			return fault_set(
				fault, FAULT_SILENT,
				"%s has no figure %s, which rates need: its program publishes other figures",
				server->path, needed[i]);
	return FAULT_NONE;
}

static double happened(const struct interval *in, const char *name)
{
	return (double)figure_grown(in->from, in->to, name);
}

/* The widths are those of print_rates(); the first part fits in 80 columns. */
static void print_header(bool wide)
{
	puts(wide ? "--received-- ---pages per call--- --bulk fills-- ---counts-- --now ---pages--- --per call- -sleeps -stretch ----pages----- -back- ------replies------\n"
		    "call/s MiB/s  mean  p50  p99  max     /s  size place sleep refus conn  used cache  fill   ns     ms    runs  kept pools held   MiB  MiB/s pages unsKiB"
		  : "--received-- ---pages per call--- ---bulk fills-- --counts--- -now -- ---pages-\n"
		    "call/s MiB/s  mean  p50  p99  max    /s  size place sleep refus conn  used cache");
}

static void print_rate(double amount, int width)
{
	char text[FORMAT_SHORT];

	printf("%*s", width, format_rate(text, amount, width - 1));
}

static void print_count(double value, int width)
{
	char text[FORMAT_SHORT];

	printf("%*s", width, format_count(text, (uint64_t)value, width - 1));
}

/* A mean; a dash when there were no values. */
static void print_mean(double sum, double nr, int width)
{
	if (nr > 0)
		print_rate(sum / nr, width);
	else
		printf("%*s", width, "-");
}

static void print_pages(const struct interval *in)
{
	static const double shares[] = {0.5, 0.99, 1};
	uint64_t buckets[FIGURE_BUCKETS_MAX];
	struct histogram histogram = figure_histogram_grown(
		in->from, in->to, "pages_per_request", buckets);
	char label[FORMAT_SHORT];

	print_mean(happened(in, "pages"), happened(in, "requests"), 6);
	for (size_t i = 0; i < 3; i++)
		printf("%5s",
		       histogram_total(&histogram)
			       ? histogram_label(&histogram,
						 histogram_quantile(&histogram,
								    shares[i]),
						 label)
			       : "-");
}

/* Rounds down, so that 100% means all. */
static void print_place(const struct interval *in)
{
	double good = happened(in, "payloads_in_place");
	double all = good + happened(in, "payloads_copied");

	if (all > 0)
		printf("%5u%%", (unsigned int)(100.0 * good / all));
	else
		printf("%6s", "-");
}

static void print_more(const struct interval *in)
{
	double calls = happened(in, "requests");

	print_mean(happened(in, "pages_filled"), calls, 6);
	print_mean(happened(in, "fill_ns_sum"), happened(in, "fills_timed"), 6);
	print_rate(happened(in, "sleep_ns") / 1e6, 7);
	print_mean(happened(in, "runs"), calls, 8);
	print_count((double)figure_get(in->to, "mm_kept_pages"), 6);
	print_count((double)figure_get(in->to, "mm_inflight_pages"), 6);
	print_count((double)figure_get(in->to, "held_pages"), 5);
	print_rate(happened(in, "mm_reported_bytes") / (1 << 20), 6);
	print_rate(happened(in, "reply_bytes") / in->seconds / (1 << 20), 7);
	print_mean(happened(in, "reply_pages"), calls, 6);
	print_count((double)(figure_get(in->to, "unsent_bytes") >> 10), 7);
}

static void print_rates(const struct interval *in, bool wide)
{
	print_rate(happened(in, "requests") / in->seconds, 6);
	print_rate(happened(in, "bytes_received") / in->seconds / (1 << 20), 6);
	print_pages(in);
	print_rate(happened(in, "bulk_calls") / in->seconds, 6);
	print_mean(happened(in, "pages_filled"), happened(in, "bulk_calls"), 6);
	print_place(in);
	print_count(happened(in, "sleeps"), 6);
	print_count(happened(in, "records_refused"), 6);
	print_count((double)figure_get(in->to, "connections"), 5);
	print_count((double)figure_get(in->to, "mm_out_pages"), 6);
	print_count((double)figure_get(in->to, "mm_cached_pages"), 6);
	if (wide)
		print_more(in);
	puts("");
}

/* Waits for a publication later than @last, and reads it. */
static int read_next(const struct server *server,
		     const struct rpcbuf_snapshot *last,
		     struct rpcbuf_snapshot *snapshot, struct fault *fault)
{
	const struct timespec pause = {.tv_nsec = 20000000};
	uint64_t start = os_now();
	bool said = false;

	for (;;) {
		/* The last publication of an ended program covers no full
		 * interval. */
		if (server_check(server, fault) ||
		    server_read(server, snapshot, fault))
			return fault->status;
		if (snapshot->monotonic_ns > last->monotonic_ns)
			return FAULT_NONE;
		if (!said && os_now() - start > SILENCE_S * OS_SECOND_NS) {
			fprintf(stderr,
				"rpcbuf-stat: process %d has published nothing for %d s; waiting\n",
				(int)server->pid, SILENCE_S);
			said = true;
		}
		clock_nanosleep(CLOCK_MONOTONIC, 0, &pause, NULL);
	}
}

static void print_interval(const struct server *server,
			   const struct interval *in, enum rates_form form,
			   unsigned int lines)
{
	if (form == RATES_JSON) {
		print_json(stdout, server, in->from, in->to);
	} else {
		if (lines % HEADER_EVERY == 0)
			print_header(form == RATES_WIDE);
		print_rates(in, form == RATES_WIDE);
	}
	fflush(stdout);
}

/* Sleeps until @next.  Renews the lease, which costs the program something,
 * once a second meanwhile. */
static void wait_until(const struct server *server, struct timespec next,
		       unsigned int watch)
{
	struct fault ignored;
	struct timespec now;

	for (;;) {
		if (watch)
			server_watch(server, watch, &ignored);
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (next.tv_sec - now.tv_sec <= 1)
			break;
		now.tv_sec++;
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL);
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
}

int rates(const struct server *server, unsigned int interval,
	  unsigned int count, enum rates_form form, struct fault *fault)
{
	static struct rpcbuf_snapshot snapshots[2];
	struct rpcbuf_snapshot *from = &snapshots[0], *to = &snapshots[1];
	unsigned int watch = form == RATES_WIDE ? RPCBUF_WATCH_TIMES : 0;
	struct timespec next;

	if (server_check(server, fault) || server_read(server, from, fault) ||
	    (form != RATES_JSON && check_names(server, from, fault)))
		return fault->status;
	clock_gettime(CLOCK_MONOTONIC, &next);
	for (unsigned int lines = 0; !count || lines < count; lines++) {
		struct rpcbuf_snapshot *spare = from;
		struct interval in = {.from = from, .to = to};

		next.tv_sec += interval;
		wait_until(server, next, watch);
		if (read_next(server, from, to, fault))
			return fault->status;
		in.seconds =
			(double)(to->monotonic_ns - from->monotonic_ns) / 1e9;
		print_interval(server, &in, form, lines);
		if (ferror(stdout))
			break; /* checked by the caller */
		from = to;
		to = spare;
	}
	return FAULT_NONE;
}
