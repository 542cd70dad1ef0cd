/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ntirpc allocates a reply itself and reaches it through its XDR operations:
 * the block is made larger by what is kept of it here, and the operations are
 * exchanged for ours, which see who sends from it and when it is freed.
 *
 * Each is in the list of a bucket from its making until it is freed, whoever
 * does that: `lock` is for that list, and is taken before a queue's.
 *
 * Forgotten is a reply that is in its list, not in the queue, and in nobody's
 * hands.  Only the thread that forgets it can know the last: ntirpc takes a
 * reply out of the queue in the thread that sent from it last, and looks at the
 * transport's end before it sends, so what that thread finds taken out, when
 * its sending has failed, is what it has forgotten.  A thread of ntirpc's own
 * that fails when the transport was just destroyed does not come by here: what
 * it forgets is found when nobody else is left, see sendq.c.
 */
#include <pthread.h>
#include <rpc/xdr_ioq.h>
#include <string.h>

#include "reply.h"
#include "sendq.h"

struct reply {
	struct xdr_ioq ioq;	    /* first: it is ntirpc's */
	struct reply *next, **link; /* in its bucket */
	SVCXPRT *xprt;
	const void *sender; /* the thread that has sent from it last */
};

#define BUCKETS 64u

static struct bucket {
	pthread_mutex_t lock;
	struct reply *first;
	uint64_t count;
} __attribute__((aligned(64))) buckets[BUCKETS] = {
	[0 ... BUCKETS - 1] = {.lock = PTHREAD_MUTEX_INITIALIZER},
};

/* The reply that this thread makes; NULL as soon as it is freed by it. */
static __thread struct {
	SVCXPRT *xprt;
	struct reply *reply;
	bool is_known;
} making;

static struct {
	pthread_once_t once;
	const struct xdr_ops *stock;
	struct xdr_ops ours;
} ops = {.once = PTHREAD_ONCE_INIT};

static struct bucket *bucket_of(const SVCXPRT *xprt)
{
	uint64_t h = (uintptr_t)xprt * UINT64_C(0x9e3779b97f4a7c15);

	return &buckets[h >> 58];
}

static void add(struct reply *reply)
{
	struct bucket *bucket = bucket_of(reply->xprt);

	pthread_mutex_lock(&bucket->lock);
	reply->next = bucket->first;
	reply->link = &bucket->first;
	if (reply->next)
		reply->next->link = &reply->next;
	bucket->first = reply;
	bucket->count++;
	pthread_mutex_unlock(&bucket->lock);
}

static void del(struct reply *reply)
{
	struct bucket *bucket = bucket_of(reply->xprt);

	pthread_mutex_lock(&bucket->lock);
	*reply->link = reply->next;
	if (reply->next)
		reply->next->link = reply->link;
	bucket->count--;
	pthread_mutex_unlock(&bucket->lock);
}

/* In the place of x_destroy. */
static void reply_destroy(XDR *xdrs)
{
	struct reply *reply = (struct reply *)XIOQ(xdrs);

	del(reply);
	if (making.reply == reply)
		making.reply = NULL;
	ops.stock->x_destroy(xdrs);
}

/* In the place of x_fillbufs: what is about to be sent.  RPCSEC_GSS asks as
 * well, before the transport stands in the reply. */
static bool reply_fillbufs(XDR *xdrs, u_int start, xdr_vio *vector, u_int len)
{
	struct reply *reply = (struct reply *)XIOQ(xdrs);

	if (xdrs->x_lib[1])
		__atomic_store_n(&reply->sender, &making, __ATOMIC_RELAXED);
	return ops.stock->x_fillbufs(xdrs, start, vector, len);
}

static void init_ops(void)
{
	ops.stock = making.reply->ioq.xdrs->x_ops;
	ops.ours = *ops.stock;
	ops.ours.x_destroy = reply_destroy;
	ops.ours.x_fillbufs = reply_fillbufs;
}

