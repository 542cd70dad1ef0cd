/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * out.h - the send list of a connection, and the chart of sending.
 *
 *	            append                 append, or release
 *	  EMPTY ------------> HELD ----------------------------+
 *	    ^ |                                                |
 *	    | | append                                         v
 *	    | +--------------------------------------------> WRITING
 *	    |     all was sent                               |  ^ |
 *	    +------------------------------------------------+  | | socket full,
 *	                                                        | v or enough
 *	                          writable, or waited for      BLOCKED
 *	  each: --> DEAD, once, for good
 *
 * EMPTY    there is nothing
 * HELD     there is something, and more follows at once: cork.h
 * WRITING  one thread writes; what others add it writes too: round.h
 * BLOCKED  there is something, and whoever watches the socket goes on
 * DEAD     nothing is sent any more.  The list is freed by the thread that
 *          writes, if one does, else by the one that made the move: flush.h
 *
 * Locks: `lock` guards all that is not said to be otherwise.  It is held over
 * no system call but the clock's, no free and no callback but `count` and
 * `held`; the monitor's of standalone.c is taken within it.
 */
#ifndef RPCBUF_ENGINE_OUT_H
#define RPCBUF_ENGINE_OUT_H

#include <pthread.h>
#include <rpcbuf/out.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/mm/fork.h"

enum out_state {
	OUT_EMPTY,
	OUT_CORKED,
	OUT_WRITING,
	OUT_BLOCKED,
	OUT_DEAD,
	NR_OUT_STATES
};

/* What the owner of the list is told; each may be NULL. */
struct out_ops {
	/* A thread has left off writing, in whatever state; no lock is held.
	 * The thread that calls keeps the list alive. */
	void (*wrote)(struct rpcbuf_out *out);
	/* What waits in the list has become so much more, or less.  Under the
	 * lock. */
	void (*charge)(struct rpcbuf_out *out, uint64_t bytes, uint64_t pinned);
	/* It holds replies back now, or does not any more.  Under the lock. */
	void (*corked)(struct rpcbuf_out *out, bool corked);
};

struct rpcbuf_out {
	pthread_mutex_t lock;
	pthread_cond_t stopped;	   /* somebody has left off writing */
	const struct out_ops *ops; /* never changes */
	int fd;			   /* likewise */
	uint32_t process;	   /* likewise: fork_generation() */
	enum out_state state;	   /* others read it: os_load() */
	bool writes;		   /* a thread does, in WRITING or DEAD */
	bool more;	      /* replies that follow at once are expected */
	unsigned int waiters; /* that flush or end it; others read it */
	unsigned int nr;      /* of the replies */
	struct list_head replies;
	uint64_t bytes;	 /* not sent; others read it */
	uint64_t pinned; /* that the replies keep, in bytes; others read it */
	uint64_t charged_bytes, charged_pinned; /* what was counted of these */
	uint64_t cork_until_ns;			/* in HELD */
	uint64_t blocked_ns; /* since when the socket takes nothing, 0: it does;
			      * others read it */
	/* standalone.c's: under the monitor's lock. */
	struct list_head cork_link;
	uint64_t corked_ns;
};

void out_init(struct rpcbuf_out *out, int fd, const struct out_ops *ops);

/* The rest is for round.c, cork.c and flush.c, under the lock. */

/* Every move is made here, and what the left state held is undone. */
void out_move(struct rpcbuf_out *out, enum out_state to);
/* It has changed what waits in the list. */
void out_charge(struct rpcbuf_out *out);
/* @n bytes have left: replies that have go to @done. */
void out_advance(struct rpcbuf_out *out, size_t n, struct list_head *done);
/* The list is empty then; its replies are the caller's to free. */
void out_take_all(struct rpcbuf_out *out, struct list_head *replies);
/* Once.  @dropped gets the replies, unless a thread writes, which frees them. */
void out_die(struct rpcbuf_out *out, struct list_head *dropped);

/* Any thread. */
static inline enum out_state out_state(const struct rpcbuf_out *out)
{
	return __atomic_load_n(&out->state, __ATOMIC_ACQUIRE);
}

/* In a child of the process that made it: what it has is the parent's, and its lock
 * may be held by a thread that did not come along. */
static inline bool out_is_forked(const struct rpcbuf_out *out)
{
	return out->process != fork_generation();
}

/* Whether all is as said above; for debug builds and tests.  Under the lock. */
bool out_is_valid(const struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_OUT_H */
