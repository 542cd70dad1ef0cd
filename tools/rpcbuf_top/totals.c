/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <stdio.h>
#include <time.h>

#include "tools/common/figures.h"
#include "tools/common/format.h"
#include "totals.h"

#define PAGE_SIZE 4096

static uint64_t level(const struct picture *picture, const char *name)
{
	return figure_get(picture->to, name);
}

static double grown(const struct picture *picture, const char *name)
{
	return picture->from
		       ? (double)figure_grown(picture->from, picture->to, name)
		       : 0;
}

/* "-" while there is only one snapshot. */
static const char *per_second(const struct picture *picture, double amount,
			      char out[FORMAT_SHORT])
{
	return picture->seconds > 0
		       ? format_rate(out, amount / picture->seconds, 6)
		       : "-";
}

static void write_heading(const struct server *server,
			  const struct picture *picture, char *line)
{
	const struct rpcbuf_segment_header *header = server->header;
	const struct rpcbuf_snapshot *to = picture->to;
	time_t at = (time_t)(to->realtime_ns / 1000000000);
	char clock[16], more[48] = "";
	struct tm tm;

	localtime_r(&at, &tm);
	strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	if (to->lost_clients)
		snprintf(more, sizeof(more), " and %u more", to->lost_clients);
	snprintf(line, TOTALS_WIDTH,
		 "%s  %s %d%s%s%s%s   %u clients%s, %llu connections", clock,
		 header->program, (int)server->pid, header->name[0] ? " " : "",
		 header->name, header->detail[0] ? ", " : "", header->detail,
		 to->nr_clients, more,
		 (unsigned long long)level(picture, "connections"));
}

/* Pages per call: "1.2 mean, 4 p99". */
struct each {
	char mean[FORMAT_SHORT], p99[FORMAT_SHORT];
};

static void write_each(const struct picture *picture, const char *sum,
		       const char *histogram, struct each *each)
{
	double nr = grown(picture, "requests");
	uint64_t buckets[FIGURE_BUCKETS_MAX];
	struct histogram pages;
	char label[FORMAT_SHORT];

	*each = (struct each){"-", "-"};
	if (nr <= 0)
		return;
	format_rate(each->mean, grown(picture, sum) / nr, 6);
	pages = figure_histogram_grown(picture->from, picture->to, histogram,
				       buckets);
	if (histogram_total(&pages))
		snprintf(each->p99, sizeof(each->p99), "%s",
			 histogram_label(&pages,
					 histogram_quantile(&pages, 0.99),
					 label));
}

static void write_calls(const struct picture *picture, char *line)
{
	char calls[FORMAT_SHORT], mib[FORMAT_SHORT];
	struct each pages;

	write_each(picture, "pages", "pages_per_request", &pages);
	snprintf(
		line, TOTALS_WIDTH,
		"Calls    %6s/s, %6s MiB/s, pages each: %s mean, %s p99; %llu in flight",
		per_second(picture, grown(picture, "requests"), calls),
		per_second(picture,
			   grown(picture, "bytes_received") / (1 << 20), mib),
		pages.mean, pages.p99,
		(unsigned long long)level(picture, "in_flight"));
}

static void write_replies(const struct picture *picture, char *line)
{
	char mib[FORMAT_SHORT], unsent[FORMAT_SHORT], kept[FORMAT_SHORT];
	struct each pages;

	write_each(picture, "reply_pages", "reply_pages_per_request", &pages);
	snprintf(
		line, TOTALS_WIDTH,
		"Replies  %6s MiB/s, pages each: %s mean, %s p99; %s unsent keep %s; reserve used %llu times, empty %llu",
		per_second(picture, grown(picture, "reply_bytes") / (1 << 20),
			   mib),
		pages.mean, pages.p99,
		format_bytes(unsent, level(picture, "unsent_bytes")),
		format_bytes(kept, level(picture, "unsent_kept_bytes")),
		(unsigned long long)level(picture, "reply_reserve_pages"),
		(unsigned long long)level(picture, "reply_reserve_empty"));
}

static void write_pages(const struct picture *picture, char *line)
{
	char budget[FORMAT_SHORT], out[FORMAT_SHORT], cached[FORMAT_SHORT];
	char held[FORMAT_SHORT], kept[FORMAT_SHORT];

	snprintf(
		line, TOTALS_WIDTH,
		"Pages    %s in use, %s held in part; %s cached, %s reserved, of %s",
		format_count(out, level(picture, "mm_out_pages"), 6),
		format_count(held, level(picture, "held_pages"), 6),
		format_count(cached, level(picture, "mm_cached_pages"), 6),
		format_count(kept, level(picture, "mm_kept_pages"), 6),
		format_bytes(budget,
			     level(picture, "mm_total_pages") * PAGE_SIZE));
}

static void write_waits(const struct picture *picture, char *line)
{
	char sleeps[FORMAT_SHORT], parks[FORMAT_SHORT];
	unsigned int waiting = 0;

	for (unsigned int i = 0; i < picture->nr; i++)
		waiting += picture->rows[i].now->waiting;
	snprintf(
		line, TOTALS_WIDTH,
		"Waiting  %u connections for pages; shortages %s/s, connections parked %s/s",
		waiting, per_second(picture, grown(picture, "sleeps"), sleeps),
		per_second(picture, grown(picture, "parked_pages"), parks));
}

static void write_refusals(const struct picture *picture, char *line)
{
	snprintf(
		line, TOTALS_WIDTH,
		"Refused  %llu calls: %llu long, %llu fragments, %llu short, %llu late; %llu connections",
		(unsigned long long)level(picture, "records_refused"),
		(unsigned long long)level(picture, "refused_length"),
		(unsigned long long)level(picture, "refused_fragments"),
		(unsigned long long)level(picture, "refused_short"),
		(unsigned long long)level(picture, "refused_timeout"),
		(unsigned long long)level(picture, "refused_connections"));
}

void totals_write(const struct server *server, const struct picture *picture,
		  char lines[TOTALS_LINES][TOTALS_WIDTH])
{
	write_heading(server, picture, lines[0]);
	write_calls(picture, lines[1]);
	write_replies(picture, lines[2]);
	write_pages(picture, lines[3]);
	write_waits(picture, lines[4]);
	write_refusals(picture, lines[5]);
}
