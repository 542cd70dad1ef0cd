/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The last extent always lies in a page, or is empty.  The position is in the
 * current extent, which is the last one except after rpcbuf_writer_seek().
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/record.h>
#include <rpcbuf/writer.h>
#include <string.h>

#include "rpcbuf/engine/ready.h"
#include "rpcbuf/engine/reply.h"
#include "rpcbuf/engine/extents.h"
#include "rpcbuf/os/bits.h"

/* Taken at the start of the first page: the reply itself, and the record
 * mark. */
#define FRONT (RPCBUF_REPLY_HEAD + RPCBUF_MARK_SIZE)

/* The bytes from the start to the position belong to the extent. */
static void save_length(struct rpcbuf_writer *w)
{
	struct rpcbuf_extent *e = &w->extents.all[w->current];

	if (e->room)
		e->length = rpcbuf_max(e->length, (uint32_t)(w->at - e->base));
}

/* Moves to byte @offset of extent @nr, which has @before bytes in front of
 * it. */
static void enter_extent(struct rpcbuf_writer *w, unsigned int nr,
			 uint32_t before, uint32_t offset)
{
	const struct rpcbuf_extent *e = &w->extents.all[nr];

	w->current = nr;
	w->before = before;
	w->at = e->base + offset;
	/* Only the last extent can grow. */
	w->end = e->base + (nr + 1 == w->extents.nr ? e->room : e->length);
}

/* Room in memory of the caller; it may have flushed the writer. */
static bool insert_more(struct rpcbuf_writer *w, unsigned int at)
{
	uint32_t room;
	uint8_t *base = w->more(w, &room);

	return base &&
	       extents_insert(&w->extents, rpcbuf_min(at, w->extents.nr), base,
			      0, room);
}

/* A page that the reply owns, as an extent of its own behind the first @at. */
static bool insert_page(struct rpcbuf_writer *w, unsigned int at)
{
	void *page;

	if (w->more)
		return insert_more(w, at);
	page = ready_take(&w->ready);
	if (!page)
		return false;
	if (rpcbuf_reply_own_pages(w->reply, 1, &page)) {
		rpcbuf_mempool_free_page(w->ready.pool, page);
		return false;
	}
	return extents_insert(&w->extents, at, page, 0, RPCBUF_PAGE_SIZE);
}

uint32_t rpcbuf_writer_length(struct rpcbuf_writer *w)
{
	save_length(w);
	return extents_bytes(&w->extents, w->extents.nr);
}

static void enter_last(struct rpcbuf_writer *w)
{
	enter_extent(w, w->extents.nr - 1,
		     w->flushed + extents_bytes(&w->extents, w->extents.nr - 1),
		     extents_last(&w->extents)->length);
}

int rpcbuf_writer_next_page(struct rpcbuf_writer *w)
{
	save_length(w);
	if (w->current + 1 != w->extents.nr)
		return -EINVAL;
	if (!insert_page(w, w->extents.nr))
		return -ENOMEM;
	enter_extent(w, w->extents.nr - 1,
		     w->before + w->extents.all[w->extents.nr - 2].length, 0);
	return 0;
}

/* Continues behind the end of the current extent. */
static int next_extent(struct rpcbuf_writer *w)
{
	unsigned int next = w->current + 1;

	if (next == w->extents.nr)
		return rpcbuf_writer_next_page(w);
	save_length(w);
	if (w->extents.all[next].length && !w->extents.all[next].room)
		return -EINVAL;
	enter_extent(w, next, w->before + w->extents.all[w->current].length, 0);
	return 0;
}

int rpcbuf_writer_put(struct rpcbuf_writer *w, const void *from, size_t len)
{
	const uint8_t *bytes = from;
	int err;

	while (len) {
		size_t n = rpcbuf_min((size_t)(w->end - w->at), len);

		if (!n) {
			err = next_extent(w);
			if (err)
				return err;
			continue;
		}
		memcpy(w->at, bytes, n);
		w->at += n;
		bytes += n;
		len -= n;
	}
	return 0;
}

/* Referred bytes end the extent of the page.  A new one begins in the room that
 * the page has left. */
int rpcbuf_writer_refer(struct rpcbuf_writer *w, void *base, size_t len)
{
	struct rpcbuf_extent *e = extents_last(&w->extents);
	uint8_t *rest;
	uint32_t room;

	save_length(w);
	if (w->current + 1 != w->extents.nr || w->at != e->base + e->length ||
	    len > UINT32_MAX)
		return -EINVAL;
	rest = e->base + e->length;
	room = e->room - rpcbuf_min(e->length, e->room);
	e->room = e->length;
	if (!extents_insert(&w->extents, w->extents.nr, base, (uint32_t)len,
			    0) ||
	    !extents_insert(&w->extents, w->extents.nr, rest, 0, room))
		return -ENOMEM;
	enter_last(w);
	return 0;
}

uint32_t rpcbuf_writer_position(const struct rpcbuf_writer *w)
{
	return w->before + (uint32_t)(w->at - w->extents.all[w->current].base);
}

