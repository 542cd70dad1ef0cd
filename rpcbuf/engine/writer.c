/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The last stretch always lies in a page, or is empty; the position is in the
 * current one, the last but after going back.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rpcbuf/record.h>
#include <rpcbuf/writer.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/os/bits.h"

/* Of the first page: the reply itself, and the record mark behind it. */
#define FRONT (RPCBUF_REPLY_HEAD + RPCBUF_MARK_SIZE)

static struct rpcbuf_stretch *last(struct rpcbuf_writer *w)
{
	return &w->stretches[w->nr - 1];
}

/* What was written in the window belongs to its stretch. */
static void settle(struct rpcbuf_writer *w)
{
	struct rpcbuf_stretch *s = &w->stretches[w->current];

	if (s->room)
		s->length = rpcbuf_max(s->length, (uint32_t)(w->at - s->base));
}

/* Opens the window of stretch @nr, in front of which there are @before bytes,
 * @offset bytes behind its start. */
static void enter(struct rpcbuf_writer *w, unsigned int nr, uint32_t before,
		  uint32_t offset)
{
	const struct rpcbuf_stretch *s = &w->stretches[nr];

	w->current = nr;
	w->before = before;
	w->at = s->base + offset;
	/* Behind an earlier one others follow: it keeps its length. */
	w->end = s->base + (nr + 1 == w->nr ? s->room : s->length);
}

static bool grow(struct rpcbuf_writer *w)
{
	bool few = w->stretches == w->few;
	struct rpcbuf_stretch *more =
		realloc(few ? NULL : w->stretches, 2 * w->max * sizeof(*more));

	if (!more)
		return false;
	if (few)
		memcpy(more, w->few, sizeof(w->few));
	w->stretches = more;
	w->max *= 2;
	return true;
}

/* A stretch behind the first @at. */
static bool insert(struct rpcbuf_writer *w, unsigned int at, uint8_t *base,
		   uint32_t length, uint32_t room)
{
	if (w->nr == w->max && !grow(w))
		return false;
	memmove(&w->stretches[at + 1], &w->stretches[at],
		(w->nr - at) * sizeof(*w->stretches));
	w->stretches[at] = (struct rpcbuf_stretch){base, length, room};
	w->nr++;
	return true;
}

/* What is not needed at once is not for a reserve to give. */
static __attribute__((noinline)) void take_reserved(struct rpcbuf_writer *w)
{
	w->ready[0] = rpcbuf_mempool_alloc_page(w->pages, RPCBUF_GFP_NOWAIT);
	w->nr_ready = w->ready[0] != NULL;
	w->nr_reserved += w->nr_ready;
}

static void *take_page(struct rpcbuf_writer *w)
{
	if (w->next_ready == w->nr_ready) {
		memset(w->ready, 0, sizeof(w->ready));
		w->next_ready = 0;
		w->nr_ready = rpcbuf_alloc_bulk_array(w->mm, RPCBUF_GFP_NOWAIT,
						      w->grow, w->ready);
		w->grow = rpcbuf_min(4 * w->grow, RPCBUF_WRITER_PAGES);
		if (rpcbuf_unlikely(!w->nr_ready))
			take_reserved(w);
	}
	w->is_short = w->next_ready == w->nr_ready;
	return w->is_short ? NULL : w->ready[w->next_ready++];
}

/* Memory of the caller's, which may have flushed the writer. */
static bool insert_more(struct rpcbuf_writer *w, unsigned int at)
{
	uint32_t room;
	uint8_t *base = w->more(w, &room);

	return base && insert(w, rpcbuf_min(at, w->nr), base, 0, room);
}

/* A page of the reply's, in a stretch of its own behind the first @at. */
static bool insert_page(struct rpcbuf_writer *w, unsigned int at)
{
	void *page;

	if (w->more)
		return insert_more(w, at);
	page = take_page(w);
	if (!page)
		return false;
	if (rpcbuf_reply_own_pages(w->reply, 1, &page)) {
		rpcbuf_mempool_free_page(w->pages, page);
		return false;
	}
	return insert(w, at, page, 0, RPCBUF_PAGE_SIZE);
}

static uint32_t bytes_before(const struct rpcbuf_writer *w, unsigned int nr)
{
	uint32_t bytes = w->flushed;

	while (nr)
		bytes += w->stretches[--nr].length;
	return bytes;
}

uint32_t rpcbuf_writer_length(struct rpcbuf_writer *w)
{
	settle(w);
	return bytes_before(w, w->nr) - w->flushed;
}

