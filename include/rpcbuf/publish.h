/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/publish.h - showing a running program to rpcbuf-stat, rpcbuf-trace and
 * rpcbuf-top.
 *
 *	struct rpcbuf_publisher *publisher;
 *
 *	rpcbuf_publisher_create(&publisher, NULL);
 *	rpcbuf_stats_publish(mm, publisher);
 *	rpcbuf_engine_publish(engine, publisher);
 *	...
 *	rpcbuf_engine_stop(engine, timeout);
 *	rpcbuf_engine_destroy(engine);
 *	rpcbuf_publisher_destroy(publisher);
 *
 * The publisher owns a segment in shared memory (rpcbuf/segment.h has its
 * layout) and a thread with all signals blocked that copies the figures of its
 * sources into it: once a second, and at once when a reader asks for that.
 * Requests pay nothing for it.
 */
#ifndef RPCBUF_PUBLISH_H
#define RPCBUF_PUBLISH_H

#include <rpcbuf/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Start from RPCBUF_PUBLISHER_OPTIONS_INIT: all defaults. */
struct rpcbuf_publisher_options {
	size_t size;	    /* sizeof(struct rpcbuf_publisher_options) */
	const char *name;   /* part of the file's name, so that a process can
			     * have several: letters, digits, `_` and `.`, at
			     * most 31; NULL: none */
	const char *folder; /* NULL: RPCBUF_SEGMENT_FOLDER */
	unsigned int events; /* records of the ring for traces, a power of two
			      * up to 2^20; 0: 32768.  It takes memory, 256
			      * bytes each, when a reader first traces */
	unsigned int reserved; /* 0 */
};

#define RPCBUF_PUBLISHER_OPTIONS_INIT \
	{ .size = sizeof(struct rpcbuf_publisher_options) }

struct rpcbuf_publisher;

/*
 * rpcbuf_publisher_create - make a segment and begin to publish.
 *
 * Removes segments of this user that crashed programs left in the folder.
 * @options may be NULL.  Returns 0; -EINVAL; -EEXIST when this process
 * publishes under that name already; -ENOMEM, -ENOSPC, -EACCES and the like
 * when the file cannot be made.  Survives fork only in the parent.
 */
int rpcbuf_publisher_create(struct rpcbuf_publisher **publisher,
			    const struct rpcbuf_publisher_options *options);

/*
 * rpcbuf_publisher_end - publish a last time, end the thread, remove the file.
 *
 * No source is read again.  Readers see that the program let go.  Events that
 * are still written afterwards go nowhere, safely.
 */
void rpcbuf_publisher_end(struct rpcbuf_publisher *publisher);

/* The same, and frees it: no event may be written any more.  NULL is passed
 * over. */
void rpcbuf_publisher_destroy(struct rpcbuf_publisher *publisher);

/* The file of its segment. */
const char *rpcbuf_publisher_path(const struct rpcbuf_publisher *publisher);

/* One word or two about the program, for the heading of readers. */
void rpcbuf_publisher_describe(struct rpcbuf_publisher *publisher,
			       const char *detail);

/* A figure, one of an array, so it does not grow; `count` is the number of buckets of a histogram, 0 otherwise. */
struct rpcbuf_figure {
	const char *name, *help;
	enum rpcbuf_metric_kind kind;
	unsigned int count;
};

/*
 * A source of figures.  `size` is sizeof(struct rpcbuf_source).  `read` and `clients` run on the publisher's thread, one at
 * a time, and may take locks that are held for a short time.
 */
struct rpcbuf_source {
	size_t size; /* sizeof(struct rpcbuf_source) */
	void *owner; /* given to the functions, and names the source */
	const struct rpcbuf_figure *figures;
	unsigned int nr_figures;
	/* Writes the values of all figures, in their order. */
	void (*read)(void *owner, uint64_t *values);
	/* Merges the clients of the source into the table, while a reader looks
	 * at it: rpcbuf_publisher_client().  May be NULL. */
	void (*clients)(void *owner, struct rpcbuf_publisher *publisher);
};

/*
 * The source is copied, its figures are not.  0; -EINVAL for a wrong `size` or no
 * `read`, -E2BIG for a member that this library does not know; -ENOSPC when the
 * segment has no room for them, -EALREADY when there is one with the same figures: a
 * segment shows one engine and one instance, others get a publisher of their
 * own, with a name.
 */
int rpcbuf_publisher_add(struct rpcbuf_publisher *publisher,
			 const struct rpcbuf_source *source);

/* On return the owner's functions do not run and never will again; its figures
 * stay as they were last.  Waits for them. */
void rpcbuf_publisher_remove(struct rpcbuf_publisher *publisher, void *owner);

/* For ->clients(): the row of @address (16 bytes), made when there is none.
 * NULL when the table is full, which is counted. */
struct rpcbuf_client *
rpcbuf_publisher_client(struct rpcbuf_publisher *publisher,
			const uint8_t *address);

/* What readers ask for: RPCBUF_WATCH_* bits.  @now_ns is CLOCK_MONOTONIC.  Ten
 * instructions while nobody does. */
unsigned int rpcbuf_publisher_watched(const struct rpcbuf_publisher *publisher,
				      uint64_t now_ns);

/*
 * rpcbuf_publisher_write_event - write the record of a call for readers that trace.
 *
 * Only while RPCBUF_WATCH_EVENTS is asked for.  Sets event->sequence; the rest
 * is the caller's.  Any thread; never waits.
 */
void rpcbuf_publisher_write_event(struct rpcbuf_publisher *publisher,
				  struct rpcbuf_event *event);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_PUBLISH_H */
