/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Invariant: when the grant is free and requests wait, the owner of the first
 * one was notified, and will request again.
 */
#include "rpcbuf/engine/grant.h"

void grant_queue_init(struct grant_queue *queue)
{
	pthread_mutex_init(&queue->lock, NULL);
	list_init(&queue->clients);
	queue->holder = NULL;
	queue->nr = 0;
}

void grant_queue_exit(struct grant_queue *queue)
{
	pthread_mutex_destroy(&queue->lock);
}

void grant_request_init(struct grant_request *request,
			struct rota_client *client)
{
	list_init(&request->link);
	request->client = client;
	request->waiting = false;
}

static struct grant_request *first_waiting(struct grant_queue *queue)
{
	struct list_head *link = rota_first(&queue->clients);

	return link ? list_entry(link, struct grant_request, link) : NULL;
}

bool grant_request(struct grant_queue *queue, struct grant_request *request)
{
	bool granted;

	pthread_mutex_lock(&queue->lock);
	if (!request->waiting && queue->holder != request) {
		rota_join(&queue->clients, request->client, &request->link);
		request->waiting = true;
		os_store(&queue->nr, queue->nr + 1);
	}
	if (!queue->holder && first_waiting(queue) == request) {
		rota_serve(&queue->clients, request->client, &request->link);
		request->waiting = false;
		os_store(&queue->holder, request);
	}
	granted = queue->holder == request;
	pthread_mutex_unlock(&queue->lock);
	return granted;
}

bool grant_others_wait(struct grant_queue *queue,
		       const struct grant_request *request)
{
	const struct list_head *clients = &queue->clients;
	const struct list_head *own = &request->client->link;
	bool wait;

	if (!grant_queue_busy(queue))
		return false;
	pthread_mutex_lock(&queue->lock);
	wait = !list_empty(clients) &&
	       (clients->next != own || own->next != clients);
	pthread_mutex_unlock(&queue->lock);
	return wait;
}

void grant_notify_holder(struct grant_queue *queue,
			 void (*notify)(struct grant_request *holder))
{
	pthread_mutex_lock(&queue->lock);
	if (queue->holder)
		notify(queue->holder);
	pthread_mutex_unlock(&queue->lock);
}

void grant_release(struct grant_queue *queue, struct grant_request *request,
		   void (*notify)(struct grant_request *next))
{
	struct grant_request *next;

	pthread_mutex_lock(&queue->lock);
	if (request->waiting)
		rota_leave(request->client, &request->link);
	if (request->waiting || queue->holder == request)
		os_store(&queue->nr, queue->nr - 1);
	request->waiting = false;
	if (queue->holder == request)
		os_store(&queue->holder, NULL);
	next = first_waiting(queue);
	if (!queue->holder && next)
		notify(next);
	pthread_mutex_unlock(&queue->lock);
}

void grant_offer(struct grant_queue *queue,
		 bool (*may)(const struct grant_request *request),
		 void (*notify)(struct grant_request *next))
{
	struct rota_client *client, *tmp;
	struct grant_request *request;

	pthread_mutex_lock(&queue->lock);
	list_for_each_entry_safe (client, tmp, &queue->clients,
				  struct rota_client, link) {
		request = list_first_entry(&client->waiting,
					   struct grant_request, link);
		if (may(request)) {
			notify(request);
			break;
		}
	}
	pthread_mutex_unlock(&queue->lock);
}
