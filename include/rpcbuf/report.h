/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/report.h - word of free memory that goes back to the system.
 *
 * Blocks of 2 MiB that stayed free for two seconds are given back to the
 * operating system, so that the resident size of the process falls; their
 * addresses stay, and are handed out again after all others.  It happens in
 * batches of up to RPCBUF_REPORT_MAX blocks, with pauses in between, and stops
 * short of what requests need next: the low watermark and a batch stay.
 *
 * When memory is short in the system, and for rpcbuf_reclaim(), free pages of
 * other blocks go back as well, unless there is a consumer, which is told of whole
 * blocks only.
 *
 * A consumer is told of each batch before: to unregister memory that it had
 * pinned, for one, or to keep a block from being given back.  In this project only
 * tests register consumers.
 */
#ifndef RPCBUF_REPORT_H
#define RPCBUF_REPORT_H

#include <rpcbuf/hook.h>
#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes of a block, and most blocks of a batch. */
#define RPCBUF_REPORT_SIZE ((size_t)2 << 20)
#define RPCBUF_REPORT_MAX  32u

struct rpcbuf_reporter;

/*
 * The callback of a consumer.  @blocks: addresses of @nr blocks, from 1 to
 * RPCBUF_REPORT_MAX, whose pages are all free and that nobody can get before
 * the report is over.  A block stays as it is, with its memory, when the
 * callback sets its address to NULL; consumers that come later do not see it.
 * It counts as released at that moment, so it comes up again when it stays free
 * for the same time once more (as in the kernel's mm/page_reporting.c), or with
 * the next rpcbuf_reclaim().
 *
 * Called by the thread of the instance, or by the caller of rpcbuf_maintain(),
 * rpcbuf_reclaim(); no lock is held.  It may allocate and release pages; it
 * must not call these three functions or rpcbuf_report_unregister().
 */
typedef void (*rpcbuf_report_fn)(struct rpcbuf_reporter *reporter,
				 void **blocks, unsigned int nr);

/* The caller's, zeroed but for `report`; stays where it is while registered. */
struct rpcbuf_reporter {
	rpcbuf_report_fn report;
	struct rpcbuf_hook hook; /* private */
};

/*
 * rpcbuf_report_register - add a consumer behind those that are there.
 *
 * Returns 0, -EBUSY when it is registered already, -EINVAL without a callback,
 * or -EPERM in a child of the process that made the instance.  Any thread.
 */
int rpcbuf_report_register(struct rpcbuf *mm, struct rpcbuf_reporter *reporter);

/*
 * rpcbuf_report_unregister - the callback does not run and never will again.
 *
 * Waits for a call that is under way.  Returns 0, -ENOENT when it is not
 * registered, or -EPERM as above.  Any thread, but not from the callback.
 */
int rpcbuf_report_unregister(struct rpcbuf *mm,
			     struct rpcbuf_reporter *reporter);

/* Since the instance was made. */
struct rpcbuf_report_stats {
	size_t size; /* sizeof(struct rpcbuf_report_stats) */
	uint64_t batches; /* reports made */
	uint64_t bytes;	  /* given back to the system */
	uint64_t kept;	  /* bytes that a consumer or the system kept */
};

#define RPCBUF_REPORT_STATS_INIT { .size = sizeof(struct rpcbuf_report_stats) }

/* Fills *stats.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_report_stats(struct rpcbuf *mm, struct rpcbuf_report_stats *stats);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_REPORT_H */
