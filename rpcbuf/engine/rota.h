/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rota.h - round robin over clients, first come first served within a client.
 *
 * For things that are granted one at a time.  A rota is a list of clients, the
 * next one first; a waiter is a link in a struct of the caller's.  One thread
 * at a time, or under the caller's lock.
 */
#ifndef RPCBUF_ENGINE_ROTA_H
#define RPCBUF_ENGINE_ROTA_H

#include "rpcbuf/os/list.h"

struct rota_client {
	struct list_head link;	  /* on the rota, while it has waiters */
	struct list_head waiting; /* its waiters, the oldest first */
};

static inline void rota_client_init(struct rota_client *client)
{
	list_init(&client->link);
	list_init(&client->waiting);
}

/* The next waiter, or NULL. */
static inline struct list_head *rota_first(const struct list_head *rota)
{
	if (list_empty(rota))
		return NULL;
	return list_first_entry(rota, struct rota_client, link)->waiting.next;
}

static inline void rota_join(struct list_head *rota, struct rota_client *client,
			     struct list_head *link)
{
	if (list_empty(&client->waiting))
		list_add_tail(&client->link, rota);
	list_add_tail(link, &client->waiting);
}

/* Removes a waiter from any position. */
static inline void rota_leave(struct rota_client *client,
			      struct list_head *link)
{
	list_del(link);
	if (list_empty(&client->waiting))
		list_del(&client->link);
}

/* Removes the first waiter, which is served; its client goes behind the other
 * clients. */
static inline void rota_serve(struct list_head *rota,
			      struct rota_client *client,
			      struct list_head *link)
{
	rota_leave(client, link);
	if (list_empty(&client->waiting))
		return;
	list_del(&client->link);
	list_add_tail(&client->link, rota);
}

#endif /* RPCBUF_ENGINE_ROTA_H */
