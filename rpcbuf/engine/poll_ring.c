/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/poll_ring.h"

#define SQ_ENTRIES 128u
#define CQ_ENTRIES 4096u /* the kernel keeps more until there is room */
#define ARMS_FIRST 64u
/* Marks a request about another one; its own result is ignored. */
#define NO_ARM	   UINT64_MAX

/* Newer than the oldest headers that this builds with. */
#ifndef IORING_FEAT_NO_IOWAIT
#define IORING_FEAT_NO_IOWAIT  (1u << 17)
#define IORING_ENTER_NO_IOWAIT (1u << 7)
#endif

int poll_ring_create(struct poll_ring **out)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN |
			 IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_R_DISABLED |
			 IORING_SETUP_SUBMIT_ALL | IORING_SETUP_CQSIZE,
		.cq_entries = CQ_ENTRIES,
	};
	struct poll_ring *ring = calloc(1, sizeof(*ring));
	int err;

	if (!ring)
		return -ENOMEM;
	err = io_uring_queue_init_params(SQ_ENTRIES, &ring->io, &params);
	if (err) {
		free(ring);
		return err;
	}
	ring->enter_flags = IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	/* Waiting for calls is no disk I/O (iowait). */
	if (params.features & IORING_FEAT_NO_IOWAIT)
		ring->enter_flags |= IORING_ENTER_NO_IOWAIT;
	*out = ring;
	return 0;
}

int poll_ring_enable(struct poll_ring *ring)
{
	int err = io_uring_register((unsigned int)ring->io.ring_fd,
				    IORING_REGISTER_ENABLE_RINGS, NULL, 0);

	if (err < 0)
		return err;
	ring->enabled = true;
	/* Saves the look-up of the descriptor. */
	if (io_uring_register_ring_fd(&ring->io) == 1)
		ring->enter_flags |= IORING_ENTER_REGISTERED_RING;
	return 0;
}

static void put_arm(struct poll_ring *ring, uint32_t place)
{
	struct poll_ring_arm *arm = &ring->arms[place];

	arm->generation++;
	arm->next = ring->free;
	ring->free = place;
	ring->nr_used--;
}

void poll_ring_destroy(struct poll_ring *ring)
{
	if (!ring)
		return;
	io_uring_queue_exit(&ring->io);
	for (uint32_t i = 0; i < ring->nr_arms; i++)
		if (ring->arms[i].conn) {
			os_fetch_add(&ring->arms[i].conn->armed, -1);
			rpcbuf_conn_put(ring->arms[i].conn);
		}
	free(ring->arms);
	free(ring);
}

static int more_arms(struct poll_ring *ring)
{
	uint32_t nr = ring->nr_arms ? 2 * ring->nr_arms : ARMS_FIRST;
	struct poll_ring_arm *arms = realloc(ring->arms, nr * sizeof(*arms));

	if (!arms)
		return -ENOMEM;
	for (uint32_t i = ring->nr_arms; i < nr; i++)
		arms[i] = (struct poll_ring_arm){.next = i + 1};
	ring->arms = arms;
	ring->free = ring->nr_arms;
	ring->nr_arms = nr;
	return 0;
}

/* Publishes the prepared SQEs; returns how many the kernel must take. */
static unsigned int publish_sqes(struct poll_ring *ring)
{
	struct io_uring_sq *sq = &ring->io.sq;

	sq->sqe_head = sq->sqe_tail;
	/* Pairs with the kernel's load in io_uring_enter(2). */
	os_store_release(sq->ktail, sq->sqe_tail);
	return sq->sqe_tail - os_load_acquire(sq->khead);
}

int poll_ring_enter(struct poll_ring *ring, int timeout_ms)
{
	struct __kernel_timespec ts = {
		.tv_sec = timeout_ms / 1000,
		.tv_nsec = timeout_ms % 1000 * 1000000,
	};
	struct io_uring_getevents_arg arg = {
		.ts = timeout_ms > 0 ? (uintptr_t)&ts : 0,
	};
	int ret = io_uring_enter2((unsigned int)ring->io.enter_ring_fd,
				  publish_sqes(ring), timeout_ms != 0,
				  ring->enter_flags, (sigset_t *)&arg,
				  sizeof(arg));

	return ret == -ETIME || ret > 0 ? 0 : ret;
}

/* Submits a full queue first. */
static struct io_uring_sqe *next_sqe(struct poll_ring *ring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->io);

	if (!sqe && poll_ring_enter(ring, 0) == 0)
		sqe = io_uring_get_sqe(&ring->io);
	return sqe;
}

int poll_ring_arm_poll(struct poll_ring *ring, struct rpcbuf_conn *conn, int fd,
		       unsigned int events, uint32_t *place)
{
	struct io_uring_sqe *sqe;
	struct poll_ring_arm *arm;
	int err;

	if (ring->free == ring->nr_arms) {
		err = more_arms(ring);
		if (err)
			return err;
	}
	sqe = next_sqe(ring);
	if (!sqe)
		return -EBUSY;
	*place = ring->free;
	arm = &ring->arms[*place];
	ring->free = arm->next;
	ring->nr_used++;
	arm->conn = conn;
	if (conn) {
		conn_get(conn);
		os_fetch_add(&conn->armed, 1);
	}
	io_uring_prep_poll_add(sqe, fd, events);
	io_uring_sqe_set_data64(sqe, (uint64_t)arm->generation << 32 | *place);
	return 0;
}

void poll_ring_disarm(struct poll_ring *ring, uint32_t place)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	/* Without an SQE the poll stays armed until it completes, which reap()
	 * ignores: conn->arm no longer names the entry. */
	if (!sqe)
		return;
	io_uring_prep_poll_remove(
		sqe, (uint64_t)ring->arms[place].generation << 32 | place);
	io_uring_sqe_set_data64(sqe, NO_ARM);
	poll_ring_enter(ring, 0);
}

void poll_ring_disarm_all(struct poll_ring *ring)
{
	struct io_uring_sqe *sqe = next_sqe(ring);

	if (!sqe)
		return;
	io_uring_prep_cancel64(
		sqe, 0, IORING_ASYNC_CANCEL_ALL | IORING_ASYNC_CANCEL_ANY);
	io_uring_sqe_set_data64(sqe, NO_ARM);
}

bool poll_ring_has_work(const struct poll_ring *ring)
{
	return io_uring_sq_ready(&ring->io) || io_uring_cq_ready(&ring->io) ||
	       os_load(ring->io.sq.kflags) &
		       (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW);
}

bool poll_ring_next(struct poll_ring *ring, struct rpcbuf_conn **conn,
		    uint32_t *place, int *result)
{
	struct io_uring_cqe *cqe;
	uint64_t data;

	while (io_uring_peek_batch_cqe(&ring->io, &cqe, 1)) {
		data = cqe->user_data;
		*result = cqe->res;
		io_uring_cqe_seen(&ring->io, cqe);
		*place = (uint32_t)data;
		if (*place >= ring->nr_arms ||
		    ring->arms[*place].generation != data >> 32)
			continue;
		*conn = ring->arms[*place].conn;
		ring->arms[*place].conn = NULL;
		if (*conn)
			os_fetch_add(&(*conn)->armed, -1);
		put_arm(ring, *place);
		return true;
	}
	return false;
}