static void enter_end(struct rpcbuf_writer *w)
{
	enter(w, w->nr - 1, bytes_before(w, w->nr - 1), last(w)->length);
}

bool rpcbuf_writer_page(struct rpcbuf_writer *w)
{
	settle(w);
	if (w->current + 1 != w->nr || !insert_page(w, w->nr))
		return false;
	enter(w, w->nr - 1, w->before + w->stretches[w->nr - 2].length, 0);
	return true;
}

/* The window is full: on behind it. */
static bool go_on(struct rpcbuf_writer *w)
{
	unsigned int next = w->current + 1;

	if (next == w->nr)
		return rpcbuf_writer_page(w);
	settle(w);
	if (w->stretches[next].length && !w->stretches[next].room)
		return false;
	enter(w, next, w->before + w->stretches[w->current].length, 0);
	return true;
}

bool rpcbuf_writer_put(struct rpcbuf_writer *w, const void *from, size_t len)
{
	const uint8_t *bytes = from;

	while (len) {
		size_t n = rpcbuf_min((size_t)(w->end - w->at), len);

		if (!n) {
			if (!go_on(w))
				return false;
			continue;
		}
		memcpy(w->at, bytes, n);
		w->at += n;
		bytes += n;
		len -= n;
	}
	return true;
}

/* What is referred to ends the page's stretch; another one begins in the room
 * that is left there. */
bool rpcbuf_writer_refer(struct rpcbuf_writer *w, void *base, size_t len)
{
	struct rpcbuf_stretch *s = last(w);
	uint8_t *rest;
	uint32_t room;

	settle(w);
	if (w->current + 1 != w->nr || w->at != s->base + s->length ||
	    len > UINT32_MAX)
		return false;
	rest = s->base + s->length;
	room = s->room - rpcbuf_min(s->length, s->room);
	s->room = s->length;
	if (!insert(w, w->nr, base, (uint32_t)len, 0) ||
	    !insert(w, w->nr, rest, 0, room))
		return false;
	enter_end(w);
	return true;
}

uint32_t rpcbuf_writer_position(const struct rpcbuf_writer *w)
{
	return w->before + (uint32_t)(w->at - w->stretches[w->current].base);
}

bool rpcbuf_writer_seek(struct rpcbuf_writer *w, uint32_t position)
{
	uint32_t before = w->flushed;

	settle(w);
	for (unsigned int i = 0; i < w->nr; i++) {
		const struct rpcbuf_stretch *s = &w->stretches[i];
		uint32_t offset = position - before;

		if (offset < s->length && !s->room) {
			/* In front of what is referred to is behind the one
			 * before it. */
			if (offset || !i)
				return false;
			s--;
			enter(w, i - 1, before - s->length, s->length);
			return true;
		}
		if (offset < s->length ||
		    (i + 1 == w->nr && offset == s->length)) {
			enter(w, i, before, offset);
			return true;
		}
		before += s->length;
	}
	return false;
}

int rpcbuf_writer_stretches(struct rpcbuf_writer *w, uint32_t start,
			    uint32_t len, struct iovec *iov)
{
	int nr = 0;

	settle(w);
	start -= w->flushed;
	for (unsigned int i = 0; i < w->nr && len; i++) {
		const struct rpcbuf_stretch *s = &w->stretches[i];
		uint32_t skip = rpcbuf_min(s->length, start);
		uint32_t n = rpcbuf_min(s->length - skip, len);

		if (n && iov)
			iov[nr] = (struct iovec){s->base + skip, n};
		nr += n > 0;
		start -= skip;
		len -= n;
	}
	return len ? -1 : nr;
}

/* How many stretches there are in front of @position, where one begins. */
static unsigned int stretches_before(const struct rpcbuf_writer *w,
				     uint32_t position)
{
	unsigned int nr = 0;
	uint32_t bytes = w->flushed;

	while (nr < w->nr && bytes < position)
		bytes += w->stretches[nr++].length;
	return bytes == position ? nr : 0;
}

/* Behind the first @at stretches: in the room of the last of them, or in a page
 * of their own. */
static void *place(struct rpcbuf_writer *w, unsigned int at, uint32_t len)
{
	struct rpcbuf_stretch *s;

	if (!at || len > RPCBUF_PAGE_SIZE)
		return NULL;
	s = &w->stretches[at - 1];
	if (s->room < s->length + len) {
		if (!insert_page(w, at))
			return NULL;
		s = &w->stretches[at];
	}
	s->length += len;
	enter_end(w);
	return s->base + s->length - len;
}

