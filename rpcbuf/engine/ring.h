/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An io_uring of one thread, and the table of what is armed in it.
 *
 * Made by any thread, used from ring_enable() on by the thread that called it
 * alone: the kernel is told so (SINGLE_ISSUER), and completes nothing except
 * inside ring_enter() (DEFER_TASKRUN).  See uring.c for why that matters.
 *
 * A request is named by its place in the table and by the generation of that
 * place, never by a descriptor or an address.  While it is armed it holds a
 * reference on its connection, and the kernel one on the socket.
 */
#ifndef RPCBUF_ENGINE_RING_H
#define RPCBUF_ENGINE_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_conn;

struct ring_arm {
	struct rpcbuf_conn *conn; /* NULL: a descriptor of the loop's own */
	uint32_t generation;
	uint32_t next; /* free ones: the next of them */
};

struct ring {
	struct io_uring io;
	unsigned int enter_flags;
	bool enabled;
	struct ring_arm *arms;
	uint32_t nr_arms;
	uint32_t nr_used;
	uint32_t free; /* the first, nr_arms when there is none */
};

/* 0 or -errno: -ENOSYS, -EPERM and -EINVAL tell that the system has no
 * io_uring for us. */
int ring_create(struct ring **ring);
/* By the thread that uses it from now on. */
int ring_enable(struct ring *ring);
/* Whatever is armed goes with it.  NULL is allowed. */
void ring_destroy(struct ring *ring);

/* Completes once, when one of @events, as of poll(2), holds for @fd, or its end
 * does: 0 with the place in the table, or -errno.  Submitted by the next
 * ring_enter(). */
int ring_arm_poll(struct ring *ring, struct rpcbuf_conn *conn, int fd,
		  unsigned int events, uint32_t *place);
/* Does not complete any more, or already has. */
void ring_disarm(struct ring *ring, uint32_t place);
void ring_disarm_all(struct ring *ring);

/* True when ring_enter() would bring completions, or has some to submit. */
bool ring_has_work(const struct ring *ring);
/*
 * Submits what was armed, and waits until something has completed: @timeout_ms
 * at most, 0 not at all, -1 for ever.  0 or -errno.
 */
int ring_enter(struct ring *ring, int timeout_ms);
/*
 * The next completion.  True with the connection it is of, whose reference is
 * the caller's now, or NULL; *@place is where it was armed, free again.
 */
bool ring_next(struct ring *ring, struct rpcbuf_conn **conn, uint32_t *place,
	       int *result);

#endif /* RPCBUF_ENGINE_RING_H */
