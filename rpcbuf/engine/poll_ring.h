/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * poll_ring.h - an io_uring of one thread, and the table of its polls.
 *
 * Any thread may create it.  From poll_ring_enable() on only the calling thread
 * uses it: the kernel relies on that (SINGLE_ISSUER), and completes requests
 * only inside poll_ring_enter() (DEFER_TASKRUN).  uring.c says why that
 * matters.
 *
 * A request is identified by its entry in the table and the generation of that
 * entry, never by a descriptor or an address.  While it is armed it holds a
 * reference on its connection, and the kernel one on the socket.
 */
#ifndef RPCBUF_ENGINE_POLL_RING_H
#define RPCBUF_ENGINE_POLL_RING_H

#include <liburing.h>
#include <stdbool.h>
#include <stdint.h>

struct rpcbuf_conn;

struct poll_ring_arm {
	struct rpcbuf_conn *conn; /* NULL: a descriptor of the loop */
	uint32_t generation;
	uint32_t next; /* the next free entry, of a free one */
};

struct poll_ring {
	struct io_uring io;
	unsigned int enter_flags;
	bool enabled;
	struct poll_ring_arm *arms;
	uint32_t nr_arms;
	uint32_t nr_used;
	uint32_t free; /* the first free entry; nr_arms: there is none */
};

/* Returns 0 or -errno.  -ENOSYS, -EPERM and -EINVAL mean that the system offers
 * no io_uring. */
int poll_ring_create(struct poll_ring **ring);
/* Called on the thread that uses the ring from now on. */
int poll_ring_enable(struct poll_ring *ring);
/* Armed requests are cancelled.  NULL is allowed. */
void poll_ring_destroy(struct poll_ring *ring);

/* Arms a poll that completes once, when @fd has one of @events, or POLLERR or
 * POLLHUP (poll(2)).  Returns 0 with its entry in *@place, or -errno.  poll_ring_enter()
 * submits it. */
int poll_ring_arm_poll(struct poll_ring *ring, struct rpcbuf_conn *conn, int fd,
		       unsigned int events, uint32_t *place);
/* The poll does not complete any more, or has already. */
void poll_ring_disarm(struct poll_ring *ring, uint32_t place);
void poll_ring_disarm_all(struct poll_ring *ring);

/* True when there are completions, or requests to submit. */
bool poll_ring_has_work(const struct poll_ring *ring);
/*
 * Submits what was armed, and waits for a completion: at most @timeout_ms, 0:
 * does not wait, -1: without limit.  Returns 0 or -errno.
 */
int poll_ring_enter(struct poll_ring *ring, int timeout_ms);
/*
 * Takes the next completion.  True: *@conn is its connection, with the
 * reference, or NULL; *@place is its entry, which is free again.
 */
bool poll_ring_next(struct poll_ring *ring, struct rpcbuf_conn **conn,
		    uint32_t *place, int *result);

#endif /* RPCBUF_ENGINE_POLL_RING_H */