void *rpcbuf_writer_append(struct rpcbuf_writer *w, uint32_t len)
{
	settle(w);
	return place(w, w->nr, len);
}

void *rpcbuf_writer_insert(struct rpcbuf_writer *w, uint32_t position,
			   uint32_t len)
{
	settle(w);
	return place(w, stretches_before(w, position), len);
}

/* The pages that are there already. */
static void take_respages(struct rpcbuf_writer *w)
{
	struct rpcbuf_respages *respages = w->respages;

	memcpy(w->ready, respages->pages, sizeof(respages->pages));
	w->nr_ready = respages->nr;
	w->nr_reserved = respages->reserved;
	respages->nr = respages->reserved = 0;
}

/* What was not used: some for the next reply, unless they are of the reserve. */
static void leave_rest(struct rpcbuf_writer *w)
{
	unsigned int left = w->nr_ready - w->next_ready, kept = 0;
	void **rest = w->ready + w->next_ready;

	if (w->respages && !w->nr_reserved) {
		kept = rpcbuf_min(left, RPCBUF_RESPAGES);
		memcpy(w->respages->pages, rest, kept * sizeof(*rest));
		w->respages->nr = kept;
	}
	if (left > kept)
		rpcbuf_mempool_free_bulk_array(w->pages, left - kept,
					       rest + kept);
}

/* An empty stretch, as there is always one. */
static void begin_empty(struct rpcbuf_writer *w, uint32_t position)
{
	static uint8_t nowhere;

	w->flushed = position;
	w->nr = 0;
	insert(w, 0, &nowhere, 0, 0);
	enter(w, 0, position, 0);
}

void rpcbuf_writer_flush(struct rpcbuf_writer *w)
{
	settle(w);
	begin_empty(w, bytes_before(w, w->nr));
}

void rpcbuf_writer_begin_in(struct rpcbuf_writer *w,
			    uint8_t *(*more)(struct rpcbuf_writer *w,
					     uint32_t *room))
{
	w->more = more;
	w->stretches = w->few;
	w->max = RPCBUF_WRITER_FEW;
	begin_empty(w, 0);
}

void rpcbuf_writer_exit(struct rpcbuf_writer *w)
{
	if (w->stretches != w->few)
		free(w->stretches);
}

int rpcbuf_writer_begin(struct rpcbuf_writer *w, struct rpcbuf *mm,
			struct rpcbuf_mempool *pages,
			struct rpcbuf_respages *respages)
{
	uint8_t *page;

	w->mm = mm;
	w->more = NULL;
	w->flushed = 0;
	w->pages = pages;
	w->nr_reserved = 0;
	w->stretches = w->few;
	w->max = RPCBUF_WRITER_FEW;
	w->grow = respages ? RPCBUF_RESPAGES : 1;
	w->nr = w->nr_ready = w->next_ready = 0;
	w->respages = respages;
	if (respages)
		take_respages(w);
	page = take_page(w);
	if (!page)
		return -ENOMEM;
	w->reply = rpcbuf_reply_create(mm, page);
	rpcbuf_reply_return_to(w->reply, pages);
	insert(w, 0, page + FRONT, 0, (uint32_t)RPCBUF_PAGE_SIZE - FRONT);
	enter(w, 0, 0, 0);
	return 0;
}

static int add_all(struct rpcbuf_writer *w)
{
	uint8_t *mark_at = (uint8_t *)w->reply + RPCBUF_REPLY_HEAD;
	uint32_t mark;
	int err;

	settle(w);
	mark = htonl(bytes_before(w, w->nr) | RPCBUF_MARK_LAST);
	memcpy(mark_at, &mark, sizeof(mark));
	err = rpcbuf_reply_add(w->reply, mark_at, sizeof(mark));
	for (unsigned int i = 0; !err && i < w->nr; i++)
		err = rpcbuf_reply_add(w->reply, w->stretches[i].base,
				       w->stretches[i].length);
	return err;
}

int rpcbuf_writer_end(struct rpcbuf_writer *w, bool keep,
		      struct rpcbuf_reply **reply)
{
	int err = keep ? add_all(w) : w->is_short ? -ENOMEM : -ECANCELED;

	leave_rest(w);
	rpcbuf_writer_exit(w);
	w->reply->nr_reserved = w->nr_reserved;
	if (err)
		rpcbuf_reply_free(w->reply);
	else
		*reply = w->reply;
	return err;
}
