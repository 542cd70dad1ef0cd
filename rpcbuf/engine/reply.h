/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * reply.h - a reply as the send list sees it.
 *
 * One thread at a time.
 */
#ifndef RPCBUF_ENGINE_REPLY_H
#define RPCBUF_ENGINE_REPLY_H

#include <rpcbuf/mempool.h>
#include <rpcbuf/reply.h>
#include <sys/uio.h>

#include "rpcbuf/os/list.h"

/* A piece; or an owner to notify when the reply is freed. */
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

/* Entries that need no chunk of the heap. */
#define REPLY_FEW 6u

struct reply_chain {
	struct reply_chunk *last;
	struct reply_chunk first;
	union reply_entry few[REPLY_FEW];
};

struct rpcbuf_reply {
	struct list_head link; /* in a list of replies */
	struct rpcbuf *mm;
	struct rpcbuf_mempool *pool; /* where its pages go; NULL: to @mm */
	uint64_t bytes;		     /* that were added */
	uint64_t sent;		     /* ... and were sent */
	uint64_t pinned;	     /* memory that it pins, in bytes */
	uint32_t nr_pages;	     /* its own pages */
	uint32_t nr_reserved; /* ... that came from a reserve */
	struct reply_chain pieces, owners;
	/* The first piece that was not sent completely. */
	const struct reply_chunk *chunk;
	unsigned int index;
	size_t offset;
};

/* A page of the replies' reserve into *@page, without waiting.  Returns how many:
 * 1, or 0, and *@page is NULL then. */
static inline unsigned int reply_reserved_page(struct rpcbuf_mempool *reserve,
					       void **page)
{
	*page = rpcbuf_mempool_alloc_page(reserve, RPCBUF_GFP_NOWAIT);
	return *page != NULL;
}

/*
 * reply_gather - fills @iov with the unsent bytes, at most *@most bytes in @max
 * entries.
 *
 * Returns how many entries, and subtracts their bytes from *@most.
 */
unsigned int reply_gather(const struct rpcbuf_reply *reply, struct iovec *iov,
			  unsigned int max, size_t *most);

/*
 * reply_join - copies @len bytes into the page of @reply, behind its own bytes.
 *
 * None of @reply may have been sent.  False: there is no room, or the rest of
 * the page may be in use.
 */
bool reply_join(struct rpcbuf_reply *reply, const void *bytes, size_t len);

/* Counts @n unsent bytes as sent.  Returns by how many @n exceeds the reply. */
size_t reply_advance(struct rpcbuf_reply *reply, size_t n);

static inline uint64_t reply_left(const struct rpcbuf_reply *reply)
{
	return reply->bytes - reply->sent;
}

/* Frees all replies of a list, and empties it. */
void reply_free_list(struct list_head *replies);

#endif /* RPCBUF_ENGINE_REPLY_H */
