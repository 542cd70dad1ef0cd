/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * out.h - the send list of a connection, and its state machine.
 *
 *	            append                 append, or uncork
 *	  EMPTY ------------> CORKED --------------------------+
 *	    ^ |                                                |
 *	    | | append                                         v
 *	    | +--------------------------------------------> WRITING
 *	    |     all was sent                               |  ^ |
 *	    +------------------------------------------------+  | | socket full,
 *	                                                        | v or limit met
 *	                               writable, or a flush    BLOCKED
 *	  each: --> DEAD, once, for good
 *
 * EMPTY    no reply
 * CORKED   replies wait for another one that follows at once: cork.h
 * WRITING  one thread writes, also what others append meanwhile: round.h
 * BLOCKED  replies are left; the thread that watches for POLLOUT continues
 * DEAD     nothing is sent any more.  The replies are freed by the thread that
 *          writes, if there is one, else by the thread that made the move: flush.h
 *
 * Locks: `lock` guards all members but those that say otherwise.  No system
 * call but the clock's is made under it, no reply is freed, and no callback is
 * called but `charge` and `corked`.  The uncorker's lock of standalone.c is
 * taken within it.
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

/* Callbacks to the owner of the list; each may be NULL. */
struct out_ops {
	/* A thread stopped writing, whatever the state is now.  No lock is
	 * held.  The calling thread keeps the list alive. */
	void (*wrote)(struct rpcbuf_out *out);
	/* The unsent bytes and the memory that they pin have changed by so
	 * much.  Under the lock. */
	void (*charge)(struct rpcbuf_out *out, uint64_t bytes, uint64_t pinned);
	/* The list was corked, or uncorked.  Under the lock. */
	void (*corked)(struct rpcbuf_out *out, bool corked);
};

struct rpcbuf_out {
	pthread_mutex_t lock;
	pthread_cond_t stopped;	   /* a thread stopped writing */
	const struct out_ops *ops; /* never changes */
	int fd;			   /* likewise */
	uint32_t process;	   /* likewise: fork_generation() */
	enum out_state state;	   /* others read it: os_load() */
	bool writes;		   /* a thread writes, in WRITING or DEAD */
	bool more;		   /* another reply will follow at once */
	unsigned int waiters; /* threads that flush or end the list; others read
			       * it */
	unsigned int nr;      /* of replies */
	struct list_head replies;
	uint64_t bytes;	 /* unsent; others read it */
	uint64_t pinned; /* memory that the replies pin, in bytes; others read
			  * it */
	uint64_t charged_bytes, charged_pinned; /* of these, what ops->charge()
						 * has been told */
	uint64_t cork_until_ns;			/* in CORKED */
	uint64_t blocked_ns; /* since when the socket has been full; 0: it is
			      * not. Others read it */
	/* For standalone.c: under the uncorker's lock. */
	struct list_head cork_link;
	uint64_t corked_ns;
};

void out_init(struct rpcbuf_out *out, int fd, const struct out_ops *ops);

/* For round.c, cork.c and flush.c.  Under the lock. */

/* The only function that changes the state.  Undoes what belongs to the state
 * that is left. */
void out_move(struct rpcbuf_out *out, enum out_state to);
/* Charges the change of `bytes` and `pinned` to the owner. */
void out_charge(struct rpcbuf_out *out);
/* @n bytes were sent: moves the replies that are complete to @done. */
void out_advance(struct rpcbuf_out *out, size_t n, struct list_head *done);
/* Empties the list; the caller frees @replies. */
void out_take_all(struct rpcbuf_out *out, struct list_head *replies);
/* Kills the list, once.  @dropped gets the replies, unless a thread writes:
 * that thread frees them. */
void out_die(struct rpcbuf_out *out, struct list_head *dropped);

/* Any thread. */
static inline enum out_state out_state(const struct rpcbuf_out *out)
{
	return __atomic_load_n(&out->state, __ATOMIC_ACQUIRE);
}

/* True in a forked child.  The list is the parent's, and its lock may be held
 * by a thread that does not exist here. */
static inline bool out_is_forked(const struct rpcbuf_out *out)
{
	return out->process != fork_generation();
}

/* Checks the invariants; for debug builds and tests.  Under the lock. */
bool out_is_valid(const struct rpcbuf_out *out);

#endif /* RPCBUF_ENGINE_OUT_H */
