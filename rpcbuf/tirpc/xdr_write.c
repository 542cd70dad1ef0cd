/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Encoding into pages.
 *
 * A stream is a row of segments: stretches of adjacent pages, and bytes that
 * were attached where they lie.  From `start` to `end` is the room of the
 * current segment, the last one but after x_setpostn; `at` is the position in
 * it.  When the room of the last one is used up, `more` gives another page;
 * what is attached ends a segment of pages, and another one begins in the rest
 * of its last page.  One thread at a time uses a stream.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/xdr_pages.h"

static const struct xdr_ops write_ops;

static struct rpcbuf_xdr_segment *last(const struct rpcbuf_xdr *x)
{
	return &x->segments[x->nr_segments - 1];
}

static uint32_t position(const struct rpcbuf_xdr *x)
{
	return x->before + (uint32_t)(x->at - x->start);
}

/* Makes segment @nr, which begins at @position, the current one. */
static void enter(struct rpcbuf_xdr *x, unsigned int nr, uint32_t position)
{
	const struct rpcbuf_xdr_segment *s = &x->segments[nr];

	x->current = nr;
	x->before = position;
	x->start = s->base;
	x->at = s->base;
	/* Behind an earlier one others follow: it keeps its length. */
	x->end = s->base + (nr + 1 == x->nr_segments ? s->room : s->length);
}

/* The position behind the last segment, which was attached: no room there. */
static void enter_behind(struct rpcbuf_xdr *x, uint32_t position)
{
	x->current = x->nr_segments - 1;
	x->before = position;
	x->start = x->at = x->end = last(x)->base;
}

void xdr_write_settle(struct rpcbuf_xdr *x)
{
	struct rpcbuf_xdr_segment *s;
	uint32_t length = (uint32_t)(x->at - x->start);

	if (!x->nr_segments)
		return;
	s = &x->segments[x->current];
	if (s->room)
		s->length = rpcbuf_max(s->length, length);
}

static bool add_segment(struct rpcbuf_xdr *x, void *base, uint32_t length,
			uint32_t room)
{
	if (x->nr_segments == x->max_segments) {
		unsigned int max = x->max_segments * 2;
		bool few = x->segments == x->few;
		struct rpcbuf_xdr_segment *more =
			realloc(few ? NULL : x->segments, max * sizeof(*more));

		if (!more)
			return false;
		if (few)
			memcpy(more, x->few, x->nr_segments * sizeof(*more));
		x->segments = more;
		x->max_segments = max;
	}
	x->nr_segments++;
	*last(x) = (struct rpcbuf_xdr_segment){base, length, room};
	return true;
}

/* The current segment is the last one, and full: another page. */
static bool more_room(struct rpcbuf_xdr *x)
{
	struct rpcbuf_xdr_segment *s;
	uint32_t offset = x->offset, at = position(x), room;
	uint8_t *page = x->more(x);

	if (!page)
		return false;
	if (x->at != x->end)
		return true; /* it flushed, and there is room again */
	room = rpcbuf_min((uint32_t)RPCBUF_PAGE_SIZE - offset, x->left);
	x->left -= room;
	x->offset = 0;
	s = x->nr_segments ? last(x) : NULL;
	if (s && s->room && s->base + s->room == page) {
		s->room += room;
		x->end += room;
		return true;
	}
	if (!add_segment(x, page + offset, 0, room))
		return false;
	enter(x, x->nr_segments - 1, at);
	return true;
}

/* Room for a byte at least, in pages. */
static bool make_room(struct rpcbuf_xdr *x)
{
	while (x->at == x->end) {
		unsigned int next = x->current + 1;

		xdr_write_settle(x);
		if (next >= x->nr_segments) {
			if (!more_room(x))
				return false;
		} else if (x->segments[next].room) {
			enter(x, next, position(x));
		} else {
			return false; /* not over what is attached */
		}
	}
	return true;
}

static bool put(struct rpcbuf_xdr *x, const void *from, size_t len)
{
	const uint8_t *bytes = from;

	while (len) {
		size_t n;

		if (!make_room(x))
			return false;
		n = rpcbuf_min(len, xdr_at_hand(x));
		memcpy(x->at, bytes, n);
		x->at += n;
		bytes += n;
		len -= n;
	}
	return true;
}

static bool_t write_putlong(XDR *xdrs, const long *value)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);
	uint32_t word = htonl((uint32_t)*value);

	if (rpcbuf_unlikely(xdr_at_hand(x) < sizeof(word)))
		return put(x, &word, sizeof(word));
	memcpy(x->at, &word, sizeof(word));
	x->at += sizeof(word);
	return TRUE;
}

static bool_t write_putbytes(XDR *xdrs, const char *from, u_int len)
{
	return put(xdr_state(xdrs), from, len);
}