/* ntirpc has set its operations. */
static void know(struct reply *reply)
{
	XDR *xdrs = reply->ioq.xdrs;

	if (!xdrs->x_ops)
		return;
	pthread_once(&ops.once, init_ops);
	if (xdrs->x_ops != ops.stock)
		return;
	xdrs->x_ops = &ops.ours;
	reply->xprt = making.xprt;
	add(reply);
	making.is_known = true;
}

void reply_begin(SVCXPRT *xprt)
{
	making.xprt = xprt;
	making.reply = NULL;
	making.is_known = false;
}

/* The block comes first, then a buffer for it. */
size_t reply_room(size_t size, const char *function)
{
	if (!making.xprt || making.is_known)
		return size;
	if (making.reply) {
		know(making.reply);
		return size;
	}
	if (size != sizeof(struct xdr_ioq) ||
	    strcmp(function, "xdr_ioq_create") != 0)
		return size;
	return sizeof(struct reply);
}

void reply_made(void *block)
{
	making.reply = block;
}

static bool is_mine(const struct reply *reply)
{
	return __atomic_load_n(&reply->sender, __ATOMIC_RELAXED) == &making;
}

/* In somebody's hands, or forgotten. */
static bool is_astray(const struct reply *reply, SVCXPRT *xprt)
{
	return reply->xprt == xprt && !sendq_has(xprt, &reply->ioq);
}

/*
 * What this thread has taken out of the queue of @xprt and forgotten.  @own: it
 * can be that one alone, and failed at once.  One that had blocked before may
 * be in the hands of who empties the queue of a transport that was destroyed.
 */
static struct reply *find_forgotten(SVCXPRT *xprt, const struct reply *own)
{
	struct bucket *bucket = bucket_of(xprt);
	struct reply *reply;

	pthread_mutex_lock(&bucket->lock);
	for (reply = bucket->first; reply; reply = reply->next)
		if (is_mine(reply) &&
		    (!own || (reply == own && !reply->ioq.has_blocked)) &&
		    is_astray(reply, xprt))
			break;
	pthread_mutex_unlock(&bucket->lock);
	return reply;
}

/* Where it is a call of ours that failed, it is not known, but had a reference
 * all the same. */
void reply_failed(SVCXPRT *xprt)
{
	struct reply *reply = find_forgotten(xprt, NULL);

	if (reply)
		XDR_DESTROY(reply->ioq.xdrs);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

/*
 * One that could not be encoded was not queued.  One that failed while another
 * thread was just about to destroy the transport is forgotten without a word.
 */
void reply_end(SVCXPRT *xprt, enum xprt_stat stat)
{
	struct reply *reply = making.reply;
	bool is_known = making.is_known;

	making.xprt = NULL;
	making.reply = NULL;
	if (!reply)
		return;
	if (stat == XPRT_DIED) {
		XDR_DESTROY(reply->ioq.xdrs);
	} else if (is_known && (reply = find_forgotten(xprt, reply))) {
		XDR_DESTROY(reply->ioq.xdrs);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	}
}

int32_t reply_astray(SVCXPRT *xprt)
{
	struct bucket *bucket = bucket_of(xprt);
	const struct reply *reply;
	int32_t count = 0;

	pthread_mutex_lock(&bucket->lock);
	for (reply = bucket->first; reply; reply = reply->next)
		count += is_astray(reply, xprt);
	pthread_mutex_unlock(&bucket->lock);
	return count;
}

static struct reply *find_astray(SVCXPRT *xprt)
{
	struct bucket *bucket = bucket_of(xprt);
	struct reply *reply;

	pthread_mutex_lock(&bucket->lock);
	reply = bucket->first;
	while (reply && !is_astray(reply, xprt))
		reply = reply->next;
	pthread_mutex_unlock(&bucket->lock);
	return reply;
}

void reply_free_astray(SVCXPRT *xprt)
{
	struct reply *reply;

	while ((reply = find_astray(xprt))) {
		XDR_DESTROY(reply->ioq.xdrs);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	}
}

uint64_t reply_count(void)
{
	uint64_t count = 0;

	for (unsigned int i = 0; i < BUCKETS; i++) {
		pthread_mutex_lock(&buckets[i].lock);
		count += buckets[i].count;
		pthread_mutex_unlock(&buckets[i].lock);
	}
	return count;
}
