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
 * HELD     there is something, and more follows at once: hold.h
 * WRITING  one thread writes; what others add it writes too
 * BLOCKED  there is something, and whoever watches the socket goes on
 * DEAD     nothing is sent any more.  The list is freed by the thread that
 *          writes, if one does, else by the one that made the move
 *
 * Locks: `lock` guards all that is not said to be otherwise.  It is held over
 * no system call but the clock's, no free and no callback but `count`; the
 * watcher's of hold.c is taken within it.
 */
#ifndef RPCBUF_ENGINE_OUT_H
#define RPCBUF_ENGINE_OUT_H

#include <pthread.h>
#include <rpcbuf/out.h>

#include "rpcbuf/engine/reply.h"

enum out_state {
	OUT_EMPTY,
	OUT_HELD,
	OUT_WRITING,
	OUT_BLOCKED,
	OUT_DEAD,
	NR_OUT_STATES
};

struct out_ops {
	/* A thread has left off writing, in whatever state; no lock is held.
	 * The thread that calls keeps the list alive. */
	void (*wrote)(struct rpcbuf_out *out);
	/* What waits in the list has become so much more, or less.  Under the
	 * lock. */
	void (*count)(struct rpcbuf_out *out, uint64_t bytes, uint64_t pinned);
};

struct rpcbuf_out {
	pthread_mutex_t lock;
	pthread_cond_t left;	   /* somebody has left off writing */
	const struct out_ops *ops; /* never changes; NULL: nobody is told */
	int fd;			   /* likewise */
	pid_t pid;		   /* likewise; of a list without an engine */
	enum out_state state;	   /* others read it: os_load() */
	bool writes;		   /* a thread does, in WRITING or DEAD */
	bool more;	      /* replies that follow at once are expected */
	unsigned int waiters; /* that flush or end it; others read it */
	unsigned int nr;      /* of the replies */
	struct list_head replies;
	uint64_t bytes;	 /* not sent; others read it */
	uint64_t pinned; /* that the replies keep, in bytes; others read it */
	uint64_t told_bytes, told_pinned; /* what was counted of these */
	uint64_t hold_until_ns;		  /* in HELD */
	uint64_t blocked_ns; /* since when the socket takes nothing, 0: it does;
			      * others read it */
	/* hold.c's: under the watcher's lock. */
	struct list_head hold_link;
	uint64_t held_ns;
};

void out_init(struct rpcbuf_out *out, int fd, const struct out_ops *ops);
/* Nobody uses it any more; what it has is dropped. */
void out_exit(struct rpcbuf_out *out);

/* As rpcbuf_out_send(), where @own says that this thread is the one that
 * out_more() speaks of. */
int out_append(struct rpcbuf_out *out, struct rpcbuf_reply *reply, bool own);
/* The same by that thread, which says it with the reply. */
int out_append_own(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		   bool more);
/* A whole reply of @len bytes at @bytes is copied behind the last one that is held
 * back: as out_append(), or -EAGAIN when there is none with room. */
int out_join(struct rpcbuf_out *out, const void *bytes, size_t len, bool own);
int out_join_own(struct rpcbuf_out *out, const void *bytes, size_t len,
		 bool more);
/* Will another reply follow that of the call that begins now? */
void out_more(struct rpcbuf_out *out, bool more);
/* What was held back leaves, and no reply is held back from now on.  Any
 * thread. */
void out_release(struct rpcbuf_out *out);
/* The socket may take bytes again: a round, if nobody else writes. */
void out_write(struct rpcbuf_out *out);
/* It is dead; returns when no thread writes any more: the descriptor may be
 * closed. */
void out_end(struct rpcbuf_out *out);

static inline enum out_state out_state(const struct rpcbuf_out *out)
{
	return __atomic_load_n(&out->state, __ATOMIC_ACQUIRE);
}

/* Whether all is as said above; for debug builds and tests.  Under the lock. */
bool out_is_valid(const struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_OUT_H */
