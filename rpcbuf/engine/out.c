/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The send list, what it charges to its owner, and the transitions (out.h).
 */
#include "rpcbuf/engine/out.h"

#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/plain.h"

#define TO(state) (1u << OUT_##state)

static const uint8_t moves[NR_OUT_STATES] = {
	[OUT_EMPTY] = TO(CORKED) | TO(WRITING) | TO(DEAD),
	[OUT_CORKED] = TO(WRITING) | TO(DEAD),
	[OUT_WRITING] = TO(EMPTY) | TO(BLOCKED) | TO(DEAD),
	[OUT_BLOCKED] = TO(WRITING) | TO(DEAD),
	[OUT_DEAD] = 0,
};

void out_init(struct rpcbuf_out *out, int fd, const struct out_ops *ops)
{
	*out = (struct rpcbuf_out){
		.fd = fd,
		.ops = ops,
		.process = fork_generation(),
	};
	pthread_mutex_init(&out->lock, NULL);
	pthread_cond_init(&out->stopped, NULL);
	list_init(&out->replies);
	list_init(&out->cork_link);
}

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
	case OUT_CORKED:
		return nr && !out->writes && !out->blocked_ns;
	case OUT_BLOCKED:
		return nr && !out->writes;
	case OUT_WRITING:
		return out->writes;
	default:
		return out->writes || !nr;
	}
}

static void notify_corked(struct rpcbuf_out *out, bool corked)
{
	if (out->ops->corked)
		out->ops->corked(out, corked);
}

void out_move(struct rpcbuf_out *out, enum out_state to)
{
	rpcbuf_assert_debug(moves[out->state] & 1u << to);
	if (out->state == OUT_CORKED)
		notify_corked(out, false);
	if (to == OUT_WRITING)
		out->writes = true;
	__atomic_store_n(&out->state, to, __ATOMIC_RELEASE);
	if (to == OUT_CORKED)
		notify_corked(out, true);
}

void out_charge(struct rpcbuf_out *out)
{
	if (!out->ops->charge || (out->bytes == out->charged_bytes &&
				  out->pinned == out->charged_pinned))
		return;
	out->ops->charge(out, out->bytes - out->charged_bytes,
			 out->pinned - out->charged_pinned);
	out->charged_bytes = out->bytes;
	out->charged_pinned = out->pinned;
}

void out_take_all(struct rpcbuf_out *out, struct list_head *replies)
{
	list_splice_tail(&out->replies, replies);
	out->nr = 0;
	os_store(&out->bytes, 0);
	os_store(&out->pinned, 0);
	os_store(&out->blocked_ns, 0);
}

void out_die(struct rpcbuf_out *out, struct list_head *dropped)
{
	if (out->state == OUT_DEAD)
		return;
	out_move(out, OUT_DEAD);
	if (!out->writes)
		out_take_all(out, dropped);
	out_charge(out);
}

void out_advance(struct rpcbuf_out *out, size_t n, struct list_head *done)
{
	os_store(&out->bytes, out->bytes - n);
	/* The peer reads. */
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

uint64_t rpcbuf_out_unsent(const struct rpcbuf_out *out)
{
	return os_load(&out->bytes);
}
