/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <rpcbuf/stats.h>

#include "format.h"
#include "histogram.h"
#include "process.h"
#include "show.h"

static const struct {
	const char *name, *what;
} meanings[] = {
#define X(name, what) {#name, what},
	RPCBUF_ENGINE_STATS(X)
#undef X
		{"pages_total", "pages that the budget allows"},
	{"pages_out", "pages in use now"},
	{"pages_cached", "free pages kept in per-CPU caches now"},
#define X(kind, name, what) {"mm_" #name, what},
	RPCBUF_STATS(X)
#undef X
};

/* Which counters begin a group of their own. */
static const char *const groups[] = {
	"sleeps",      "records_refused", "parked_pages", "connections_total",
	"pages_total", "mm_refills",
};

static const char *meaning(const char *name)
{
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
		if (strcmp(meanings[i].name, name) == 0)
			return meanings[i].what;
	return "(not known to this rpcbuf-stat)";
}

static bool begins_group(const char *name)
{
	for (size_t i = 0; i < sizeof(groups) / sizeof(*groups); i++)
		if (strcmp(groups[i], name) == 0)
			return true;
	return false;
}

static bool starts_with(const char *text, const char *start)
{
	return strncmp(text, start, strlen(start)) == 0;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

/* " (64.0 MiB)" where another unit says more than the number. */
static const char *in_other_unit(const struct sample_counter *counter,
				 char *text, size_t len)
{
	static const char *const pages[] = {"pages_filled", "pages_total",
					    "pages_out", "pages_cached"};
	char value[FORMAT_SHORT] = "";

	text[0] = '\0';
	if (starts_with(counter->name, "mm_") &&
	    ends_with(counter->name, "_pages"))
		format_bytes(value, counter->value << RPCBUF_PAGE_SHIFT);
	else if (starts_with(counter->name, "bytes_") ||
		 ends_with(counter->name, "_bytes"))
		format_bytes(value, counter->value);
	else if (ends_with(counter->name, "_ns"))
		format_ns(value, counter->value);
	for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
		if (strcmp(counter->name, pages[i]) == 0)
			format_bytes(value,
				     counter->value << RPCBUF_PAGE_SHIFT);
	if (counter->value && value[0])
		snprintf(text, len, " (%s)", value);
	return text;
}

/* How long ago, or for a file of long ago when. */
static const char *when(const struct timespec *written, char *text, size_t len)
{
	struct timespec now;
	struct tm tm;
	double age;

	clock_gettime(CLOCK_REALTIME, &now);
	age = (double)(now.tv_sec - written->tv_sec) +
	      (double)(now.tv_nsec - written->tv_nsec) / 1e9;
	if (age < 60)
		snprintf(text, len, "%.1f s ago", age < 0 ? 0 : age);
	else if (!localtime_r(&written->tv_sec, &tm) ||
		 !strftime(text, len, "on %F at %T", &tm))
		snprintf(text, len, "%.0f s ago", age);
	return text;
}

static void show_heading(const struct server *server,
			 const struct sample *sample)
{
	pid_t pid = server_pid(server, sample);
	char name[64] = "process", text[64];

	/* The id of one that has ended may be another's by now. */
	if (process_runs(pid, &sample->written))
		process_name(pid, name, sizeof(name));
	printf("%s %d, engine %s, counted %s\n\n", name, (int)pid,
	       sample->engine, when(&sample->written, text, sizeof(text)));
}

static void show_counters(const struct sample *sample)
{
	char value[FORMAT_GROUPED], unit[FORMAT_SHORT + 4];

	for (unsigned int i = 0; i < sample->nr_counters; i++) {
		const struct sample_counter *counter = &sample->counters[i];

		if (i && begins_group(counter->name))
			printf("\n");
		printf("  %-18s %*s  %s%s\n", counter->name,
		       FORMAT_GROUPED_WIDTH,
		       format_grouped(value, counter->value),
		       meaning(counter->name),
		       in_other_unit(counter, unit, sizeof(unit)));
	}
}

/* One line of @part per request. */
static void show_mean(const struct sample *sample, const char *part,
		      const char *what)
{
	double requests = (double)sample_get(sample, "requests");

	if (sample_has(sample, part))
		printf("  %13.2f  %s\n",
		       (double)sample_get(sample, part) / requests, what);
}

static void show_means(const struct sample *sample)
{
	if (!sample_get(sample, "requests"))
		return;
	printf("\nper request\n");
	show_mean(sample, "receives", "receive system calls");
	show_mean(sample, "bulk_calls", "bulk calls");
	show_mean(sample, "pages_filled", "pages filled");
	show_mean(sample, "bytes_copied", "bytes copied");
}

void show(const struct server *server, const struct sample *sample)
{
	show_heading(server, sample);
	show_counters(sample);
	show_means(sample);
	printf("\ncalls by the pages they reached into, at most\n");
	histogram_print(sample->hist_pages);
}
