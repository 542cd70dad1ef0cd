/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The send list: replies in, system calls out, and the chart of what may follow
 * what (out.h).  Any thread.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "rpcbuf/engine/hold.h"
#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/pause.h"
#include "rpcbuf/os/plain.h"

/* One round: others have their turn then. */
#define ROUND_BYTES   ((size_t)1 << 20)
#define ROUND_REPLIES 64u
/* Pieces of one system call: a reply of a megabyte in single pages. */
#define PIECES	      272u
/* Who waits for the peer looks so often whether the list was ended. */
#define LOOK_MS	      100u

#define TO(state)     (1u << OUT_##state)

static const uint8_t moves[NR_OUT_STATES] = {
	[OUT_EMPTY] = TO(HELD) | TO(WRITING) | TO(DEAD),
	[OUT_HELD] = TO(WRITING) | TO(DEAD),
	[OUT_WRITING] = TO(EMPTY) | TO(BLOCKED) | TO(DEAD),
	[OUT_BLOCKED] = TO(WRITING) | TO(DEAD),
	[OUT_DEAD] = 0,
};

bool out_is_valid(const struct rpcbuf_out *out)
{
	struct rpcbuf_reply *reply, *tmp;
	uint64_t bytes = 0, pinned = 0;
	unsigned int nr = 0;

	list_for_each_entry_safe(reply, tmp, &out->replies, struct rpcbuf_reply,
				 link)
	{
		bytes += reply_left(reply);
		pinned += reply->pinned;
		nr++;
		if (!reply_left(reply))
			return false;
	}
	if (nr != out->nr || bytes != out->bytes || pinned != out->pinned)
		return false;
	switch (out->state) {
	case OUT_EMPTY:
		return !nr && !out->writes && !out->blocked_ns;
	case OUT_HELD:
		return nr && !out->writes && !out->blocked_ns;
	case OUT_BLOCKED:
		return nr && !out->writes;
	case OUT_WRITING:
		return out->writes;
	default:
		return out->writes || !nr;
	}
}

/* Every move is made here, and what the left state held is undone. */
static void move(struct rpcbuf_out *out, enum out_state to)
{
	rpcbuf_assert_debug(moves[out->state] & 1u << to);
	if (out->state == OUT_HELD && !out->ops)
		hold_forget(out);
	if (to == OUT_WRITING)
		out->writes = true;
	__atomic_store_n(&out->state, to, __ATOMIC_RELEASE);
	if (to == OUT_HELD && !out->ops)
		hold_watch(out);
}

static void tell_count(struct rpcbuf_out *out)
{
	if (!out->ops ||
	    (out->bytes == out->told_bytes && out->pinned == out->told_pinned))
		return;
	out->ops->count(out, out->bytes - out->told_bytes,
			out->pinned - out->told_pinned);
	out->told_bytes = out->bytes;
	out->told_pinned = out->pinned;
}

/* The list is empty then; its replies are the caller's to free. */
static void take_all(struct rpcbuf_out *out, struct list_head *replies)
{
	list_splice_tail(&out->replies, replies);
	out->nr = 0;
	os_store(&out->bytes, 0);
	os_store(&out->pinned, 0);
	os_store(&out->blocked_ns, 0);
}

/* Once.  @dropped gets the replies, unless a thread writes, which frees them. */
static void die(struct rpcbuf_out *out, struct list_head *dropped)
{
	if (out->state == OUT_DEAD)
		return;
	move(out, OUT_DEAD);
	if (!out->writes)
		take_all(out, dropped);
	tell_count(out);
}

/* @n bytes have left: replies that have go to @done. */
static void advance(struct rpcbuf_out *out, size_t n, struct list_head *done)
{
	os_store(&out->bytes, out->bytes - n);
	/* The peer gets on. */
	os_store(&out->blocked_ns, 0);
	while (n) {
		struct rpcbuf_reply *reply = list_first_entry(
			&out->replies, struct rpcbuf_reply, link);

		n = reply_advance(reply, n);
		if (reply_left(reply))
			continue;
		list_del(&reply->link);
		list_add_tail(&reply->link, done);
		out->nr--;
		os_store(&out->pinned, out->pinned - reply->pinned);
	}
}

struct round {
	size_t bytes;	      /* that may still be sent in it */
	unsigned int replies; /* likewise */
};

static unsigned int gather(const struct rpcbuf_out *out, struct iovec *iov,
			   struct round *round)
{
	struct rpcbuf_reply *reply, *tmp;
	unsigned int nr = 0;

