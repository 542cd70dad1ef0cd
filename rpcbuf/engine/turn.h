/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * turn.h - one at a time, in order.
 *
 * While unfinished records hold all that they may, one connection goes on to
 * the end of its record: it has the turn.  Clients take turns, and among the
 * connections of a client the one that waited longest is first; so whoever
 * waits comes to it, after as many turns at most as there are clients that wait
 * for each of its own client's before it.
 *
 * Nothing here knows a socket or a page.  Any thread; a struct turn belongs to
 * one thread at a time.
 */
#ifndef RPCBUF_ENGINE_TURN_H
#define RPCBUF_ENGINE_TURN_H

#include <pthread.h>

#include "rpcbuf/engine/rota.h"
#include "rpcbuf/os/atomic.h"

struct turns {
	pthread_mutex_t lock;
	struct list_head clients; /* a rota */
	struct turn *holder;	  /* written under the lock */
};

struct turn {
	struct list_head link; /* client->waiting */
	struct rota_client *client;
	bool waiting; /* its owner's */
};

void turns_init(struct turns *turns);
void turns_exit(struct turns *turns);
void turn_init(struct turn *turn, struct rota_client *client);

static inline bool turn_held(struct turns *turns, const struct turn *turn)
{
	return os_load(&turns->holder) == turn;
}

/* True when @turn has the turn, from now or from before; else it waits. */
bool turn_ask(struct turns *turns, struct turn *turn);

/*
 * turn_end - @turn neither has the turn nor waits for it any more.
 *
 * When the turn is free then and somebody waits, @tell is called for the one
 * who is next, with the lock held: that one has to ask.
 */
void turn_end(struct turns *turns, struct turn *turn,
	      void (*tell)(struct turn *next));

#endif /* RPCBUF_ENGINE_TURN_H */
