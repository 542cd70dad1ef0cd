/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The queue of a transport is in ntirpc's private record of it: behind two
 * structures of its public headers, and what little a version has in between.
 * An empty queue points to itself, which is how sendq_find() knows it.
 *
 * A thread that is at the queue of a transport when it is destroyed holds a
 * reference beside those of what is queued, so the queue is emptied when there
 * are no others but ours, and those of replies that were taken out and
 * forgotten.  A second look must find the same: the thread that sends a call of
 * the server's own has none.  Where a reply is out of the queue it takes more,
 * as a thread frees it a moment after its reference.  A back channel has one
 * for as long as its client lives: there the queue is emptied after PATIENCE
 * looks.
 *
 * `lock` is for the list of the buried alone.
 */
#include <pthread.h>
#include <rpc/xdr_ioq.h>

#include "reply.h"
#include "sendq.h"

struct record {
	struct svc_xprt xprt;
	struct xdr_ioq ioq;
};

#define BETWEEN_MAX 64u
#define QUIET_LOOKS  2u
#define ASTRAY_LOOKS 5u
#define PATIENCE     10u

struct buried {
	struct buried *next;
	SVCXPRT *xprt;
	unsigned int looks, quiet; /* so many, and the last of them */
};

static struct {
	pthread_mutex_t lock;
	size_t offset; /* of the queue in the record; 0: not known */
	struct buried *buried;
	bool over; /* nobody looks at them any more */
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

bool sendq_waits(SVCXPRT *xprt)
{
	return sendq.offset &&
	       __atomic_load_n(&queue_of(xprt)->qh.tqh_first, __ATOMIC_RELAXED);
}

bool sendq_has(SVCXPRT *xprt, const struct xdr_ioq *reply)
{
	struct poolq_head *queue = queue_of(xprt);
	struct poolq_entry *entry;

	if (!sendq.offset)
		return true;
	pthread_mutex_lock(&queue->qmutex);
	TAILQ_FOREACH(entry, &queue->qh, q)
		if (entry == &reply->ioq_s)
			break;
	pthread_mutex_unlock(&queue->qmutex);
	return entry;
}

static struct poolq_entry *take_first(struct poolq_head *queue)
{
	struct poolq_entry *entry;

	pthread_mutex_lock(&queue->qmutex);
	entry = TAILQ_FIRST(&queue->qh);
	if (entry)
		TAILQ_REMOVE(&queue->qh, entry, q);
	pthread_mutex_unlock(&queue->qmutex);
	return entry;
}

static void drain(SVCXPRT *xprt)
{
	struct poolq_entry *entry;

	while ((entry = take_first(queue_of(xprt)))) {
		XDR_DESTROY(_IOQ(entry)->xdrs);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	}
}

/* Does nobody hold a reference but we and replies? */
static bool is_quiet(SVCXPRT *xprt)
{
	struct poolq_head *queue = queue_of(xprt);
	struct poolq_entry *entry;
	int32_t refs = 1 + reply_astray(xprt);

	pthread_mutex_lock(&queue->qmutex);
	TAILQ_FOREACH(entry, &queue->qh, q)
		refs++;
	refs -= __atomic_load_n(&xprt->xp_refcnt, __ATOMIC_ACQUIRE);
	pthread_mutex_unlock(&queue->qmutex);
	return refs == 0;
}

void sendq_bury(SVCXPRT *xprt)
{
	struct buried *node = NULL;

	bool buried = false;

	if (sendq_waits(xprt) || reply_astray(xprt))
		node = calloc(1, sizeof(*node));
	if (node) {
		node->xprt = xprt;
		pthread_mutex_lock(&sendq.lock);
		buried = !sendq.over;
		if (buried) {
			node->next = sendq.buried;
			sendq.buried = node;
		}
		pthread_mutex_unlock(&sendq.lock);
	}
	if (buried)
		return;
	free(node);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

/* Returns whether it is settled, and @node gone. */
static bool settle(struct buried *node)
{
	SVCXPRT *xprt = node->xprt;
	unsigned int enough = reply_astray(xprt) ? ASTRAY_LOOKS : QUIET_LOOKS;

	node->quiet = is_quiet(xprt) ? node->quiet + 1 : 0;
	if (++node->looks < PATIENCE && node->quiet < enough)
		return false;
	drain(xprt);
	reply_free_astray(xprt);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	free(node);
	return true;
}

static struct buried *take_all(void)
{
	struct buried *all;

	pthread_mutex_lock(&sendq.lock);
	all = sendq.buried;
	sendq.buried = NULL;
	pthread_mutex_unlock(&sendq.lock);
	return all;
}

void sendq_tick(void)
{
	struct buried *node, *next, *left = NULL, **end = &left;

	for (node = take_all(); node; node = next) {
		next = node->next;
		if (settle(node))
			continue;
		*end = node;
		end = &node->next;
	}
	pthread_mutex_lock(&sendq.lock);
	*end = sendq.buried;
	sendq.buried = left;
	pthread_mutex_unlock(&sendq.lock);
}

void sendq_end(void)
{
	struct buried *node, *next;

	pthread_mutex_lock(&sendq.lock);
	sendq.over = true;
	pthread_mutex_unlock(&sendq.lock);
	for (node = take_all(); node; node = next) {
		next = node->next;
		SVC_RELEASE(node->xprt, SVC_RELEASE_FLAG_NONE);
		free(node);
	}
}