	list_for_each_entry_safe(reply, tmp, &out->replies, struct rpcbuf_reply,
				 link)
	{
		if (!round->replies || !round->bytes || nr == PIECES)
			break;
		nr += reply_gather(reply, iov + nr, PIECES - nr, &round->bytes);
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

/* One system call, for which the lock is let go: only this thread takes
 * replies out.  0, -EAGAIN when the socket is full, or its error. */
static int send_some(struct rpcbuf_out *out, struct round *round,
		     struct list_head *done)
{
	struct iovec iov[PIECES];
	size_t asked = round->bytes;
	unsigned int nr = gather(out, iov, round);
	ssize_t n;

	asked -= round->bytes;
	pthread_mutex_unlock(&out->lock);
	os_pause_at("sending");
	n = send_pieces(out->fd, iov, nr);
	os_pause_at("sent");
	pthread_mutex_lock(&out->lock);
	if (n < 0)
		return (int)n;
	advance(out, (size_t)n, done);
	return (size_t)n < asked ? -EAGAIN : 0;
}

/* After a round that ended with @err: where the list is then. */
static void leave_off(struct rpcbuf_out *out, int err, struct list_head *done)
{
	out->writes = false;
	if (out->state == OUT_DEAD) {
		take_all(out, done);
		tell_count(out);
	} else if (err && err != -EAGAIN) {
		die(out, done);
	} else if (list_empty(&out->replies)) {
		move(out, OUT_EMPTY);
	} else {
		if (err && !out->blocked_ns)
			os_store(&out->blocked_ns, os_now());
		move(out, OUT_BLOCKED);
	}
	tell_count(out);
	rpcbuf_assert_debug(out_is_valid(out));
	if (out->waiters)
		pthread_cond_broadcast(&out->left);
}

/* A round.  Under the lock, in a state from which one may write; unlocks. */
static void write_and_unlock(struct rpcbuf_out *out)
{
	struct round round = {ROUND_BYTES, ROUND_REPLIES};
	struct list_head done;
	int err;

	list_init(&done);
	move(out, OUT_WRITING);
	do
		err = send_some(out, &round, &done);
	while (!err && out->state == OUT_WRITING && out->nr && round.bytes &&
	       round.replies);
	leave_off(out, err, &done);
	pthread_mutex_unlock(&out->lock);
	os_pause_at(out_state(out) == OUT_BLOCKED ? "blocked" : "left-off");
	reply_free_list(&done);
	if (out->ops)
		out->ops->wrote(out);
}

void out_init(struct rpcbuf_out *out, int fd, const struct out_ops *ops)
{
	*out = (struct rpcbuf_out){.fd = fd, .ops = ops};
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->left, NULL);
	list_init(&out->replies);
	list_init(&out->hold_link);
}

void out_exit(struct rpcbuf_out *out)
{
	out_end(out);
	pthread_cond_destroy(&out->left);
	pthread_mutex_destroy(&out->lock);
}

/* Under the lock. */
static int append_and_unlock(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
			     bool own)
{
	if (out->state == OUT_DEAD || !reply_left(reply)) {
		bool dead = out->state == OUT_DEAD;

		pthread_mutex_unlock(&out->lock);
		rpcbuf_reply_free(reply);
		return dead ? -EPIPE : 0;
	}
	list_add_tail(&reply->link, &out->replies);
	out->nr++;
	os_store(&out->bytes, out->bytes + reply_left(reply));
	os_store(&out->pinned, out->pinned + reply->pinned);
	if (out->state == OUT_WRITING || out->state == OUT_BLOCKED) {
		if (out->state == OUT_BLOCKED)
			tell_count(out);
		pthread_mutex_unlock(&out->lock);
		return 0;
	}
	if (!own || !hold_may(out)) {
		write_and_unlock(out);
		return 0;
	}
	if (out->state == OUT_EMPTY)
		move(out, OUT_HELD);
	tell_count(out);
	pthread_mutex_unlock(&out->lock);
	os_pause_at("held");
	return 1;
}

int out_append(struct rpcbuf_out *out, struct rpcbuf_reply *reply, bool own)
{
	pthread_mutex_lock(&out->lock);
	return append_and_unlock(out, reply, own);
}

int out_append_own(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		   bool more)
{
	pthread_mutex_lock(&out->lock);
	out->more = more;
	return append_and_unlock(out, reply, true);
}

/* Under the lock. */
static int join_and_unlock(struct rpcbuf_out *out, const void *bytes,
			   size_t len, bool own)
{
	if (out->state != OUT_HELD ||
	    !reply_join(
		    list_entry(out->replies.prev, struct rpcbuf_reply, link),
		    bytes, len)) {
		int err = out->state == OUT_DEAD ? -EPIPE : -EAGAIN;

		pthread_mutex_unlock(&out->lock);
		return err;
	}
	os_store(&out->bytes, out->bytes + len);
	if (!own || !hold_may(out)) {
		write_and_unlock(out);
		return 0;
	}
	tell_count(out);
	pthread_mutex_unlock(&out->lock);
	return 1;
}

int out_join(struct rpcbuf_out *out, const void *bytes, size_t len, bool own)
{
	pthread_mutex_lock(&out->lock);
	return join_and_unlock(out, bytes, len, own);
}

int out_join_own(struct rpcbuf_out *out, const void *bytes, size_t len,
		 bool more)
{
	pthread_mutex_lock(&out->lock);
	out->more = more;
	return join_and_unlock(out, bytes, len, true);
}

void out_more(struct rpcbuf_out *out, bool more)
{
	pthread_mutex_lock(&out->lock);
	out->more = more;
	pthread_mutex_unlock(&out->lock);
}

void out_release(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&out->lock);
	out->more = false;
	if (out->state == OUT_HELD)
		write_and_unlock(out);
	else
		pthread_mutex_unlock(&out->lock);
}

