/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The byte cursor over a message.  The message is never written to and the
 * cursor belongs to one thread, so there is nothing to lock.
 *
 * Two positions move together: `position` counts message bytes, `wire` counts
 * bytes as they lie in the pages, marks included.  The cursor never rests in
 * front of a mark unless the message ends there.
 */
#include <endian.h>
#include <errno.h>
#include <rpcbuf/cursor.h>
#include <rpcbuf/record.h>
#include <string.h>

#include "rpcbuf/os/bits.h"

void rpcbuf_message_release(struct rpcbuf_message *message)
{
	/* The next payload wants the run whole again. */
	if (message->run)
		rpcbuf_free_run(message->mm, message->nr_pages, message->pages);
	else
		rpcbuf_free_bulk_array(message->mm, message->nr_pages,
				       message->pages);
}

static const uint8_t *wire_address(const struct rpcbuf_cursor *c,
				   uint32_t *page)
{
	uint32_t at = c->message->offset + c->wire;

	*page = at >> RPCBUF_PAGE_SHIFT;
	return (const uint8_t *)c->message->pages[*page] +
	       (at & ~RPCBUF_PAGE_MASK);
}

/* It may cross pages. */
static uint32_t next_mark(struct rpcbuf_cursor *c)
{
	uint32_t page, mark;
	const uint8_t *at = wire_address(c, &page);
	uint8_t bytes[RPCBUF_MARK_SIZE];

	if (rpcbuf_likely(((uintptr_t)at & ~RPCBUF_PAGE_MASK) <=
			  RPCBUF_PAGE_SIZE - sizeof(mark))) {
		c->wire += sizeof(mark);
	} else {
		for (unsigned int i = 0; i < sizeof(bytes); i++, c->wire++)
			bytes[i] = *wire_address(c, &page);
		at = bytes;
	}
	memcpy(&mark, at, sizeof(mark));
	return be32toh(mark);
}

/* At the end of a fragment: reads marks until one has bytes behind it. */
static void next_fragment(struct rpcbuf_cursor *c)
{
	while (!c->fragment_left &&
	       c->wire + RPCBUF_MARK_SIZE <= c->message->wire_length) {
		uint32_t mark = next_mark(c);

		c->fragment_left = mark & ~RPCBUF_MARK_LAST;
		if (mark & RPCBUF_MARK_LAST)
			return;
	}
}

static void advance(struct rpcbuf_cursor *c, uint32_t len)
{
	c->position += len;
	c->wire += len;
	c->fragment_left -= len;
	if (!c->fragment_left)
		next_fragment(c);
}

void rpcbuf_cursor_init(struct rpcbuf_cursor *c,
			const struct rpcbuf_message *message)
{
	*c = (struct rpcbuf_cursor){ .message = message };
	next_fragment(c);
}

const uint8_t *rpcbuf_cursor_window(struct rpcbuf_cursor *c, size_t *len)
{
	void *const *pages = c->message->pages;
	const uint8_t *start;
	uint32_t page;
	size_t n;

	*len = 0;
	if (!c->fragment_left)
		return NULL;
	start = wire_address(c, &page);
	n = RPCBUF_PAGE_SIZE - ((uintptr_t)start & ~RPCBUF_PAGE_MASK);
	while (n < c->fragment_left && page + 1 < c->message->nr_pages &&
	       rpcbuf_adjacent(pages[page], pages[page + 1])) {
		n += RPCBUF_PAGE_SIZE;
		page++;
	}
	*len = n < c->fragment_left ? n : c->fragment_left;
	return start;
}

int rpcbuf_cursor_read(struct rpcbuf_cursor *c, void *to, size_t len)
{
	uint8_t *out = to;

	if (len > rpcbuf_cursor_left(c))
		return -ENODATA;
	while (len) {
		size_t n;
		const uint8_t *from = rpcbuf_cursor_window(c, &n);

		if (n > len)
			n = len;
		memcpy(out, from, n);
		advance(c, (uint32_t)n);
		out += n;
		len -= n;
	}
	return 0;
}

int rpcbuf_cursor_skip(struct rpcbuf_cursor *c, size_t len)
{
	if (len > rpcbuf_cursor_left(c))
		return -ENODATA;
	while (len) {
		uint32_t n = c->fragment_left < len ? c->fragment_left
						    : (uint32_t)len;

		advance(c, n);
		len -= n;
	}
	return 0;
}

int rpcbuf_cursor_seek(struct rpcbuf_cursor *c, uint32_t position)
{
	if (position > c->message->length)
		return -ERANGE;
	if (position < c->position)
		rpcbuf_cursor_init(c, c->message);
	return rpcbuf_cursor_skip(c, position - c->position);
}
