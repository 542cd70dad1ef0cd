/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/flush.h"

#include <errno.h>
#include <poll.h>

#include "rpcbuf/engine/round.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/plain.h"

/* A thread that waits for the peer checks this often whether the list was
 * ended. */
#define RECHECK_MS 100u

/* Waits until no thread writes.  Under the lock. */
static bool await_writer(struct rpcbuf_out *out, uint64_t until_ns)
{
	return os_cond_await(&out->stopped, &out->lock, !out->writes, until_ns);
}

/* Under the lock, by a thread that is counted in `waiters`. */
static void kill_locked(struct rpcbuf_out *out, struct list_head *dropped)
{
	out_die(out, dropped);
	/* The writer is in a system call that does not block: this wait is
	 * short. */
	while (!await_writer(out, os_now() + OS_SECOND_NS))
		;
}

void out_end(struct rpcbuf_out *out)
{
	struct list_head dropped;

	list_init(&dropped);
	pthread_mutex_lock(&out->lock);
	os_store(&out->waiters, out->waiters + 1);
	kill_locked(out, &dropped);
	os_store(&out->waiters, out->waiters - 1);
	pthread_mutex_unlock(&out->lock);
	reply_free_list(&dropped);
}

/* In BLOCKED: unlocks until the socket is writable, or for RECHECK_MS. */
static void poll_writable(struct rpcbuf_out *out, uint64_t until_ns)
{
	struct pollfd pfd = {.fd = out->fd, .events = POLLOUT};
	uint64_t now = os_now();
	uint64_t ms = until_ns > now ? (until_ns - now) / 1000000 + 1 : 0;

	pthread_mutex_unlock(&out->lock);
	(void)poll(&pfd, 1, (int)rpcbuf_min(ms, (uint64_t)RECHECK_MS));
	pthread_mutex_lock(&out->lock);
}

/* Under the lock: returns 1 to be called again, else the result. */
static int flush_step(struct rpcbuf_out *out, uint64_t until_ns)
{
	switch (out->state) {
	case OUT_EMPTY:
		return 0;
	case OUT_WRITING:
		return await_writer(out, until_ns) ? 1 : -ETIMEDOUT;
	case OUT_BLOCKED:
		poll_writable(out, until_ns);
		if (out->state != OUT_BLOCKED)
			return 1;
		break;
	case OUT_CORKED:
		break;
	default:
		return await_writer(out, os_now() + OS_SECOND_NS) ? -EPIPE : 1;
	}
	round_and_unlock(out);
	pthread_mutex_lock(&out->lock);
	return out->state == OUT_BLOCKED && os_now() >= until_ns ? -ETIMEDOUT
								 : 1;
}

int rpcbuf_out_flush(struct rpcbuf_out *out, uint64_t until_ns)
{
	struct list_head dropped;
	int ret;

	if (out_is_forked(out))
		return -EPERM;
	list_init(&dropped);
	pthread_mutex_lock(&out->lock);
	os_store(&out->waiters, out->waiters + 1);
	out->more = false;
	do
		ret = flush_step(out, until_ns);
	while (ret == 1);
	if (ret == -ETIMEDOUT && until_ns)
		kill_locked(out, &dropped);
	os_store(&out->waiters, out->waiters - 1);
	pthread_mutex_unlock(&out->lock);
	reply_free_list(&dropped);
	/* A round does not report that the list is dead, nor that the last
	 * waiter has gone. */
	if (ret && out->ops->wrote)
		out->ops->wrote(out);
	return ret;
}

void out_exit(struct rpcbuf_out *out)
{
	out_end(out);
	pthread_cond_destroy(&out->stopped);
	pthread_mutex_destroy(&out->lock);
}

void rpcbuf_out_end(struct rpcbuf_out *out)
{
	if (!out_is_forked(out))
		out_end(out);
}
