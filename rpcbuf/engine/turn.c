/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The queue of those who wait for the turn.  Whenever the turn is free and
 * somebody waits, the first of them has been told, so that it will ask.
 */
#include "rpcbuf/engine/turn.h"

void turns_init(struct turns *turns)
{
	pthread_mutex_init(&turns->lock, NULL);
	list_init(&turns->clients);
	turns->holder = NULL;
}

void turns_exit(struct turns *turns)
{
	pthread_mutex_destroy(&turns->lock);
}

void turn_client_init(struct turn_client *client)
{
	list_init(&client->link);
	list_init(&client->waiting);
}

void turn_init(struct turn *turn, struct turn_client *client)
{
	list_init(&turn->link);
	turn->client = client;
	turn->waiting = false;
}

static struct turn *first(struct turns *turns)
{
	struct turn_client *client;

	if (list_empty(&turns->clients))
		return NULL;
	client = list_first_entry(&turns->clients, struct turn_client, link);
	return list_first_entry(&client->waiting, struct turn, link);
}

static void join(struct turns *turns, struct turn *turn)
{
	struct turn_client *client = turn->client;

	if (list_empty(&client->waiting))
		list_add_tail(&client->link, &turns->clients);
	list_add_tail(&turn->link, &client->waiting);
	turn->waiting = true;
}

static void leave(struct turn *turn)
{
	list_del(&turn->link);
	if (list_empty(&turn->client->waiting))
		list_del(&turn->client->link);
	turn->waiting = false;
}

bool turn_ask(struct turns *turns, struct turn *turn)
{
	struct turn_client *client = turn->client;
	bool granted;

	pthread_mutex_lock(&turns->lock);
	if (!turn->waiting && turns->holder != turn)
		join(turns, turn);
	if (!turns->holder && first(turns) == turn) {
		leave(turn);
		/* The others of this client come after the other clients. */
		if (!list_empty(&client->waiting)) {
			list_del(&client->link);
			list_add_tail(&client->link, &turns->clients);
		}
		os_store(&turns->holder, turn);
	}
	granted = turns->holder == turn;
	pthread_mutex_unlock(&turns->lock);
	return granted;
}

void turn_end(struct turns *turns, struct turn *turn,
	      void (*tell)(struct turn *next))
{
	struct turn *next;

	pthread_mutex_lock(&turns->lock);
	if (turn->waiting)
		leave(turn);
	if (turns->holder == turn)
		os_store(&turns->holder, NULL);
	next = first(turns);
	if (!turns->holder && next)
		tell(next);
	pthread_mutex_unlock(&turns->lock);
}
