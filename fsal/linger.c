/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ntirpc's epoll names descriptors, not transports.  A thread of its own that
 * has been told of one, and looks for the transport after that was destroyed
 * and its number given to a new connection, finds that one while another thread
 * is still making it: then the other thread takes it for an old one, and the
 * server crashes.  So a number whose only event ntirpc has not taken yet is not
 * given back before such a thread has had time.  ntirpc clears
 * SVC_XPRT_FLAG_ADDED_RECV when it takes the event, and holds a reference from
 * there on.
 *
 * `lock` is for all of it.
 */
#include <pthread.h>
#include <stdlib.h>

#include "linger.h"
#include "rpcbuf/os/os.h"

#define LINGER_NS UINT64_C(500000000)

struct lingering {
	struct lingering *next;
	SVCXPRT *xprt;
	uint64_t until_ns;
};

/* By time. */
static struct {
	pthread_mutex_t lock;
	struct lingering *first, **end;
	bool over; /* nothing is accepted any more */
} lingering = { .lock = PTHREAD_MUTEX_INITIALIZER,
		.end = &lingering.first };

void linger_unlink(SVCXPRT *xprt)
{
	struct lingering *node;

	if (!(xprt->xp_flags & SVC_XPRT_FLAG_ADDED_RECV))
		return;
	node = malloc(sizeof(*node));
	if (!node)
		return;
	node->xprt = xprt;
	node->next = NULL;
	pthread_mutex_lock(&lingering.lock);
	if (!lingering.over) {
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
		node->until_ns = os_now() + LINGER_NS;
		*lingering.end = node;
		lingering.end = &node->next;
		node = NULL;
	}
	pthread_mutex_unlock(&lingering.lock);
	free(node);
}

static struct lingering *take_until(uint64_t now)
{
	struct lingering *node;

	pthread_mutex_lock(&lingering.lock);
	node = lingering.first;
	if (node && node->until_ns > now)
		node = NULL;
	if (node) {
		lingering.first = node->next;
		if (!node->next)
			lingering.end = &lingering.first;
	}
	pthread_mutex_unlock(&lingering.lock);
	return node;
}

static void release_until(uint64_t now)
{
	struct lingering *node;

	while ((node = take_until(now))) {
		SVC_RELEASE(node->xprt, SVC_RELEASE_FLAG_NONE);
		free(node);
	}
}

void linger_tick(void)
{
	release_until(os_now());
}

void linger_end(void)
{
	pthread_mutex_lock(&lingering.lock);
	lingering.over = true;
	pthread_mutex_unlock(&lingering.lock);
	release_until(UINT64_MAX);
}
