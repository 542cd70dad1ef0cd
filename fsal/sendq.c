/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The queue of a transport is in ntirpc's private record of it: behind two
 * structures of its public headers, and what little a version has in between.
 * An empty queue points to itself, which is how sendq_find() knows it.
 *
 * A thread of ntirpc may be at the queue of a transport when it is destroyed,
 * but sends without blocking and takes nothing more then.  So the queue is
 * emptied by the second tick after.  `lock` is for the two lists alone.
 */
#include <pthread.h>
#include <rpc/xdr_ioq.h>

#include "sendq.h"

/* The reply that this thread sends: its memory, until ntirpc frees it. */
static __thread struct {
	struct xdr_ioq *reply;
	bool failed;
} sending;

struct record {
	struct svc_xprt xprt;
	struct xdr_ioq ioq;
};

#define BETWEEN_MAX 64u

struct buried {
	struct buried *next;
	SVCXPRT *xprt;
};

static struct {
	pthread_mutex_t lock;
	size_t offset; /* of the queue in the record; 0: not known */
	struct buried *young, *old;
} sendq = { .lock = PTHREAD_MUTEX_INITIALIZER };

static struct poolq_head *queue_of(SVCXPRT *xprt)
{
	return (struct poolq_head *)((char *)xprt + sendq.offset);
}

bool sendq_find(SVCXPRT *xprt)
{
	for (size_t at = sizeof(struct record);
	     at <= sizeof(struct record) + BETWEEN_MAX; at += sizeof(void *)) {
		const struct poolq_head *queue =
			(const void *)((const char *)xprt + at);

		if (!queue->qh.tqh_first && queue->qcount == 0 &&
		    queue->qh.tqh_last == &queue->qh.tqh_first) {
			sendq.offset = at;
			return true;
		}
	}
	return false;
}

static bool is_empty(struct poolq_head *queue)
{
	bool empty;

	pthread_mutex_lock(&queue->qmutex);
	empty = !queue->qh.tqh_first;
	pthread_mutex_unlock(&queue->qmutex);
	return empty;
}

static void drain(SVCXPRT *xprt)
{
	struct poolq_head *queue = queue_of(xprt);
	struct poolq_entry *entry;

	for (;;) {
		pthread_mutex_lock(&queue->qmutex);
		entry = TAILQ_FIRST(&queue->qh);
		if (entry)
			TAILQ_REMOVE(&queue->qh, entry, q);
		pthread_mutex_unlock(&queue->qmutex);
		if (!entry)
			return;
		XDR_DESTROY(_IOQ(entry)->xdrs);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	}
}

static void bury(SVCXPRT *xprt, bool later)
{
	struct buried *node = later ? malloc(sizeof(*node)) : NULL;

	if (!node) {
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
		return;
	}
	node->xprt = xprt;
	pthread_mutex_lock(&sendq.lock);
	node->next = sendq.young;
	sendq.young = node;
	pthread_mutex_unlock(&sendq.lock);
}

bool sendq_waits(SVCXPRT *xprt)
{
	return sendq.offset &&
	       __atomic_load_n(&queue_of(xprt)->qh.tqh_first, __ATOMIC_RELAXED);
}

void sendq_reply_begin(void)
{
	sending.reply = NULL;
	sending.failed = false;
}

void sendq_reply_encodes(XDR *xdrs)
{
	sending.reply = XIOQ(xdrs);
}

void sendq_freed(const void *block)
{
	if (block == sending.reply)
		sending.reply = NULL;
}

/* Is it still the queue's? */
static bool is_queued(struct poolq_head *queue, const struct xdr_ioq *reply)
{
	struct poolq_entry *entry;

	pthread_mutex_lock(&queue->qmutex);
	TAILQ_FOREACH(entry, &queue->qh, q)
		if (entry == &reply->ioq_s)
			break;
	pthread_mutex_unlock(&queue->qmutex);
	return entry;
}

void sendq_failed(SVCXPRT *xprt)
{
	sending.failed = true;
	bury(xprt, sendq.offset != 0);
}

void sendq_reply_end(SVCXPRT *xprt)
{
	struct xdr_ioq *reply = sending.reply;

	sending.reply = NULL;
	if (reply && sending.failed && sendq.offset &&
	    !is_queued(queue_of(xprt), reply))
		XDR_DESTROY(reply->xdrs);
}

void sendq_bury(SVCXPRT *xprt)
{
	bury(xprt, sendq.offset && !is_empty(queue_of(xprt)));
}

static void release(struct buried *node, bool with_queue)
{
	while (node) {
		struct buried *next = node->next;

		if (with_queue)
			drain(node->xprt);
		SVC_RELEASE(node->xprt, SVC_RELEASE_FLAG_NONE);
		free(node);
		node = next;
	}
}

void sendq_tick(void)
{
	struct buried *due;

	pthread_mutex_lock(&sendq.lock);
	due = sendq.old;
	sendq.old = sendq.young;
	sendq.young = NULL;
	pthread_mutex_unlock(&sendq.lock);
	release(due, true);
}

void sendq_end(void)
{
	release(sendq.old, false);
	release(sendq.young, false);
	sendq.old = sendq.young = NULL;
}
