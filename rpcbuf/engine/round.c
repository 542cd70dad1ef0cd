/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/round.h"

#include <errno.h>
#include <sys/socket.h>

#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/pause.h"
#include "rpcbuf/os/plain.h"

/* Limits of one round.  A reply that was started is completed. */
#define ROUND_BYTES   ((size_t)1 << 20)
#define ROUND_REPLIES 64u
/* Pieces per system call: enough for a reply of 1 MiB in single pages. */
#define PIECES	      272u

struct round {
	size_t bytes;	      /* that the round may still send */
	unsigned int replies; /* likewise */
};

/* Gathers whole replies while there are entries: the last bytes of a 1 MiB READ
 * in a round of their own would cost another send, and wake the reader twice.
 * Adds the number of bytes to *@bytes. */
static unsigned int gather_iov(const struct rpcbuf_out *out, struct iovec *iov,
			       struct round *round, size_t *bytes)
{
	struct rpcbuf_reply *reply, *tmp;
	unsigned int nr = 0;
	size_t left;

	list_for_each_entry_safe(reply, tmp, &out->replies, struct rpcbuf_reply,
				 link)
	{
		if (!round->replies || !round->bytes || nr == PIECES)
			break;
		left = SIZE_MAX;
		nr += reply_gather(reply, iov + nr, PIECES - nr, &left);
		*bytes += SIZE_MAX - left;
		round->bytes -= rpcbuf_min(round->bytes, SIZE_MAX - left);
		round->replies--;
	}
	return nr;
}

static ssize_t send_pieces(int fd, struct iovec *iov, unsigned int nr)
{
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = nr};
	ssize_t n;

	do
		n = nr == 1 ? send(fd, iov->iov_base, iov->iov_len,
				   MSG_NOSIGNAL | MSG_DONTWAIT)
			    : sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* Makes one system call, without the lock: only this thread removes replies.
 * Returns 0, -EAGAIN when the socket is full, or its error. */
static int send_some(struct rpcbuf_out *out, struct round *round,
		     struct list_head *done)
{
	struct iovec iov[PIECES];
	size_t asked = 0;
	unsigned int nr = gather_iov(out, iov, round, &asked);
	ssize_t n;

	pthread_mutex_unlock(&out->lock);
	os_pause_at("sending");
	n = send_pieces(out->fd, iov, nr);
	os_pause_at("sent");
	pthread_mutex_lock(&out->lock);
	if (n < 0)
		return (int)n;
	out_advance(out, (size_t)n, done);
	return (size_t)n < asked ? -EAGAIN : 0;
}

/* Moves the list to its next state after a round that ended with @err. */
static void finish_round(struct rpcbuf_out *out, int err,
			 struct list_head *done)
{
	out->writes = false;
	if (out->state == OUT_DEAD) {
		out_take_all(out, done);
		out_charge(out);
	} else if (err && err != -EAGAIN) {
		out_die(out, done);
	} else if (list_empty(&out->replies)) {
		out_move(out, OUT_EMPTY);
	} else {
		if (err && !out->blocked_ns)
			os_store(&out->blocked_ns, os_now());
		out_move(out, OUT_BLOCKED);
	}
	out_charge(out);
	rpcbuf_assert_debug(out_is_valid(out));
	if (out->waiters)
		pthread_cond_broadcast(&out->stopped);
}

void round_and_unlock(struct rpcbuf_out *out)
{
	struct round round = {ROUND_BYTES, ROUND_REPLIES};
	struct list_head done;
	int err;

	list_init(&done);
	out_move(out, OUT_WRITING);
	do
		err = send_some(out, &round, &done);
	while (!err && out->state == OUT_WRITING && out->nr && round.bytes &&
	       round.replies);
	finish_round(out, err, &done);
	pthread_mutex_unlock(&out->lock);
	os_pause_at(out_state(out) == OUT_BLOCKED ? "blocked" : "left-off");
	reply_free_list(&done);
	if (out->ops->wrote)
		out->ops->wrote(out);
}

void out_write(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&out->lock);
	if (out->state == OUT_BLOCKED)
		round_and_unlock(out);
	else
		pthread_mutex_unlock(&out->lock);
}
