/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The sources of a publisher, and the rows of its table of clients.  Figures
 * are never taken out of a segment again, readers may count on their places.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rpcbuf/os/publish.h"
#include "rpcbuf/os/segment.h"
#include <rpcbuf/os/sized.h>

static unsigned int values_of(const struct rpcbuf_figure *figure)
{
	return figure->kind == RPCBUF_HISTOGRAM ? figure->count : 1;
}

static unsigned int count_values(const struct rpcbuf_source *source)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < source->nr_figures; i++)
		nr += values_of(&source->figures[i]);
	return nr;
}

/* Before nr_metrics counts them in, with the next publication. */
static void append_metrics(struct rpcbuf_publisher *publisher,
			   const struct rpcbuf_source *source)
{
	const struct rpcbuf_segment_section *section =
		&publisher->header->sections[RPCBUF_SECTION_METRICS];
	struct rpcbuf_metric *metrics =
		segment_at(publisher->map, section->offset);

	for (unsigned int i = 0; i < source->nr_figures; i++) {
		const struct rpcbuf_figure *figure = &source->figures[i];
		struct rpcbuf_metric metric = {.kind = figure->kind};

		snprintf(metric.name, sizeof(metric.name), "%s", figure->name);
		snprintf(metric.help, sizeof(metric.help), "%s", figure->help);
		metric.first = (uint16_t)publisher->nr_values;
		metric.count = (uint16_t)values_of(figure);
		publisher->nr_values += metric.count;
		segment_copy(&metrics[publisher->nr_metrics++], &metric,
			     sizeof(metric));
	}
}

static struct rpcbuf_source *find_source(struct rpcbuf_publisher *publisher,
					 const void *owner)
{
	for (unsigned int i = 0; i < publisher->nr_sources; i++)
		if (publisher->sources[i].owner == owner)
			return &publisher->sources[i];
	return NULL;
}

/* The place of a source of this kind, whose figures are there already. */
static struct rpcbuf_source *find_kind(struct rpcbuf_publisher *publisher,
				       const struct rpcbuf_figure *figures)
{
	for (unsigned int i = 0; i < publisher->nr_sources; i++)
		if (publisher->sources[i].figures == figures)
			return &publisher->sources[i];
	return NULL;
}

static int add_locked(struct rpcbuf_publisher *publisher,
		      const struct rpcbuf_source *source)
{
	struct rpcbuf_source *before = find_kind(publisher, source->figures);
	unsigned int nr = publisher->nr_sources;

	if (before && before->owner)
		return -EALREADY;
	if (before) {
		*before = *source;
		return 0;
	}
	if (nr == PUBLISH_SOURCES_MAX ||
	    publisher->nr_metrics + source->nr_figures > RPCBUF_METRICS_MAX ||
	    publisher->nr_values + count_values(source) > RPCBUF_VALUES_MAX)
		return -ENOSPC;
	publisher->sources[nr] = *source;
	publisher->first_value[nr] = publisher->nr_values;
	publisher->nr_sources++;
	append_metrics(publisher, source);
	return 0;
}

int rpcbuf_publisher_add(struct rpcbuf_publisher *publisher,
			 const struct rpcbuf_source *source)
{
	struct rpcbuf_source known = {.size = sizeof(known)};
	int err = sized_read(&known, sizeof(known), source);

	if (!err && !known.read)
		err = -EINVAL;
	if (err)
		return err;
	pthread_mutex_lock(&publisher->lock);
	err = add_locked(publisher, &known);
	pthread_mutex_unlock(&publisher->lock);
	return err;
}

void rpcbuf_publisher_remove(struct rpcbuf_publisher *publisher, void *owner)
{
	struct rpcbuf_source *source;

	pthread_mutex_lock(&publisher->lock);
	source = find_source(publisher, owner);
	if (source) {
		source->read(
			owner,
			publisher->values +
				publisher->first_value[source -
						       publisher->sources]);
		source->owner = NULL;
		source->clients = NULL;
	}
	pthread_mutex_unlock(&publisher->lock);
}

struct rpcbuf_client *
rpcbuf_publisher_client(struct rpcbuf_publisher *publisher,
			const uint8_t *address)
{
	struct rpcbuf_client *client;

	for (unsigned int i = 0; i < publisher->nr_clients; i++)
		if (!memcmp(publisher->clients[i].address, address,
			    sizeof(client->address)))
			return &publisher->clients[i];
	if (publisher->nr_clients == RPCBUF_CLIENTS_MAX) {
		publisher->lost_clients++;
		return NULL;
	}
	client = &publisher->clients[publisher->nr_clients++];
	memset(client, 0, sizeof(*client));
	memcpy(client->address, address, sizeof(client->address));
	return client;
}
