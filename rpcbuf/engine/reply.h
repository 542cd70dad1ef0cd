/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reply.h - what the send list sees of a reply.
 *
 * One thread at a time.
 */
#ifndef RPCBUF_ENGINE_REPLY_H
#define RPCBUF_ENGINE_REPLY_H

#include <rpcbuf/reply.h>
#include <sys/uio.h>

#include "rpcbuf/os/list.h"

/* A piece, or who is told when the reply is freed. */
union reply_entry {
	struct iovec piece;
	struct {
		void (*release)(void *arg); /* NULL: @arg is a page */
		void *arg;
	} owner;
};

struct reply_chunk {
	struct reply_chunk *next;
	unsigned int nr, max;
	union reply_entry *entries;
};

/* Entries that need no block of their own. */
#define REPLY_FEW 6u

struct reply_chain {
	struct reply_chunk *last;
	struct reply_chunk first;
	union reply_entry few[REPLY_FEW];
};

struct rpcbuf_reply {
	struct list_head link; /* of the list that it is on */
	struct rpcbuf *mm;
	struct rpcbuf_mempool *pool; /* its pages go there, or NULL */
	uint64_t bytes;	 /* added */
	uint64_t sent;	 /* ... and sent */
	uint64_t pinned; /* that it keeps from other use, in bytes */
	uint32_t nr_pages;    /* of these, its own pages */
	uint32_t nr_reserved; /* ... that came from a reserve */
	struct reply_chain pieces, owners;
	/* The first piece that was not sent to its end. */
	const struct reply_chunk *chunk;
	unsigned int index;
	size_t offset;
};

/*
 * reply_gather - entries for what is not sent yet, of @most bytes at most.
 *
 * Fills up to @max entries of @iov; returns how many, and takes what they have
 * off *@most.
 */
unsigned int reply_gather(const struct rpcbuf_reply *reply, struct iovec *iov,
			  unsigned int max, size_t *most);

/*
 * reply_join - @len bytes follow those of @reply, copied into its page.
 *
 * Of one that nothing was sent of.  False: there is no room, or something else may
 * lie there.
 */
bool reply_join(struct rpcbuf_reply *reply, const void *bytes, size_t len);

/* The first @n bytes of what was not sent are: returns those beyond its end. */
size_t reply_advance(struct rpcbuf_reply *reply, size_t n);

static inline uint64_t reply_left(const struct rpcbuf_reply *reply)
{
	return reply->bytes - reply->sent;
}

/* Frees all replies of a list, which is empty then. */
void reply_free_list(struct list_head *replies);

#endif /* RPCBUF_ENGINE_REPLY_H */