int rpcbuf_writer_seek(struct rpcbuf_writer *w, uint32_t position)
{
	uint32_t before = w->flushed;

	save_length(w);
	for (unsigned int i = 0; i < w->extents.nr; i++) {
		const struct rpcbuf_extent *e = &w->extents.all[i];
		uint32_t offset = position - before;

		if (offset < e->length && !e->room) {
			/* A position in front of referred bytes is the end of
			 * the extent before them. */
			if (offset || !i)
				return -ERANGE;
			e--;
			enter_extent(w, i - 1, before - e->length, e->length);
			return 0;
		}
		if (offset < e->length ||
		    (i + 1 == w->extents.nr && offset == e->length)) {
			enter_extent(w, i, before, offset);
			return 0;
		}
		before += e->length;
	}
	return -ERANGE;
}

int rpcbuf_writer_iov(struct rpcbuf_writer *w, uint32_t start, uint32_t len,
		      struct iovec *iov)
{
	save_length(w);
	return extents_gather(&w->extents, start - w->flushed, len, iov);
}

/* @len bytes behind the first @at extents: in the room of the last of these, or
 * in a page of their own. */
static int place(struct rpcbuf_writer *w, unsigned int at, uint32_t len,
		 void **bytes)
{
	struct rpcbuf_extent *e;

	if (!at || len > RPCBUF_PAGE_SIZE)
		return -EINVAL;
	e = &w->extents.all[at - 1];
	if (e->room < e->length + len) {
		if (!insert_page(w, at))
			return -ENOMEM;
		e = &w->extents.all[at];
	}
	e->length += len;
	enter_last(w);
	*bytes = e->base + e->length - len;
	return 0;
}

int rpcbuf_writer_append(struct rpcbuf_writer *w, uint32_t len, void **bytes)
{
	save_length(w);
	return place(w, w->extents.nr, len, bytes);
}

int rpcbuf_writer_insert(struct rpcbuf_writer *w, uint32_t position,
			 uint32_t len, void **bytes)
{
	save_length(w);
	return place(w, extents_find(&w->extents, position - w->flushed), len,
		     bytes);
}

/* Starts at @position with one empty extent: there is always one. */
static void begin_empty(struct rpcbuf_writer *w, uint32_t position)
{
	static uint8_t nowhere;

	w->flushed = position;
	w->extents.nr = 0;
	extents_insert(&w->extents, 0, &nowhere, 0, 0);
	enter_extent(w, 0, position, 0);
}

void rpcbuf_writer_flush(struct rpcbuf_writer *w)
{
	save_length(w);
	begin_empty(w, w->flushed + extents_bytes(&w->extents, w->extents.nr));
}

void rpcbuf_writer_begin_in(struct rpcbuf_writer *w,
			    uint8_t *(*more)(struct rpcbuf_writer *w,
					     uint32_t *room))
{
	w->more = more;
	extents_init(&w->extents);
	begin_empty(w, 0);
}

void rpcbuf_writer_exit(struct rpcbuf_writer *w)
{
	extents_exit(&w->extents);
}

int rpcbuf_writer_begin(struct rpcbuf_writer *w, struct rpcbuf *mm,
			struct rpcbuf_mempool *pages,
			struct rpcbuf_respages *respages)
{
	uint8_t *page;

	w->more = NULL;
	w->flushed = 0;
	extents_init(&w->extents);
	ready_init(&w->ready, mm, pages, respages);
	page = ready_take(&w->ready);
	if (!page)
		return -ENOMEM;
	w->reply = rpcbuf_reply_create(mm, page);
	rpcbuf_reply_return_to(w->reply, pages);
	extents_insert(&w->extents, 0, page + FRONT, 0,
		       (uint32_t)RPCBUF_PAGE_SIZE - FRONT);
	enter_extent(w, 0, 0, 0);
	return 0;
}

static int add_all(struct rpcbuf_writer *w)
{
	uint8_t *mark_at = (uint8_t *)w->reply + RPCBUF_REPLY_HEAD;
	uint32_t mark;
	int err;

	save_length(w);
	mark = htonl(extents_bytes(&w->extents, w->extents.nr) |
		     RPCBUF_MARK_LAST);
	memcpy(mark_at, &mark, sizeof(mark));
	err = rpcbuf_reply_add(w->reply, mark_at, sizeof(mark));
	for (unsigned int i = 0; !err && i < w->extents.nr; i++)
		err = rpcbuf_reply_add(w->reply, w->extents.all[i].base,
				       w->extents.all[i].length);
	return err;
}

int rpcbuf_writer_end(struct rpcbuf_writer *w, bool keep,
		      struct rpcbuf_reply **reply)
{
	int err;

	if (keep)
		err = add_all(w);
	else
		err = w->ready.out_of_pages ? -ENOMEM : -ECANCELED;
	ready_exit(&w->ready);
	extents_exit(&w->extents);
	w->reply->nr_reserved = w->ready.nr_reserved;
	if (err)
		rpcbuf_reply_free(w->reply);
	else
		*reply = w->reply;
	return err;
}
