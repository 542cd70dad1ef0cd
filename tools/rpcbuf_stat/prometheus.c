/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Names follow Prometheus' conventions: one prefix, base units, the unit at the
 * end, then `_total` for counters.  Reasons of refusals are a label.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "print.h"
#include "tools/common/counters.h"

#define PREFIX	    "rpcbuf_"
#define REFUSED	    "refused_"
#define RECORDS	    "records_refused"
#define NAME_LENGTH 80

/* Reasons of refused records; their sum is a figure too. */
static bool is_reason(const char *name)
{
	const struct counter *counter = counter_find(name);

	return counter && counter->group == COUNTER_GROUP_REFUSED &&
	       strncmp(name, REFUSED, sizeof(REFUSED) - 1) == 0;
}

/* Writes Prometheus' name; true: values are nanoseconds, to print in
 * seconds. */
static bool base_name(const char *name, char *out)
{
	static const char bytes[] = "bytes_";
	enum counter_unit unit = counter_unit(name);
	bool ns = unit == COUNTER_NS && figure_has_suffix(name, "_ns");

	if (unit == COUNTER_BYTES &&
	    strncmp(name, bytes, sizeof(bytes) - 1) == 0)
		snprintf(out, NAME_LENGTH, PREFIX "%s_bytes",
			 name + sizeof(bytes) - 1);
	else if (ns)
		snprintf(out, NAME_LENGTH, PREFIX "%.*s_seconds",
			 (int)strlen(name) - 3, name);
	else
		snprintf(out, NAME_LENGTH, PREFIX "%s", name);
	return ns;
}

static void print_help(FILE *out, const char *name, const char *help,
		       const char *type)
{
	fprintf(out, "# HELP %s ", name);
	for (; *help; help++)
		if (*help == '\\')
			fputs("\\\\", out);
		else
			fputc(*help, out);
	fprintf(out, "\n# TYPE %s %s\n", name, type);
}

static void print_value(FILE *out, uint64_t value, bool ns)
{
	if (ns)
		fprintf(out, " %" PRIu64 ".%09" PRIu64 "\n", value / 1000000000,
			value % 1000000000);
	else
		fprintf(out, " %" PRIu64 "\n", value);
}

static void print_single(FILE *out, const struct rpcbuf_metric *metric,
			 uint64_t value)
{
	bool counter = metric->kind == RPCBUF_COUNTER;
	char name[NAME_LENGTH + 8];
	bool ns = base_name(metric->name, name);

	if (counter)
		strcat(name, "_total");
	print_help(out, name, metric->help, counter ? "counter" : "gauge");
	fputs(name, out);
	print_value(out, value, ns);
}

static void print_reasons(FILE *out, const struct rpcbuf_snapshot *snapshot)
{
	static const char name[] = PREFIX RECORDS "_total";

	print_help(out, name, "records refused, by reason", "counter");
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];

		if (!is_reason(metric->name))
			continue;
		fprintf(out, "%s{reason=\"%s\"}", name,
			metric->name + sizeof(REFUSED) - 1);
		print_value(out, snapshot->values[metric->first], false);
	}
}

/* A histogram X_per_request has its sum in the counter X. */
static void sum_of_per_request(const char *name, char *out)
{
	static const char tail[] = "_per_request";
	size_t len = strlen(name);

	if (figure_has_suffix(name, tail))
		len -= sizeof(tail) - 1;
	snprintf(out, NAME_LENGTH, "%.*s", (int)len, name);
}

static void print_buckets(FILE *out, const struct rpcbuf_snapshot *snapshot,
			  const struct rpcbuf_metric *metric)
{
	struct histogram histogram = figure_histogram(snapshot, metric);
	char name[NAME_LENGTH], sum[NAME_LENGTH];
	bool ns = base_name(metric->name, name);
	uint64_t below = 0;

	print_help(out, name, metric->help, "histogram");
	for (unsigned int i = 0; i + 1 < histogram.nr; i++) {
		double bound = (double)(UINT64_C(1) << i);

		below += histogram.buckets[i];
		fprintf(out, "%s_bucket{le=\"%.9g\"} %" PRIu64 "\n", name,
			ns ? bound / 1e9 : bound, below);
	}
	below = histogram_total(&histogram);
	fprintf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
	snprintf(sum, sizeof(sum), "%s_sum", metric->name);
	if (!figure_find(snapshot, sum))
		sum_of_per_request(metric->name, sum);
	fprintf(out, "%s_sum", name);
	print_value(out, figure_get(snapshot, sum), ns);
	fprintf(out, "%s_count %" PRIu64 "\n", name, below);
}

/* The sum of a histogram is printed with the histogram. */
static bool is_sum(const struct rpcbuf_snapshot *snapshot, const char *name)
{
	const struct rpcbuf_metric *of;
	char base[sizeof(of->name)];

	if (!figure_has_suffix(name, "_sum"))
		return false;
	snprintf(base, sizeof(base), "%.*s", (int)strlen(name) - 4, name);
	of = figure_find(snapshot, base);
	return of && of->kind == RPCBUF_HISTOGRAM;
}

/* Escapes the value of a label. */
static void print_quoted(FILE *out, const char *text)
{
	for (; *text; text++)
		if (isprint((unsigned char)*text) && *text != '"' &&
		    *text != '\\')
			fputc(*text, out);
		else
			fputc('?', out);
}

static void print_info(FILE *out, const struct server *server)
{
	static const char name[] = PREFIX "info";

	print_help(out, name, "the program of these figures", "gauge");
	fprintf(out, "%s{program=\"", name);
	print_quoted(out, server->header->program);
	fputs("\",release=\"", out);
	print_quoted(out, server->header->release);
	fputs("\",detail=\"", out);
	print_quoted(out, server->header->detail);
	fprintf(out, "\",pid=\"%d\"} 1\n", (int)server->pid);
}

void print_prometheus(FILE *out, const struct server *server,
		      const struct rpcbuf_snapshot *snapshot)
{
	print_info(out, server);
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];

		if (strcmp(metric->name, RECORDS) == 0)
			print_reasons(out, snapshot);
		else if (metric->kind == RPCBUF_HISTOGRAM)
			print_buckets(out, snapshot, metric);
		else if (!is_reason(metric->name) &&
			 !is_sum(snapshot, metric->name))
			print_single(out, metric,
				     snapshot->values[metric->first]);
	}
}
