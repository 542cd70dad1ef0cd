/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A reply: pieces to send, and owners to notify when it is freed.
 *
 * The two are separate lists: one page may have many pieces, and one owner may
 * lend many.  Both are chains of chunks.  The first chunk of each lies in the
 * reply's page, further ones come from the heap: one holds the pieces of half a
 * megabyte.  A reply releases what it owns when its last byte was sent, so it
 * need not know in whose memory a piece lies.  One thread at a time.
 */
#include <errno.h>
#include <rpcbuf/bulk.h>
#include <rpcbuf/mempool.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/os/bits.h"

#define CHUNK_ENTRIES 126u
/* Pages that are freed at a time. */
#define FREED_PAGES   64u

_Static_assert(sizeof(struct rpcbuf_reply) <= RPCBUF_REPLY_HEAD,
	       "what is behind the head is the caller's");

static void chain_init(struct reply_chain *chain)
{
	chain->last = &chain->first;
	chain->first = (struct reply_chunk){
		.max = REPLY_FEW,
		.entries = chain->few,
	};
}

static struct reply_chunk *chunk_create(void)
{
	struct reply_chunk *chunk = malloc(
		sizeof(*chunk) + CHUNK_ENTRIES * sizeof(union reply_entry));

	if (!chunk)
		return NULL;
	*chunk = (struct reply_chunk){
		.max = CHUNK_ENTRIES,
		.entries = (union reply_entry *)(void *)(chunk + 1),
	};
	return chunk;
}

static int chain_add(struct reply_chain *chain, union reply_entry entry)
{
	struct reply_chunk *chunk = chain->last;

	if (chunk->nr == chunk->max) {
		chunk->next = chunk_create();
		if (!chunk->next)
			return -ENOMEM;
		chunk = chain->last = chunk->next;
	}
	chunk->entries[chunk->nr++] = entry;
	return 0;
}

static void chain_free(struct reply_chain *chain)
{
	struct reply_chunk *chunk, *next;

	for (chunk = chain->first.next; chunk; chunk = next) {
		next = chunk->next;
		free(chunk);
	}
}

struct rpcbuf_reply *rpcbuf_reply_create(struct rpcbuf *mm, void *page)
{
	struct rpcbuf_reply *reply = page;

	list_init(&reply->link);
	reply->mm = mm;
	reply->pool = NULL;
	reply->bytes = reply->sent = 0;
	reply->pinned = RPCBUF_PAGE_SIZE;
	reply->nr_pages = 1;
	reply->nr_reserved = 0;
	chain_init(&reply->pieces);
	chain_init(&reply->owners);
	reply->chunk = &reply->pieces.first;
	reply->index = 0;
	reply->offset = 0;
	return reply;
}

void rpcbuf_reply_return_to(struct rpcbuf_reply *reply,
			    struct rpcbuf_mempool *pool)
{
	reply->pool = pool;
}

int rpcbuf_reply_add(struct rpcbuf_reply *reply, const void *base, size_t len)
{
	struct reply_chunk *last = reply->pieces.last;
	struct iovec *before;
	int err = 0;

	if (!len)
		return 0;
	before = last->nr ? &last->entries[last->nr - 1].piece : NULL;
	if (before && (char *)before->iov_base + before->iov_len == base)
		before->iov_len += len;
	else
		err = chain_add(&reply->pieces,
				(union reply_entry){
					.piece = {(void *)(uintptr_t)base, len},
				});
	if (!err)
		reply->bytes += len;
	return err;
}

/* With one piece and no owner, the rest of the page is unused. */
bool reply_join(struct rpcbuf_reply *reply, const void *bytes, size_t len)
{
	struct iovec *piece = &reply->pieces.first.entries[0].piece;
	char *page = (char *)reply, *end;

	if (reply->pieces.first.nr != 1 || reply->owners.first.nr)
		return false;
	end = (char *)piece->iov_base + piece->iov_len;
	if (end <= page || end > page + RPCBUF_PAGE_SIZE ||
	    len > (size_t)(page + RPCBUF_PAGE_SIZE - end))
		return false;
	memcpy(end, bytes, len);
	piece->iov_len += len;
	reply->bytes += len;
	return true;
}

/* All or nothing: on failure removes what it added before. */
int rpcbuf_reply_own_pages(struct rpcbuf_reply *reply, unsigned int nr,
			   void *const *pages)
{
	struct reply_chunk *last = reply->owners.last;
	unsigned int nr_before = last->nr;

	for (unsigned int i = 0; i < nr; i++) {
		union reply_entry entry = {.owner = {NULL, pages[i]}};

		if (!chain_add(&reply->owners, entry))
			continue;
		for (struct reply_chunk *b = last->next, *next; b; b = next) {
			next = b->next;
			free(b);
		}
		last->next = NULL;
		last->nr = nr_before;
		reply->owners.last = last;
		return -ENOMEM;
	}
	reply->pinned += (uint64_t)nr * RPCBUF_PAGE_SIZE;
	reply->nr_pages += nr;
	return 0;
}

