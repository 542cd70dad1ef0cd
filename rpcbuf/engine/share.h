/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * share.h - limits the threads per share, and per client in a share (a
 * bulkhead).
 *
 * A call has the number of its share; for a file server that is an export.  At
 * most so many calls of a share run at a time, and so many of one client's.
 * Further calls wait without a thread.  A call that leaves the share starts the
 * next one on its own thread: clients round robin, those at their limit
 * skipped, FIFO within a client.
 *
 * A share hangs for a client that has waiting calls when none of its calls there
 * returned or started for SHARE_HUNG_NS.  Waiting calls may be withdrawn then.  This is a
 * hint: no limit depends on it.
 *
 * A waiter with the id of another waiter of its owner is a retransmission: one
 * answer serves both.  In a share that hangs it is not queued.  Where both were
 * queued before, one of them is withdrawn without an answer.
 *
 * Nothing here knows a call, a socket or a page, and the caller passes the
 * time.  Any thread; each share has its own lock.
 */
#ifndef RPCBUF_ENGINE_SHARE_H
#define RPCBUF_ENGINE_SHARE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/engine/rota.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/plain.h"

#define SHARE_ADDRESS 16u /* bytes of a client's address */
#define SHARE_HUNG_NS UINT64_C(1000000000)
#define SHARE_NUMBERS 65536u /* from 0 */
#define SHARE_CHUNK   64u    /* shares are allocated by so many */
#define SHARE_CHAINS  64u    /* hash chains in each */

/* A client's part of a share: exists while the client has calls there.  One
 * unused entry is cached. */
struct share_client {
	struct list_head link;	 /* in share->by_address */
	struct rota_client rota; /* its waiters */
	struct share *share;	 /* never changes */
	uint8_t address[SHARE_ADDRESS];
	unsigned int running;
	bool progressed; /* a call returned or started since progress_ns */
	bool hangs;
	uint64_t progress_ns; /* when `progressed` was last seen set */
};

/* Under the lock, except for the atomic members. */
struct share {
	pthread_mutex_t lock;
	unsigned int number;  /* never changes */
	unsigned int running; /* of all clients */
	unsigned int waiting; /* likewise; atomic */
	struct list_head by_address[SHARE_CHAINS]; /* struct share_client */
	struct list_head by_id[SHARE_CHAINS];	   /* struct share_waiter */
	struct list_head rota;	     /* the clients that have waiters */
	struct share_client *cached; /* unused, for the next client; or NULL */
};

struct shares {
	unsigned int most; /* running calls of a share */
	unsigned int most_client;
	struct share *chunks[SHARE_NUMBERS / SHARE_CHUNK]; /* atomic: NULL, or
							    * made for good */
};

/* A queued call.  It is in memory of its owner. */
struct share_waiter {
	struct list_head link;
	struct list_head id_link;
	struct share_client *client; /* NULL: in no share */
	const void *owner;	     /* for share_withdraw() */
	uint32_t id;		     /* a number of the owner's; the same for a
			      * retransmission */
	bool repeated; /* withdrawn, and its duplicate still waits */
};

/* Half of @threads for a share, half of these for a client; at least 1. */
void shares_init(struct shares *shares, unsigned int threads);
/* There must be no waiters. */
void shares_exit(struct shares *shares);

/*
 * share_enter - enters a call of the client @address into share @number.
 *
 * Returns 1: it may run; @waiter->client is set, and the caller calls
 * share_leave() afterwards.  0: it waits until share_leave() or
 * share_withdraw() returns @waiter.  Or an error, and @waiter->client is NULL:
 * -EBUSY, it would have to wait, which @wait excludes; -EALREADY, its duplicate
 * waits already (only in a share that hangs, and not with MAY_NOT); -ENOMEM.
 */
enum share_wait {
	MAY_WAIT,
	MAY_UNLESS_HUNG,
	MAY_NOT
};
int share_enter(struct shares *shares, unsigned int number,
		const uint8_t *address, struct share_waiter *waiter,
		enum share_wait wait, uint64_t now_ns);

/* A call of @client has returned.  Returns the waiter that runs in its place
 * from now on, or NULL. */
struct share_waiter *share_leave(const struct shares *shares,
				 struct share_client *client);

/*
 * share_withdraw - withdraws up to @most waiters of @owner from all shares.
 *
 * @address: of the client that @owner belongs to.  They are appended to
 * @withdrawn, the oldest of each share first.  @hung: only from shares that
 * hang at @now_ns; ->repeated is true for those whose duplicate still waits.
 * Returns how many.
 */
unsigned int share_withdraw(struct shares *shares, const uint8_t *address,
			    const void *owner, unsigned int most, bool hung,
			    uint64_t now_ns, struct list_head *withdrawn);

/* The number of waiters in all shares. */
unsigned int share_waiting(const struct shares *shares);

/* Makes share @number, for good.  NULL: out of memory. */
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

/* share_check.c: returns NULL, or the invariant that is broken. */
const char *share_is_valid(struct shares *shares, unsigned int number);

#endif /* RPCBUF_ENGINE_SHARE_H */
