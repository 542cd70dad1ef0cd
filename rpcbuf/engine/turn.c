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
	turns->nr = 0;
}

void turns_exit(struct turns *turns)
{
	pthread_mutex_destroy(&turns->lock);
}

void turn_init(struct turn *turn, struct rota_client *client)
{
	list_init(&turn->link);
	turn->client = client;
	turn->waiting = false;
}

static struct turn *first(struct turns *turns)
{
	struct list_head *link = rota_first(&turns->clients);

	return link ? list_entry(link, struct turn, link) : NULL;
}

bool turn_ask(struct turns *turns, struct turn *turn)
{
	bool granted;

	pthread_mutex_lock(&turns->lock);
	if (!turn->waiting && turns->holder != turn) {
		rota_join(&turns->clients, turn->client, &turn->link);
		turn->waiting = true;
		os_store(&turns->nr, turns->nr + 1);
	}
	if (!turns->holder && first(turns) == turn) {
		rota_serve(&turns->clients, turn->client, &turn->link);
		turn->waiting = false;
		os_store(&turns->holder, turn);
	}
	granted = turns->holder == turn;
	pthread_mutex_unlock(&turns->lock);
	return granted;
}

bool turn_others_wait(struct turns *turns, const struct turn *turn)
{
	const struct list_head *clients = &turns->clients;
	const struct list_head *own = &turn->client->link;
	bool wait;

	if (!turns_asked(turns))
		return false;
	pthread_mutex_lock(&turns->lock);
	wait = !list_empty(clients) &&
	       (clients->next != own || own->next != clients);
	pthread_mutex_unlock(&turns->lock);
	return wait;
}

void turn_remind(struct turns *turns, void (*tell)(struct turn *holder))
{
	pthread_mutex_lock(&turns->lock);
	if (turns->holder)
		tell(turns->holder);
	pthread_mutex_unlock(&turns->lock);
}

void turn_end(struct turns *turns, struct turn *turn,
	      void (*tell)(struct turn *next))
{
	struct turn *next;

	pthread_mutex_lock(&turns->lock);
	if (turn->waiting)
		rota_leave(turn->client, &turn->link);
	if (turn->waiting || turns->holder == turn)
		os_store(&turns->nr, turns->nr - 1);
	turn->waiting = false;
	if (turns->holder == turn)
		os_store(&turns->holder, NULL);
	next = first(turns);
	if (!turns->holder && next)
		tell(next);
	pthread_mutex_unlock(&turns->lock);
}

void turn_offer(struct turns *turns, bool (*may)(const struct turn *turn),
		void (*tell)(struct turn *next))
{
	struct rota_client *client, *tmp;
	struct turn *turn;

	pthread_mutex_lock(&turns->lock);
	list_for_each_entry_safe (client, tmp, &turns->clients,
				  struct rota_client, link) {
		turn = list_first_entry(&client->waiting, struct turn, link);
		if (may(turn)) {
			tell(turn);
			break;
		}
	}
	pthread_mutex_unlock(&turns->lock);
}
