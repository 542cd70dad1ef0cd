/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * turn.h - one at a time, in order.
 *
 * While there is not enough for all, one connection goes on: it has the turn.
 * Clients take turns, and among the connections of a client the one that waited
 * longest is first; so whoever waits comes to it, after as many turns at most
 * as there are clients that wait for each of its own client's before it.  What
 * it may do with the turn, and for how long, is said where it asks: quota.c,
 * shortage.c.
 *
 * Nothing here knows a socket or a page.  Any thread; a struct turn belongs to
 * one thread at a time, and @tell and @may are called with the lock held.
 */
#ifndef RPCBUF_ENGINE_TURN_H
#define RPCBUF_ENGINE_TURN_H

#include <pthread.h>

#include "rpcbuf/engine/rota.h"
#include "rpcbuf/os/plain.h"

struct turns {
	pthread_mutex_t lock;
	struct list_head clients; /* a rota */
	struct turn *holder;	  /* written under the lock */
	unsigned int nr;	  /* who has it or waits for it; likewise */
};

struct turn {
	struct list_head link; /* client->waiting */
	struct rota_client *client;
	bool waiting; /* its owner's */
};

void turns_init(struct turns *turns);
void turns_exit(struct turns *turns);
void turn_init(struct turn *turn, struct rota_client *client);

static inline bool turn_held(const struct turns *turns,
			     const struct turn *turn)
{
	return os_load(&turns->holder) == turn;
}

/* @turn has the turn, or waits for it.  Its owner only. */
static inline bool turn_asked(const struct turns *turns,
			      const struct turn *turn)
{
	return turn->waiting || turn_held(turns, turn);
}

/* Somebody has the turn, or waits for it. */
static inline bool turns_asked(const struct turns *turns)
{
	return os_load(&turns->nr) != 0;
}

/* True when @turn has the turn, from now or from before; else it waits. */
bool turn_ask(struct turns *turns, struct turn *turn);

/* Somebody of another client than @turn's waits. */
bool turn_others_wait(struct turns *turns, const struct turn *turn);

/* @tell is called for who has the turn, if anybody has. */
void turn_remind(struct turns *turns, void (*tell)(struct turn *holder));

/*
 * turn_end - @turn neither has the turn nor waits for it any more.
 *
 * When the turn is free then and somebody waits, @tell is called for the one
 * who is next: that one has to ask.
 */
void turn_end(struct turns *turns, struct turn *turn,
	      void (*tell)(struct turn *next));

/*
 * turn_offer - somebody may be able to go on without the turn.
 *
 * Of those that come first for their client, @tell is called for the next one
 * that @may: that one ends its turn, and offers to others what it leaves.
 */
void turn_offer(struct turns *turns, bool (*may)(const struct turn *turn),
		void (*tell)(struct turn *next));

#endif /* RPCBUF_ENGINE_TURN_H */