int rpcbuf_reply_own_ref(struct rpcbuf_reply *reply, size_t bytes,
			 void (*release)(void *arg), void *arg)
{
	union reply_entry entry = {.owner = {release, arg}};
	int err = chain_add(&reply->owners, entry);

	if (!err)
		reply->pinned += bytes;
	return err;
}

/* Adjacent pages that a reply owns. */
struct reply_run {
	struct rpcbuf *mm;
	void *first;
	unsigned int nr;
};

static void release_run(void *arg)
{
	struct reply_run *run = arg;

	rpcbuf_free_contig(run->mm, run->first, run->nr);
	free(run);
}

int rpcbuf_reply_own_run(struct rpcbuf_reply *reply, unsigned int nr,
			 void *first)
{
	struct reply_run *run = malloc(sizeof(*run));

	if (!run)
		return -ENOMEM;
	*run = (struct reply_run){reply->mm, first, nr};
	if (rpcbuf_reply_own_ref(reply, nr * (size_t)RPCBUF_PAGE_SIZE,
				 release_run, run)) {
		free(run);
		return -ENOMEM;
	}
	reply->nr_pages += nr;
	return 0;
}

uint64_t rpcbuf_reply_bytes(const struct rpcbuf_reply *reply)
{
	return reply->bytes;
}

uint32_t rpcbuf_reply_pages(const struct rpcbuf_reply *reply)
{
	return reply->nr_pages;
}

/* Pages to free, of one instance or pool. */
struct returns {
	struct rpcbuf *mm;
	struct rpcbuf_mempool *pool;
	unsigned int nr;
	void *pages[FREED_PAGES];
};

static void flush_returns(struct returns *returns)
{
	if (returns->nr && returns->pool)
		rpcbuf_mempool_free_bulk_array(returns->pool, returns->nr,
					       returns->pages);
	else if (returns->nr)
		rpcbuf_free_bulk_array(returns->mm, returns->nr,
				       returns->pages);
	returns->nr = 0;
}

static void add_return(struct returns *returns,
		       const struct rpcbuf_reply *reply, void *page)
{
	if (returns->nr == FREED_PAGES ||
	    (returns->nr && (returns->mm != reply->mm ||
			     returns->pool != reply->pool)))
		flush_returns(returns);
	returns->mm = reply->mm;
	returns->pool = reply->pool;
	returns->pages[returns->nr++] = page;
}

static void release_owners(struct rpcbuf_reply *reply, struct returns *returns)
{
	for (const struct reply_chunk *b = &reply->owners.first; b; b = b->next)
		for (unsigned int i = 0; i < b->nr; i++) {
			const union reply_entry *e = &b->entries[i];

			if (e->owner.release)
				e->owner.release(e->owner.arg);
			else
				add_return(returns, reply, e->owner.arg);
		}
}

static void free_one(struct rpcbuf_reply *reply, struct returns *returns)
{
	release_owners(reply, returns);
	chain_free(&reply->pieces);
	chain_free(&reply->owners);
	add_return(returns, reply, reply);
}

void rpcbuf_reply_free(struct rpcbuf_reply *reply)
{
	struct returns returns;

	returns.nr = 0;
	free_one(reply, &returns);
	flush_returns(&returns);
}

void reply_free_list(struct list_head *replies)
{
	struct rpcbuf_reply *reply;
	struct returns returns;

	returns.nr = 0;
	while (!list_empty(replies)) {
		reply = list_first_entry(replies, struct rpcbuf_reply, link);
		list_del(&reply->link);
		free_one(reply, &returns);
	}
	flush_returns(&returns);
}

unsigned int reply_gather(const struct rpcbuf_reply *reply, struct iovec *iov,
			  unsigned int max, size_t *most)
{
	const struct reply_chunk *chunk = reply->chunk;
	unsigned int index = reply->index, nr = 0;
	size_t offset = reply->offset;

	for (; chunk; chunk = chunk->next, index = 0)
		for (; index < chunk->nr; index++, offset = 0) {
			const struct iovec *piece =
				&chunk->entries[index].piece;
			size_t len = rpcbuf_min(piece->iov_len - offset, *most);

			if (nr == max || !*most)
				return nr;
			iov[nr++] = (struct iovec){
				(char *)piece->iov_base + offset,
				len,
			};
			*most -= len;
		}
	return nr;
}

size_t reply_advance(struct rpcbuf_reply *reply, size_t n)
{
	size_t excess = n - (size_t)rpcbuf_min((uint64_t)n, reply_left(reply));

	n -= excess;
	reply->sent += n;
	while (n) {
		const struct iovec *piece;
		size_t part;

		if (reply->index == reply->chunk->nr) {
			reply->chunk = reply->chunk->next;
			reply->index = 0;
		}
		piece = &reply->chunk->entries[reply->index].piece;
		part = rpcbuf_min(n, piece->iov_len - reply->offset);
		reply->offset += part;
		n -= part;
		if (reply->offset == piece->iov_len) {
			reply->offset = 0;
			reply->index++;
		}
	}
	return excess;
}
