/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Reporting: free blocks of a zone lose their memory to the operating system.
 *
 * A batch is isolated from the zone block by block, shown to the consumers,
 * given back, and put on the zone's list of reported blocks, from where it is
 * handed out last.  No lock of the zone is held over the system calls, and none
 * at all over a consumer.
 *
 * `giving` is held over a batch when there is no consumer: a request that finds
 * no page while blocks are isolated waits for that lock (report_settle()).  It
 * is taken before the locks of zones, with no other lock held.
 */
#ifndef RPCBUF_MM_REPORT_H
#define RPCBUF_MM_REPORT_H

#include <rpcbuf/mm/hook.h>
#include <rpcbuf/report.h>

struct mm_report {
	struct os_lock giving;	/* of no field: a batch is under way */
	struct os_u64 isolated; /* pages between zone and system */
	struct hook_list consumers;
	struct os_u64 batches, bytes, kept; /* struct rpcbuf_report_stats */
};

/* A moment @age_ns ago, by the clock that zones stamp their blocks with. */
uint64_t report_moment(const struct rpcbuf *mm, uint64_t age_ns);

/*
 * Reports one batch of blocks of a node that have been free since @before or
 * longer; returns how many blocks, 0 when there was nothing to do.  Adds to
 * *@given those that went back.  A block that a consumer or the system kept is
 * free from now on: walks with the same @before do not come to it again, later
 * ones do.
 */
unsigned int report_batch(struct rpcbuf *mm, unsigned int node, uint64_t before,
			  uint64_t *given);

/*
 * The same for the free pages of a block that has others: of the first such block
 * from *@number on, which moves behind it.  For when memory is short: each stretch
 * of pages is a system call, and a hugepage is split.  Never while there is a
 * consumer, which knows whole blocks only.  Adds the bytes that went back to
 * *@given; false: there is no such block.
 */
bool report_mixed(struct rpcbuf *mm, unsigned int node, uint32_t *number,
		  uint64_t *given);

/* Returns when no page is isolated that was when it was called; at once when a
 * consumer looks at them. */
void report_settle(struct rpcbuf *mm);

/* Gives the memory of free pages back.  0, or -errno and nothing changed. */
int mm_discard(const struct rpcbuf *mm, void *first, size_t length);

/* True while there are free blocks that may become due. */
bool report_pending(struct rpcbuf *mm);

#endif /* RPCBUF_MM_REPORT_H */