static u_int write_getpostn(XDR *xdrs)
{
	return position(xdr_state(xdrs));
}

uint32_t xdr_write_length(const struct rpcbuf_xdr *x)
{
	uint32_t length = x->flushed;

	for (unsigned int i = 0; i < x->nr_segments; i++)
		length += x->segments[i].length;
	return length;
}

/* To any position that was encoded, but for those amid what is attached. */
static bool_t write_setpostn(XDR *xdrs, u_int to)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);
	uint32_t before = x->flushed;

	xdr_write_settle(x);
	if (to < before || to > xdr_write_length(x))
		return FALSE;
	for (unsigned int i = 0; i < x->nr_segments; i++) {
		const struct rpcbuf_xdr_segment *s = &x->segments[i];

		if (to - before <= s->length && s->room) {
			enter(x, i, before);
			x->at += to - before;
			return TRUE;
		}
		before += s->length;
		if (to < before)
			return FALSE;
	}
	if (x->nr_segments)
		enter_behind(x, to);
	return TRUE;
}

/*
 * What is attached ends the segment of pages that the position is in; another
 * one begins in the room that it leaves.
 */
bool xdr_write_attach(struct rpcbuf_xdr *x, void *data, uint32_t len)
{
	uint32_t at = position(x), rest = 0;
	uint8_t *base = NULL;

	xdr_write_settle(x);
	if (at != xdr_write_length(x))
		return false;
	if (x->nr_segments && last(x)->room) {
		struct rpcbuf_xdr_segment *s = last(x);

		rest = s->room - s->length;
		base = s->base + s->length;
		s->room = s->length;
		if (!s->length)
			x->nr_segments--;
	}
	if (!add_segment(x, data, len, 0))
		return false;
	enter_behind(x, at + len);
	x->attached += len;
	if (rest) {
		if (!add_segment(x, base, 0, rest))
			return false;
		enter(x, x->nr_segments - 1, at + len);
	}
	return true;
}

void xdr_write_flushed(struct rpcbuf_xdr *x, void *base, uint32_t room)
{
	uint32_t at = position(x);

	x->nr_segments = 0;
	x->flushed = at;
	add_segment(x, base, 0, room);
	enter(x, 0, at);
}

unsigned int rpcbuf_xdr_iov(const struct rpcbuf_xdr *x, struct iovec *iov,
			    unsigned int max)
{
	uint32_t in_current = (uint32_t)(x->at - x->start);
	unsigned int nr = 0;

	for (unsigned int i = 0; i < x->nr_segments; i++) {
		const struct rpcbuf_xdr_segment *s = &x->segments[i];
		uint32_t length = s->length;

		if (i == x->current && s->room)
			length = rpcbuf_max(length, in_current);
		if (!length)
			continue;
		if (nr < max)
			iov[nr] = (struct iovec){s->base, length};
		nr++;
	}
	return nr;
}

static int32_t *write_inline(XDR *xdrs, u_int len)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);

	if (len && !make_room(x))
		return NULL;
	return xdr_take_inline(x, len);
}

static void write_destroy(XDR *xdrs)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);

	if (x->segments != x->few)
		free(x->segments);
	x->segments = x->few;
	x->nr_segments = 0;
}

static bool_t write_getlong(XDR *xdrs, long *value)
{
	(void)xdrs;
	(void)value;
	return FALSE;
}

static bool_t write_getbytes(XDR *xdrs, char *to, u_int len)
{
	(void)xdrs;
	(void)to;
	(void)len;
	return FALSE;
}

static const struct xdr_ops write_ops = {
	.x_getlong = write_getlong,
	.x_putlong = write_putlong,
	.x_getbytes = write_getbytes,
	.x_putbytes = write_putbytes,
	.x_getpostn = write_getpostn,
	.x_setpostn = write_setpostn,
	.x_inline = write_inline,
	.x_destroy = write_destroy,
};

bool xdr_is_write(const XDR *xdrs)
{
	return xdrs->x_ops == &write_ops;
}

void xdr_write_init(XDR *xdrs, struct rpcbuf_xdr *x,
		    void *(*more)(struct rpcbuf_xdr *x))
{
	x->more = more;
	x->pages = NULL;
	x->nr_pages = x->next_page = 0;
	x->offset = 0;
	x->left = UINT32_MAX;
	x->start = x->at = x->end = NULL;
	x->before = x->flushed = 0;
	x->attached = 0;
	x->current = x->nr_segments = 0;
	x->max_segments = sizeof(x->few) / sizeof(*x->few);
	x->segments = x->few;
	*xdrs = (XDR){
		.x_op = XDR_ENCODE,
		.x_ops = &write_ops,
		.x_private = x,
	};
}
