/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The insides of a publisher: publish.c owns it, source.c keeps its sources,
 * event.c writes its ring.
 */
#ifndef RPCBUF_OS_PUBLISH_H
#define RPCBUF_OS_PUBLISH_H

#include <limits.h>
#include <pthread.h>
#include <rpcbuf/os/atomic.h>
#include <rpcbuf/publish.h>

#define PUBLISH_SOURCES_MAX 16

/* The segment has room for the name of a figure, and for what it counts. */
#define PUBLISH_FITS(figure, what)                                           \
	_Static_assert(                                                      \
		sizeof(figure) <= sizeof(((struct rpcbuf_metric *)0)->name), \
		"the name is too long: " figure);                            \
	_Static_assert(                                                      \
		sizeof(what) <= sizeof(((struct rpcbuf_metric *)0)->help),   \
		"the sentence is too long: " figure);

struct rpcbuf_publisher {
	/* Set once. */
	struct rpcbuf_segment_header *header;
	struct rpcbuf_segment_control *control;
	struct rpcbuf_event *ring;
	unsigned int nr_events;
	void *map;
	uint64_t size;
	int fd;
	int pid; /* of the process that made it; a fork's child has another */
	char path[PATH_MAX];
	pthread_t thread;

	/* Any thread. */
	struct os_bool stop;
	struct os_bool ring_ready; /* it has memory */
	struct os_u32 writers;	   /* of events, now */

	/* The thread's. */
	uint64_t traced_ns; /* when a reader last traced */

	pthread_mutex_t lock; /* all below */
	struct rpcbuf_source sources[PUBLISH_SOURCES_MAX];
	unsigned int first_value[PUBLISH_SOURCES_MAX];
	unsigned int nr_sources, nr_metrics, nr_values;
	unsigned int nr_clients, lost_clients;
	uint64_t values[RPCBUF_VALUES_MAX];
	struct rpcbuf_client clients[RPCBUF_CLIENTS_MAX];
};

/* Removes leases that ran out, so that nobody has to look at the time. */
void publish_end_leases(struct rpcbuf_publisher *publisher, uint64_t now_ns);

#endif /* RPCBUF_OS_PUBLISH_H */
