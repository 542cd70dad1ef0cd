/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/cork.h"

#include <errno.h>

#include "rpcbuf/engine/round.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/pause.h"
#include "rpcbuf/os/plain.h"

/* True when the reply that was added last may wait.  Under the lock. */
static bool may_cork(struct rpcbuf_out *out)
{
	uint64_t now;

	if (!out->more || out->bytes >= CORK_BYTES || out->nr >= CORK_REPLIES)
		return false;
	now = os_now();
	if (out->state == OUT_EMPTY)
		out->cork_until_ns = now + CORK_NS;
	return now < out->cork_until_ns;
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
			out_charge(out);
		pthread_mutex_unlock(&out->lock);
		return 0;
	}
	if (!own || !may_cork(out)) {
		round_and_unlock(out);
		return 0;
	}
	if (out->state == OUT_EMPTY)
		out_move(out, OUT_CORKED);
	out_charge(out);
	pthread_mutex_unlock(&out->lock);
	os_pause_at("corked");
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
	if (out->state != OUT_CORKED ||
	    !reply_join(
		    list_entry(out->replies.prev, struct rpcbuf_reply, link),
		    bytes, len)) {
		int err = out->state == OUT_DEAD ? -EPIPE : -EAGAIN;

		pthread_mutex_unlock(&out->lock);
		return err;
	}
	os_store(&out->bytes, out->bytes + len);
	if (!own || !may_cork(out)) {
		round_and_unlock(out);
		return 0;
	}
	out_charge(out);
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

void out_uncork(struct rpcbuf_out *out)
{
	pthread_mutex_lock(&out->lock);
	out->more = false;
	if (out->state == OUT_CORKED)
		round_and_unlock(out);
	else
		pthread_mutex_unlock(&out->lock);
}
