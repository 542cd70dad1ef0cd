/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "rpcbuf/os/clock.h"
#include "show.h"
#include "tools/common/counters.h"
#include "tools/common/figures.h"
#include "tools/common/format.h"
#include "tools/common/process.h"

#define PAGE_SHIFT 12

/* " (64.0 MiB)" for pages, bytes and nanoseconds. */
static const char *in_other_unit(const char *name, uint64_t count, char *text,
				 size_t len)
{
	char value[FORMAT_SHORT] = "";

	text[0] = '\0';
	switch (counter_unit(name)) {
	case COUNTER_BYTES:
		format_bytes(value, count);
		break;
	case COUNTER_NS:
		format_ns(value, count);
		break;
	case COUNTER_PAGES:
		format_bytes(value, count << PAGE_SHIFT);
		break;
	case COUNTER_NUMBER:
		break;
	}
	if (count && value[0])
		snprintf(text, len, " (%s)", value);
	return text;
}

/* "2 s ago"; from a minute on, the date and time. */
static const char *when(uint64_t realtime_ns, char *text, size_t len)
{
	time_t then = (time_t)(realtime_ns / 1000000000);
	struct tm tm;
	double age;

	age = ((double)os_wall_clock() - (double)realtime_ns) / 1e9;
	if (age < 1)
		snprintf(text, len, "now");
	else if (age < 60)
		snprintf(text, len, "%.0f s ago", age);
	else if (!localtime_r(&then, &tm) ||
		 !strftime(text, len, "on %F at %T", &tm))
		snprintf(text, len, "%.0f s ago", age);
	return text;
}

static void show_heading(const struct server *server,
			 const struct rpcbuf_snapshot *snapshot)
{
	const struct rpcbuf_segment_header *header = server->header;
	char text[64];

	printf("%s%s%s %d, %s%srpcbuf %s, counted %s\n\n", header->program,
	       header->name[0] ? " " : "", header->name, (int)server->pid,
	       header->detail, header->detail[0] ? ", " : "", header->release,
	       when(snapshot->realtime_ns, text, sizeof(text)));
}

static void show_figures(const struct rpcbuf_snapshot *snapshot)
{
	char value[FORMAT_GROUPED], unit[FORMAT_SHORT + 4];
	const struct counter *counter, *before = NULL;

	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];
		uint64_t count = snapshot->values[metric->first];

		if (metric->kind == RPCBUF_HISTOGRAM)
			continue;
		counter = counter_find(metric->name);
		if (counter && before && counter->group != before->group)
			printf("\n");
		before = counter ? counter : before;
		printf("  %-19s %*s  %s%s\n", metric->name,
		       FORMAT_GROUPED_WIDTH, format_grouped(value, count),
		       metric->help,
		       in_other_unit(metric->name, count, unit, sizeof(unit)));
	}
}

static void show_mean(const struct rpcbuf_snapshot *snapshot, const char *part,
		      const char *what)
{
	double requests = (double)figure_get(snapshot, "requests");

	if (figure_find(snapshot, part))
		printf("  %13.2f  %s\n",
		       (double)figure_get(snapshot, part) / requests, what);
}

static void show_means(const struct rpcbuf_snapshot *snapshot)
{
	if (!figure_get(snapshot, "requests"))
		return;
	printf("\nper request\n");
	show_mean(snapshot, "pages", "pages");
	show_mean(snapshot, "runs", "runs of adjacent pages");
	show_mean(snapshot, "pages_filled", "pages filled");
	show_mean(snapshot, "bulk_calls", "bulk calls");
	show_mean(snapshot, "receives", "receive system calls");
	show_mean(snapshot, "bytes_copied", "bytes copied");
	show_mean(snapshot, "reply_bytes", "bytes of its reply");
	show_mean(snapshot, "reply_pages", "pages of its reply");
}

void show(const struct server *server, const struct rpcbuf_snapshot *snapshot)
{
	show_heading(server, snapshot);
	show_figures(snapshot);
	show_means(snapshot);
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];
		struct histogram histogram;

		if (metric->kind != RPCBUF_HISTOGRAM)
			continue;
		histogram = figure_histogram(snapshot, metric);
		printf("\n%s, at most\n", metric->help);
		histogram_print(&histogram);
	}
}
