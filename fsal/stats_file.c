/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The statistics file and the summary in the log.  Owns the path.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <rpcbuf/stats.h>

#include "abi.h"
#include "stats_file.h"

static struct {
	char path[PATH_MAX]; /* "": none is written */
	char temporary[PATH_MAX + 8];
	bool failed; /* said once */
} file;

void stats_file_open(const char *path)
{
	if (!path)
		return;
	snprintf(file.path, sizeof(file.path), "%s", path);
	snprintf(file.temporary, sizeof(file.temporary), "%s.new", file.path);
}

static void print(FILE *out, const char *name, uint64_t value)
{
	fprintf(out, "%s %" PRIu64 "\n", name, value);
}

static void print_histogram(FILE *out, const char *name,
			    const uint64_t *buckets, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++)
		fprintf(out, "%s_%u %" PRIu64 "\n", name, 1u << i, buckets[i]);
}

/* Times are measured only while a reader of the segment asks for it. */
#define IN_FILE_PAGES true
#define IN_FILE_NS    false

static void print_all(FILE *out, struct rpcbuf_engine *engine,
		      struct rpcbuf *mm)
{
	struct rpcbuf_engine_stats stats = RPCBUF_ENGINE_STATS_INIT;
	struct rpcbuf_stats mm_stats = RPCBUF_STATS_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	rpcbuf_engine_stats(engine, &stats);
	rpcbuf_mm_counts(mm, &counts);
	rpcbuf_stats_read(mm, &mm_stats);
	fprintf(out, "engine %s\n", rpcbuf_engine_backend(engine));
	print(out, "pid", (uint64_t)getpid());
#define X(member, ...) print(out, #member, stats.member);
	RPCBUF_ENGINE_STATS(X)
#undef X
	print(out, "pages_total", counts.pages_total);
	print(out, "pages_out", counts.pages_out);
	print(out, "pages_cached", counts.pages_cached);
#define X(member, ...) print(out, "mm_" #member, mm_stats.member);
	RPCBUF_STATS(X)
#undef X
#define X(member, name, buckets, unit, ...)                                \
	if (IN_FILE_##unit)                                                \
		print_histogram(out, "hist_" #member, stats.hist_##member, \
				buckets);
	RPCBUF_ENGINE_HISTOGRAMS(X)
#undef X
}

void stats_file_write(struct rpcbuf_engine *engine, struct rpcbuf *mm)
{
	FILE *out;
	int err;

	if (!file.path[0])
		return;
	out = fopen(file.temporary, "we");
	err = out ? 0 : errno;
	if (out) {
		fchmod(fileno(out), 0644); /* the server's umask is 0 */
		print_all(out, engine, mm);
		if (fclose(out) != 0 || rename(file.temporary, file.path) < 0)
			err = errno;
	}
	if (err && !file.failed)
		LogWarn(COMPONENT_INIT,
			"RPCBUF: statistics cannot be written to %s: %s",
			file.path, strerror(err));
	file.failed = err != 0;
}

/* "1:20 2:3 512:7": calls by the pages they reached into. */
static void format_histogram(const struct rpcbuf_engine_stats *stats,
			     char *text, size_t len)
{
	size_t at = 0;

	text[0] = '\0';
	for (unsigned int i = 0; i < RPCBUF_HIST_PAGES && at < len; i++)
		if (stats->hist_pages[i])
			at += (size_t)snprintf(text + at, len - at,
					       "%s%u:%" PRIu64, at ? " " : "",
					       1u << i, stats->hist_pages[i]);
}

void stats_file_close(struct rpcbuf_engine *engine, struct rpcbuf *mm)
{
	struct rpcbuf_engine_stats stats = RPCBUF_ENGINE_STATS_INIT;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;
	char histogram[256];

	stats_file_write(engine, mm);
	rpcbuf_engine_stats(engine, &stats);
	rpcbuf_mm_counts(mm, &counts);
	format_histogram(&stats, histogram, sizeof(histogram));
	LogEvent(COMPONENT_INIT,
		 "RPCBUF: %" PRIu64 " requests, %" PRIu64
		 " pages filled by %" PRIu64 " bulk calls, %" PRIu64
		 " bytes copied, slept %" PRIu64 " times for %" PRIu64
		 " ns, %" PRIu64 " records refused, %" PRIu64 " pages out",
		 stats.requests, stats.pages_filled, stats.bulk_calls,
		 stats.bytes_copied, stats.sleeps, stats.sleep_ns,
		 stats.records_refused, counts.pages_out);
	LogEvent(COMPONENT_INIT, "RPCBUF: requests by pages, at most: %s",
		 histogram);
}