void out_write(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&out->lock);
	if (out->state == OUT_BLOCKED)
		write_and_unlock(out);
	else
		pthread_mutex_unlock(&out->lock);
}

/* Under the lock: until the thread that writes has left off. */
static bool await_writer(struct rpcbuf_out *out, uint64_t until_ns)
{
	return os_cond_await(&out->left, &out->lock, !out->writes, until_ns);
}

/* Under the lock, by one that is counted as a waiter. */
static void end(struct rpcbuf_out *out, struct list_head *dropped)
{
	die(out, dropped);
	/* It is in a system call that does not wait. */
	while (!await_writer(out, os_now() + OS_SECOND_NS))
		;
}

void out_end(struct rpcbuf_out *out)
{
	struct list_head dropped;

	list_init(&dropped);
	pthread_mutex_lock(&out->lock);
	os_store(&out->waiters, out->waiters + 1);
	end(out, &dropped);
	os_store(&out->waiters, out->waiters - 1);
	pthread_mutex_unlock(&out->lock);
	reply_free_list(&dropped);
}

/* Under the lock, in BLOCKED: lets it go until the socket takes bytes, or it is
 * time to look. */
static void await_peer(struct rpcbuf_out *out, uint64_t until_ns)
{
	struct pollfd pfd = {.fd = out->fd, .events = POLLOUT};
	uint64_t now = os_now();
	uint64_t ms = until_ns > now ? (until_ns - now) / 1000000 + 1 : 0;

	pthread_mutex_unlock(&out->lock);
	(void)poll(&pfd, 1, (int)rpcbuf_min(ms, (uint64_t)LOOK_MS));
	pthread_mutex_lock(&out->lock);
}

/* Under the lock: 1 when it is worth another look, else the result. */
static int flush_step(struct rpcbuf_out *out, uint64_t until_ns)
{
	switch (out->state) {
	case OUT_EMPTY:
		return 0;
	case OUT_WRITING:
		return await_writer(out, until_ns) ? 1 : -ETIMEDOUT;
	case OUT_BLOCKED:
		await_peer(out, until_ns);
		if (out->state != OUT_BLOCKED)
			return 1;
		break;
	case OUT_HELD:
		break;
	default:
		return await_writer(out, os_now() + OS_SECOND_NS) ? -EPIPE : 1;
	}
	write_and_unlock(out);
	pthread_mutex_lock(&out->lock);
	return out->state == OUT_BLOCKED && os_now() >= until_ns ? -ETIMEDOUT
								 : 1;
}

int rpcbuf_out_flush(struct rpcbuf_out *out, uint64_t until_ns)
{
	struct list_head dropped;
	int ret;

	list_init(&dropped);
	pthread_mutex_lock(&out->lock);
	os_store(&out->waiters, out->waiters + 1);
	out->more = false;
	do
		ret = flush_step(out, until_ns);
	while (ret == 1);
	if (ret == -ETIMEDOUT && until_ns)
		end(out, &dropped);
	os_store(&out->waiters, out->waiters - 1);
	pthread_mutex_unlock(&out->lock);
	reply_free_list(&dropped);
	/* It is not said by a round that the list is dead, or that nobody waits
	 * any more. */
	if (ret && out->ops)
		out->ops->wrote(out);
	return ret;
}

uint64_t rpcbuf_out_unsent(const struct rpcbuf_out *out)
{
	return os_load(&out->bytes);
}

void rpcbuf_out_end(struct rpcbuf_out *out)
{
	out_end(out);
}
