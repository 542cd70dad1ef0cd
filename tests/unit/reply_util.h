/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Replies whose bytes follow from their position: in the first page, in pages
 * of the reply, and in lent memory of the test, whose releases are counted.
 */
#ifndef TESTS_REPLY_UTIL_H
#define TESTS_REPLY_UTIL_H

#include <rpcbuf/reply.h>

#include "until_util.h"
#include "wire_util.h"

/* Sets the contents of lent memory. */
static uint8_t lent_bytes[1 << 20];
static unsigned int lent, returned;

static inline void take_back(void *arg)
{
	must(arg == lent_bytes);
	count(returned);
}

static inline bool all_returned(void)
{
	return seen(lent) == seen(returned);
}

/* Byte at position @at of reply @number. */
static inline uint8_t reply_byte(uint32_t number, size_t at)
{
	return (uint8_t)(at * 7 + at / 251 + number * 31);
}

static inline void reply_fill(uint8_t *to, uint32_t number, size_t at,
			      size_t len)
{
	for (size_t i = 0; i < len; i++)
		to[i] = reply_byte(number, at + i);
}

/* Composition of a reply: bytes in its first page, in a page of its own, and
 * lent in pieces of @piece bytes. */
struct shape {
	uint32_t head, page, lent, piece;
};

static inline size_t shape_bytes(const struct shape *s)
{
	return s->head + s->page + s->lent;
}

/* Returns NULL without memory, and leaves nothing behind.  Lent bytes are those
 * of reply 0, at any position. */
static inline struct rpcbuf_reply *
reply_make(struct rpcbuf *mm, uint32_t number, const struct shape *s)
{
	void *pages[2] = {0};
	struct rpcbuf_reply *reply;
	uint8_t *first;
	int err = 0;

	if (rpcbuf_alloc_bulk_array(mm, RPCBUF_GFP_NOWAIT, 2, pages) < 2) {
		if (pages[0])
			rpcbuf_free_page(mm, pages[0]);
		return NULL;
	}
	first = (uint8_t *)pages[0] + RPCBUF_REPLY_HEAD;
	must(s->head <= RPCBUF_PAGE_SIZE - RPCBUF_REPLY_HEAD);
	reply_fill(first, number, 0, s->head);
	reply_fill(pages[1], number, s->head, s->page);
	reply = rpcbuf_reply_create(mm, pages[0]);
	if (rpcbuf_reply_own_pages(reply, 1, &pages[1])) {
		rpcbuf_free_page(mm, pages[1]);
		rpcbuf_reply_free(reply);
		return NULL;
	}
	err = rpcbuf_reply_add(reply, first, s->head);
	if (!err)
		err = rpcbuf_reply_add(reply, pages[1], s->page);
	if (!err && s->lent) {
		err = rpcbuf_reply_own_ref(reply, s->lent, take_back,
					   lent_bytes);
		if (!err)
			count(lent);
	}
	/* From the end to the front, so that no two pieces can join. */
	for (uint32_t at = 0; !err && at < s->lent; at += s->piece)
		err = rpcbuf_reply_add(reply,
				       lent_bytes + sizeof(lent_bytes) -
					       (at + s->piece),
				       s->piece);
	if (!err)
		return reply;
	rpcbuf_reply_free(reply);
	return NULL;
}

/* Expected byte @at of such a reply. */
static inline uint8_t shape_byte(const struct shape *s, uint32_t number,
				 size_t at)
{
	size_t own = s->head + s->page, piece;

	if (at < own)
		return reply_byte(number, at);
	at -= own;
	piece = at / s->piece;
	return lent_bytes[sizeof(lent_bytes) - (piece + 1) * s->piece +
			  at % s->piece];
}

static inline void lend(void)
{
	reply_fill(lent_bytes, 0, 0, sizeof(lent_bytes));
	lent = returned = 0;
}

#endif /* TESTS_REPLY_UTIL_H */
