/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Publishes the engine in a segment: its statistics, and a row per client.
 * Runs on the thread of the publisher.
 */
#include <errno.h>
#include <rpcbuf/publish.h>
#include <stdio.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/publish.h"

static const struct rpcbuf_figure figures[] = {
#define X(name, kind, unit, group, what) {#name, what, RPCBUF_##kind, 0},
	RPCBUF_ENGINE_STATS(X)
#undef X
#define X(member, name, buckets, unit, group, what) \
	{#name, what, RPCBUF_HISTOGRAM, buckets},
		RPCBUF_ENGINE_HISTOGRAMS(X)
#undef X
};

#define X(figure, kind, unit, group, what) PUBLISH_FITS(#figure, what)
RPCBUF_ENGINE_STATS(X)
#undef X
#define X(member, name, buckets, unit, group, what) +(buckets)
#define Y(...)					    +1
_Static_assert(sizeof(struct rpcbuf_engine_stats) ==
		       (0 RPCBUF_ENGINE_STATS(Y) RPCBUF_ENGINE_HISTOGRAMS(X)) *
				       sizeof(uint64_t) +
			       sizeof(size_t),
	       "nothing behind `size` but the figures, in their order");
#undef X
#undef Y

static void read_engine(void *owner, uint64_t *values)
{
	struct rpcbuf_engine_stats stats = RPCBUF_ENGINE_STATS_INIT;

	rpcbuf_engine_stats(owner, &stats);
	memcpy(values, (char *)&stats + sizeof(stats.size),
	       sizeof(stats) - sizeof(stats.size));
}

/* Makes a row for each client. */
static void make_rows(struct rpcbuf_engine *engine,
		      struct rpcbuf_publisher *publisher)
{
	struct client *client, *tmp;

	pthread_mutex_lock(&engine->clients.lock);
	for (unsigned int i = 0; i < CLIENT_BUCKETS; i++)
		list_for_each_entry_safe(client, tmp,
					 &engine->clients.buckets[i],
					 struct client, link)
		{
			struct rpcbuf_client *row =
				rpcbuf_publisher_client(publisher, client->key);

			client->row = row;
			if (!row)
				continue;
			row->refused_length +=
				os_load(&client->refused[REFUSED_LENGTH]);
			row->refused_fragments +=
				os_load(&client->refused[REFUSED_FRAGMENTS]);
			row->refused_short +=
				os_load(&client->refused[REFUSED_SHORT]);
			row->refused_timeout +=
				os_load(&client->refused[REFUSED_TIMEOUT]);
		}
	pthread_mutex_unlock(&engine->clients.lock);
}

/* The earlier of two moments; 0 is none. */
static uint64_t earlier(uint64_t a, uint64_t b)
{
	return !a || (b && b < a) ? b : a;
}

/* Connections at the gate appear in parked_long, not in a row. */
static void add_wait(struct rpcbuf_client *row, const struct rpcbuf_conn *conn)
{
	enum parked_for what = os_load(&conn->reception.parked_for);

	if (what == FOR_NOTHING || what == FOR_GATE)
		return;
	row->waiting += parked_for_memory(what);
	row->unsent += what == FOR_UNSENT;
	row->busy += what == FOR_CALLS;
	row->waiting_ns =
		earlier(row->waiting_ns, os_load(&conn->counts.parked_ns));
}

static void add_conn(struct rpcbuf_client *row, const struct rpcbuf_conn *conn)
{
	int in_flight = os_load(&conn->flight.nr);

	row->connections++;
	row->in_flight += in_flight > 0 ? (uint32_t)in_flight : 0;
	row->held_pages += os_load(&conn->admit.quota.partial);
	row->held_bytes += os_load(&conn->counts.partial_bytes);
	row->unsent_bytes += rpcbuf_out_unsent(&conn->sending.out);
	row->requests += os_load(&conn->counts.requests);
	row->bytes += os_load(&conn->counts.bytes);
	row->reply_bytes += os_load(&conn->replied_bytes);
	row->unsent_kept_bytes += os_load(&conn->sending.out.pinned);
	row->waits += os_load(&conn->counts.waits);
	add_wait(row, conn);
}

/* A client that arrived after make_rows() has no row. */
static void add_conns(struct list_head *conns)
{
	struct rpcbuf_conn *conn, *tmp;

	list_for_each_entry_safe(conn, tmp, conns, struct rpcbuf_conn,
				 member.link) if (conn->part->client->row)
		add_conn(conn->part->client->row, conn);
}

static void read_clients(void *owner, struct rpcbuf_publisher *publisher)
{
	struct rpcbuf_engine *engine = owner;

	make_rows(engine, publisher);
	for (unsigned int i = 0; i < engine_all_loops(engine); i++) {
		struct loop *loop = &engine->loops[i];

		/* A client exists while one of its connections is on a list of
		 * a loop. */
		pthread_mutex_lock(&loop->conns.lock);
		add_conns(&loop->conns.all);
		add_conns(&loop->conns.in_scan);
		pthread_mutex_unlock(&loop->conns.lock);
	}
}

int rpcbuf_engine_publish(struct rpcbuf_engine *engine,
			  struct rpcbuf_publisher *publisher)
{
	const struct rpcbuf_source source = {
		.size = sizeof(source),
		.owner = engine,
		.figures = figures,
		.nr_figures = sizeof(figures) / sizeof(*figures),
		.read = read_engine,
		.clients = read_clients,
	};
	char detail[32];
	int err;

	if (fork_is_child(engine->mm))
		return -EPERM;
	err = rpcbuf_publisher_add(publisher, &source);
	if (err)
		return err;
	snprintf(detail, sizeof(detail), "engine %s",
		 rpcbuf_engine_backend(engine));
	rpcbuf_publisher_describe(publisher, detail);
	os_store_release(&engine->publisher, publisher);
	return 0;
}

void trace_unpublish(struct rpcbuf_engine *engine)
{
	if (engine->publisher)
		rpcbuf_publisher_remove(engine->publisher, engine);
}
