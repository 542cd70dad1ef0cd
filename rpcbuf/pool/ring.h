/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A ring of pages: any thread appends, one at a time removes.
 *
 * `tail` and `head` only grow.  A producer claims slots by moving the tail,
 * then stores its pages; the consumer takes pages up to the first slot that is
 * still NULL, clears the slots, then moves the head.  Nobody waits for anybody:
 * while a producer that was preempted has not stored its page, the consumer
 * finds the ring empty from there on and the others append behind.
 *
 * Barriers: a page is stored with release and read with acquire; the head
 * likewise, so a producer that claims a slot finds it cleared.  Storing its
 * last page is the last access of a producer: a consumer that has received every
 * page that was on its way may free the ring.
 */
#ifndef RPCBUF_POOL_RING_H
#define RPCBUF_POOL_RING_H

#include <stdint.h>

#include <rpcbuf/os/atomic.h>

#define RING_LINE 64

struct ring_slot {
	OS_PTR(void) page;
};

struct ring {
	struct ring_slot *slots;
	uint32_t size; /* a power of two */
	struct os_u64 tail __attribute__((aligned(RING_LINE)));
	struct os_u64 head __attribute__((aligned(RING_LINE)));
};

/* 0 or -ENOMEM. */
int ring_init(struct ring *ring, uint32_t size);
void ring_free(struct ring *ring);

/* Appends the first pages of an array, as many as there is room for; returns
 * how many. */
unsigned int ring_push(struct ring *ring, void *const *pages, unsigned int nr);

/* One thread at a time.  Removes up to @nr pages; returns how many. */
unsigned int ring_pop(struct ring *ring, void **pages, unsigned int nr);

#endif /* RPCBUF_POOL_RING_H */
