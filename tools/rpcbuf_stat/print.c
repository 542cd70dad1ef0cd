/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <inttypes.h>
#include <json-c/json.h>
#include <string.h>

#include "print.h"

void print_raw(FILE *out, const struct server *server,
	       const struct rpcbuf_snapshot *snapshot)
{
	fprintf(out, "program %s\npid %d\nrelease %s\n%s\n",
		server->header->program, (int)server->pid,
		server->header->release, server->header->detail);
	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];
		const uint64_t *values = &snapshot->values[metric->first];

		if (metric->kind != RPCBUF_HISTOGRAM) {
			fprintf(out, "%s %" PRIu64 "\n", metric->name, *values);
			continue;
		}
		for (unsigned int j = 0; j < metric->count && j < 64; j++)
			fprintf(out, "%s_%" PRIu64 " %" PRIu64 "\n",
				metric->name, UINT64_C(1) << j, values[j]);
	}
}

static struct json_object *json_number(uint64_t value)
{
	return json_object_new_uint64(value);
}

static struct json_object *seconds(uint64_t ns)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 ".%09" PRIu64, ns / 1000000000,
		 ns % 1000000000);
	return json_object_new_double_s((double)ns / 1e9, text);
}

/* As Prometheus: the count of values up to `le`; the last `le` is null. */
static struct json_object *histogram(struct histogram histogram)
{
	struct json_object *object = json_object_new_object();
	struct json_object *le = json_object_new_array();
	struct json_object *counts = json_object_new_array();

	for (unsigned int i = 0; i < histogram.nr; i++) {
		json_object_array_add(
			le, i + 1 < histogram.nr ? json_number(UINT64_C(1) << i)
						 : NULL);
		json_object_array_add(counts,
				      json_number(histogram.buckets[i]));
	}
	json_object_object_add(object, "le", le);
	json_object_object_add(object, "counts", counts);
	return object;
}

static struct json_object *rates_between(const struct rpcbuf_snapshot *from,
					 const struct rpcbuf_snapshot *to)
{
	struct json_object *object = json_object_new_object();
	double elapsed = (double)(to->monotonic_ns - from->monotonic_ns) / 1e9;

	for (uint32_t i = 0; i < to->nr_metrics; i++) {
		const char *name = to->metrics[i].name;

		if (to->metrics[i].kind == RPCBUF_COUNTER && elapsed > 0)
			json_object_object_add(
				object, name,
				json_object_new_double(
					(double)figure_grown(from, to, name) /
					elapsed));
	}
	return object;
}

void print_json(FILE *out, const struct server *server,
		const struct rpcbuf_snapshot *from,
		const struct rpcbuf_snapshot *snapshot)
{
	struct json_object *object = json_object_new_object();
	struct json_object *figures = json_object_new_object();
	struct json_object *histograms = json_object_new_object();

	for (uint32_t i = 0; i < snapshot->nr_metrics; i++) {
		const struct rpcbuf_metric *metric = &snapshot->metrics[i];

		if (metric->kind == RPCBUF_HISTOGRAM)
			json_object_object_add(
				histograms, metric->name,
				histogram(figure_histogram(snapshot, metric)));
		else
			json_object_object_add(
				figures, metric->name,
				json_number(snapshot->values[metric->first]));
	}
	json_object_object_add(object, "time", seconds(snapshot->realtime_ns));
	json_object_object_add(object, "pid", json_object_new_int(server->pid));
	json_object_object_add(object, "program",
			       json_object_new_string(server->header->program));
	json_object_object_add(object, "name",
			       json_object_new_string(server->header->name));
	json_object_object_add(object, "release",
			       json_object_new_string(server->header->release));
	json_object_object_add(object, "detail",
			       json_object_new_string(server->header->detail));
	json_object_object_add(object, "figures", figures);
	json_object_object_add(object, "histograms", histograms);
	if (from)
		json_object_object_add(object, "rates",
				       rates_between(from, snapshot));
	fprintf(out, "%s\n",
		json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN));
	json_object_put(object);
}
