/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * An io_uring of one thread, and the table of what is armed in it.
 *
 * Made by any thread, used from poll_ring_enable() on by the thread that called it
 * alone: the kernel is told so (SINGLE_ISSUER), and completes nothing except
 * inside poll_ring_enter() (DEFER_TASKRUN).  See uring.c for why that matters.
 *
 * A request is named by its place in the table and by the generation of that
 * place, never by a descriptor or an address.  While it is armed it holds a
 * reference on its connection, and the kernel one on the socket.
 */
#ifndef RPCBUF_ENGINE_POLL_RING_H
#define RPCBUF_ENGINE_POLL_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_conn;

struct poll_ring_arm {
	struct rpcbuf_conn *conn; /* NULL: a descriptor of the loop's own */
	uint32_t generation;
	uint32_t next; /* free ones: the next of them */
};

struct poll_ring {
	struct io_uring io;
	unsigned int enter_flags;
	bool enabled;
	struct poll_ring_arm *arms;
	uint32_t nr_arms;
	uint32_t nr_used;
	uint32_t free; /* the first, nr_arms when there is none */
};

/* 0 or -errno: -ENOSYS, -EPERM and -EINVAL tell that the system has no
 * io_uring for us. */
int poll_ring_create(struct poll_ring **ring);
/* By the thread that uses it from now on. */
int poll_ring_enable(struct poll_ring *ring);
/* Whatever is armed goes with it.  NULL is allowed. */
void poll_ring_destroy(struct poll_ring *ring);

/* Completes once, when one of @events, as of poll(2), holds for @fd, or its end
 * does: 0 with the place in the table, or -errno.  Submitted by the next
 * poll_ring_enter(). */
int poll_ring_arm_poll(struct poll_ring *ring, struct rpcbuf_conn *conn, int fd,
		       unsigned int events, uint32_t *place);
/* Does not complete any more, or already has. */
void poll_ring_disarm(struct poll_ring *ring, uint32_t place);
void poll_ring_disarm_all(struct poll_ring *ring);

/* True when poll_ring_enter() would bring completions, or has some to submit. */
bool poll_ring_has_work(const struct poll_ring *ring);
/*
 * Submits what was armed, and waits until something has completed: @timeout_ms
 * at most, 0 not at all, -1 for ever.  0 or -errno.
 */
int poll_ring_enter(struct poll_ring *ring, int timeout_ms);
/*
 * The next completion.  True with the connection it is of, whose reference is
 * the caller's now, or NULL; *@place is where it was armed, free again.
 */
bool poll_ring_next(struct poll_ring *ring, struct rpcbuf_conn **conn,
		    uint32_t *place, int *result);

#endif /* RPCBUF_ENGINE_POLL_RING_H */
