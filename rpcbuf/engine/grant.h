/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * grant.h - an exclusive grant, given in order.
 *
 * While a resource is short, one connection at a time holds the grant and
 * proceeds.  Requests are served round robin by client, first come first served
 * within a client, so the wait is bounded: before a request is served, each
 * other client is served at most as often as its own client.  quota.c and
 * shortage.c define what the holder may do, and for how long.
 *
 * Nothing here knows a socket or a page.  Any thread; a struct grant_request
 * belongs to one thread at a time.  @notify and @may are called under the lock.
 */
#ifndef RPCBUF_ENGINE_GRANT_H
#define RPCBUF_ENGINE_GRANT_H

#include <pthread.h>

#include "rpcbuf/engine/rota.h"
#include "rpcbuf/os/plain.h"

struct grant_queue {
	pthread_mutex_t lock;
	struct list_head clients;     /* a rota of the waiting requests */
	struct grant_request *holder; /* written under the lock */
	unsigned int nr; /* holder and waiting requests; likewise */
};

struct grant_request {
	struct list_head link; /* client->waiting */
	struct rota_client *client;
	bool waiting; /* its owner's */
};

void grant_queue_init(struct grant_queue *queue);
void grant_queue_exit(struct grant_queue *queue);
void grant_request_init(struct grant_request *request,
			struct rota_client *client);

static inline bool grant_held(const struct grant_queue *queue,
			      const struct grant_request *request)
{
	return os_load(&queue->holder) == request;
}

/* True when @request holds the grant or waits for it.  Its owner only. */
static inline bool grant_requested(const struct grant_queue *queue,
				   const struct grant_request *request)
{
	return request->waiting || grant_held(queue, request);
}

/* True when any request holds the grant or waits for it. */
static inline bool grant_queue_busy(const struct grant_queue *queue)
{
	return os_load(&queue->nr) != 0;
}

/* Returns true when @request holds the grant; false when it waits. */
bool grant_request(struct grant_queue *queue, struct grant_request *request);

/* True when a request of another client than @request's waits. */
bool grant_others_wait(struct grant_queue *queue,
		       const struct grant_request *request);

/* Calls @notify for the holder, if there is one. */
void grant_notify_holder(struct grant_queue *queue,
			 void (*notify)(struct grant_request *holder));

/*
 * grant_release - gives up the grant, or the place in the queue.
 *
 * If the grant is free then, @notify is called for the first waiting request,
 * which must call grant_request() again.
 */
void grant_release(struct grant_queue *queue, struct grant_request *request,
		   void (*notify)(struct grant_request *next));

/*
 * grant_offer - some request may be able to proceed without the grant.
 *
 * Of the requests that are first of their clients, @notify is called for the
 * next one for which @may is true.  Its owner releases the request, and offers
 * again what it leaves.
 */
void grant_offer(struct grant_queue *queue,
		 bool (*may)(const struct grant_request *request),
		 void (*notify)(struct grant_request *next));

#endif /* RPCBUF_ENGINE_GRANT_H */
