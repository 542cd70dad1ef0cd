/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rota.h - those who wait for something that comes one by one.
 *
 * Clients take turns, and of what waits for a client the longest is first.  A
 * rota is a list of clients, the next one first; what waits is a link in an
 * entry of the caller's.  One thread at a time, or under the caller's lock.
 */
#ifndef RPCBUF_ENGINE_ROTA_H
#define RPCBUF_ENGINE_ROTA_H

#include "rpcbuf/os/list.h"

struct rota_client {
	struct list_head link;	  /* on the rota, while something waits */
	struct list_head waiting; /* longest first */
};

static inline void rota_client_init(struct rota_client *client)
{
	list_init(&client->link);
	list_init(&client->waiting);
}

/* Who is next, or NULL. */
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

/* It gives up, wherever it stands. */
static inline void rota_leave(struct rota_client *client,
			      struct list_head *link)
{
	list_del(link);
	if (list_empty(&client->waiting))
		list_del(&client->link);
}

/* The first one gets what it waits for: the others of its client come after
 * the other clients. */
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
