/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * share.h - so many threads for each of the things that calls are for.
 *
 * What a call is for has a number, for a file server that of an export.  All
 * calls with the same number are a share: so many of them run at a time, and of
 * these so many of one client's.  The others wait, each with a ticket, and no
 * thread waits with them: a thread that leaves the share is given the ticket of
 * the next one.  Clients take turns, one that has as many as it may is passed
 * over, and of a client's the longest is first.
 *
 * A client of whose calls in a share none came back and none was begun for
 * SHARE_HUNG_NS, while some wait, is told that the share hangs: those may be
 * taken out again.  No limit rests on that.
 *
 * A ticket with the name of another one of its owner's was sent again, and what is
 * said to one is the answer to both.  So it does not wait beside the other one in a
 * share that hangs; and where both did before, one of them is taken out to no
 * answer.
 *
 * Nothing here knows a call, a socket or a page, and time is what the caller
 * says.  Any thread; each share has a lock of its own.
 */
#ifndef RPCBUF_ENGINE_SHARE_H
#define RPCBUF_ENGINE_SHARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/rota.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/plain.h"

#define SHARE_ADDRESS 16u /* bytes that name a client */
#define SHARE_HUNG_NS UINT64_C(1000000000)
#define SHARE_NUMBERS 65536u /* from 0 */
#define SHARE_CHUNK   64u    /* shares that are made at a time */
#define SHARE_CHAINS  64u    /* of clients, and of names, in each */

/* What one client has in a share: there while that is anything, and one more. */
struct share_client {
	struct list_head link;	 /* one of share->chains */
	struct rota_client rota; /* its tickets that wait */
	struct share *share;	 /* never changes */
	uint8_t address[SHARE_ADDRESS];
	unsigned int running;
	bool progressed; /* since the last look */
	bool hangs;
	uint64_t progress_ns; /* the last look that saw it move */
};

/* All of it under the lock, but for what is said to be atomic. */
struct share {
	pthread_mutex_t lock;
	unsigned int number;  /* never changes */
	unsigned int running; /* of all clients */
	unsigned int waiting; /* likewise; atomic */
	struct list_head by_address[SHARE_CHAINS]; /* stakes, by client */
	struct list_head by_id[SHARE_CHAINS]; /* tickets that wait, by name */
	struct list_head rota; /* clients that wait */
	struct share_client
		*cached; /* one of nothing, for the next client, or NULL */
};

struct shares {
	unsigned int most; /* of a share, that run at a time */
	unsigned int most_client;
	struct share *chunks[SHARE_NUMBERS / SHARE_CHUNK]; /* atomic: NULL, or
							    * made for good */
};

/* Who waits; its owner's memory. */
struct share_waiter {
	struct list_head link;
	struct list_head id_link;
	struct share_client *client; /* NULL: in no share */
	const void *owner;   /* for share_take() */
	uint32_t id;	     /* that its owner has for it */
	bool repeated; /* share_take() took it out, and the other one waits */
};

/* Half of @threads for a share, half of these for a client, at least 1. */
void shares_init(struct shares *shares, unsigned int threads);
/* Nobody waits any more. */
void shares_exit(struct shares *shares);

/*
 * share_enter - one more of @client's for share @number.
 *
 * Returns 1: it runs, ->stake is set, and share_leave() is to be called.  0: it
 * waits, until share_leave() or share_take() returns @ticket.  -EBUSY: it has to
 * wait, and @wait says that it should not; -EALREADY: it was sent again, and waits
 * already (where it hangs, and it is not MAY_NOT); -ENOMEM.  In these three cases ->stake is NULL.
 */
enum share_wait {
	MAY_WAIT,
	MAY_UNLESS_HUNG,
	MAY_NOT
};
int share_enter(struct shares *shares, unsigned int number,
		const uint8_t *address, struct share_waiter *waiter,
		enum share_wait wait, uint64_t now_ns);

/* One of @stake does not run any more.  Returns the ticket of one that does
 * from now on, in its stead, or NULL. */
struct share_waiter *share_leave(const struct shares *shares,
				 struct share_client *client);

/*
 * share_take - up to @most tickets of @owner, a client of the name @client, out
 * of all shares: to the end of @taken, longest first.
 *
 * @hung: only where the share hangs at @now_ns; then ->repeated says for which the
 * other one waits still.  Returns how many.
 */
unsigned int share_withdraw(struct shares *shares, const uint8_t *address,
			    const void *owner, unsigned int most, bool hung,
			    uint64_t now_ns, struct list_head *withdrawn);

/* How many wait, in all shares. */
unsigned int share_waiting(const struct shares *shares);

/* Share @number, for good; NULL: out of memory. */
struct share *share_make(struct shares *shares, unsigned int number);

static inline struct share *share_find(struct shares *shares,
				       unsigned int number)
{
	struct share *chunk =
		os_load_acquire(&shares->chunks[number / SHARE_CHUNK]);

	return rpcbuf_likely(chunk) ? &chunk[number % SHARE_CHUNK]
				    : share_make(shares, number);
}

static inline bool share_has_room(const struct shares *shares,
				  const struct share *share,
				  const struct share_client *client)
{
	return share->running < shares->most &&
	       client->running < shares->most_client;
}

static inline bool share_client_waits(const struct share_client *client)
{
	return !list_empty(&client->rota.waiting);
}

/* share_check.c, for debug builds and tests: NULL, or the rule that is broken. */
const char *share_is_valid(struct shares *shares, unsigned int number);

#endif /* RPCBUF_ENGINE_SHARE_H */
