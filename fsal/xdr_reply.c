/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The stream is a row of segments.  The last one always lies in a page, or is
 * empty; the position is in the current one, the last but after x_setpostn.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rpcbuf/record.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "xdr_reply.h"

/* Of the first page: the reply itself, and the record mark behind it. */
#define FRONT (RPCBUF_REPLY_HEAD + RPCBUF_MARK_SIZE)

static const struct xdr_ops xdr_reply_ops;

static struct xdr_reply *reply_of(XDR *xdrs)
{
	return (struct xdr_reply *)xdrs;
}

static struct xdr_reply_segment *last(struct xdr_reply *x)
{
	return &x->segments[x->nr - 1];
}

/* What was written in the window belongs to its segment. */
static void settle(struct xdr_reply *x)
{
	struct xdr_reply_segment *s = &x->segments[x->current];
	uint32_t length = (uint32_t)(x->xdr.x_data - s->base);

	if (s->room)
		s->length = rpcbuf_max(s->length, length);
}

/* Opens the window of segment @nr, in front of which there are @before bytes,
 * @offset bytes behind its start. */
static void enter(struct xdr_reply *x, unsigned int nr, uint32_t before,
		  uint32_t offset)
{
	struct xdr_reply_segment *s = &x->segments[nr];
	struct xdr_vio *window = &x->xdr.x_v;

	x->current = nr;
	x->before = before;
	window->vio_base = window->vio_head = s->base;
	window->vio_tail = s->base + s->length;
	/* Behind an earlier one others follow: it keeps its length. */
	window->vio_wrap = s->base + (nr + 1 == x->nr ? s->room : s->length);
	x->xdr.x_data = s->base + offset;
	x->xdr.x_base = window;
}

static bool grow(struct xdr_reply *x)
{
	bool few = x->segments == x->few;
	struct xdr_reply_segment *more =
		realloc(few ? NULL : x->segments, 2 * x->max * sizeof(*more));

	if (!more)
		return false;
	if (few)
		memcpy(more, x->few, sizeof(x->few));
	x->segments = more;
	x->max *= 2;
	return true;
}

/* A segment behind the first @at. */
static bool insert(struct xdr_reply *x, unsigned int at, uint8_t *base,
		   uint32_t length, uint32_t room)
{
	if (x->nr == x->max && !grow(x))
		return false;
	memmove(&x->segments[at + 1], &x->segments[at],
		(x->nr - at) * sizeof(*x->segments));
	x->segments[at] = (struct xdr_reply_segment){base, length, room};
	x->nr++;
	return true;
}

static uint8_t *take_page(struct xdr_reply *x)
{
	if (x->next_ready == x->nr_ready) {
		memset(x->ready, 0, sizeof(x->ready));
		x->next_ready = 0;
		x->nr_ready = (unsigned int)rpcbuf_max(
			rpcbuf_mempool_alloc_bulk_array(
				x->pages, RPCBUF_GFP_NOWAIT, x->grow, x->ready),
			0);
		x->grow = rpcbuf_min(4 * x->grow, XDR_REPLY_PAGES);
	}
	if (x->next_ready == x->nr_ready) {
		x->short_of_pages = true;
		return NULL;
	}
	return x->ready[x->next_ready++];
}

/* A page of the reply's, in a segment of its own behind the first @at. */
static bool insert_page(struct xdr_reply *x, unsigned int at)
{
	void *page = take_page(x);

	if (!page)
		return false;
	if (rpcbuf_reply_own_pages(x->reply, 1, &page)) {
		rpcbuf_mempool_free_page(x->pages, page);
		return false;
	}
	return insert(x, at, page, 0, RPCBUF_PAGE_SIZE);
}

static uint32_t bytes_before(const struct xdr_reply *x, unsigned int nr)
{
	uint32_t bytes = 0;

	while (nr)
		bytes += x->segments[--nr].length;
	return bytes;
}

static void enter_end(struct xdr_reply *x)
{
	enter(x, x->nr - 1, bytes_before(x, x->nr - 1), last(x)->length);
}

/* The window is used up, or shall be: on with a new page, at the end only. */
static bool xdr_reply_newbuf(XDR *xdrs)
{
	struct xdr_reply *x = reply_of(xdrs);
	uint32_t before;

	settle(x);
	if (x->current + 1 != x->nr)
		return false;
	before = x->before + last(x)->length;
	if (!insert_page(x, x->nr))
		return false;
	enter(x, x->nr - 1, before, 0);
	return true;
}

static bool xdr_reply_putunit(XDR *xdrs, const uint32_t unit)
{
	uint32_t word = htonl(unit);

	if (xdr_size_inline(xdrs) < sizeof(word) && !xdr_reply_newbuf(xdrs))
		return false;
	memcpy(xdrs->x_data, &word, sizeof(word));
	xdrs->x_data += sizeof(word);
	return true;
}

static bool xdr_reply_putbytes(XDR *xdrs, const char *from, u_int len)
{
	while (len) {
		u_int n = (u_int)rpcbuf_min(xdr_size_inline(xdrs), (size_t)len);

		if (!n && !xdr_reply_newbuf(xdrs))
			return false;
		memcpy(xdrs->x_data, from, n);
		xdrs->x_data += n;
		from += n;
		len -= n;
	}
	return true;
}

static u_int xdr_reply_getpostn(XDR *xdrs)
{
	struct xdr_reply *x = reply_of(xdrs);

	return x->before +
	       (u_int)(xdrs->x_data - x->segments[x->current].base);
}

static bool xdr_reply_setpostn(XDR *xdrs, u_int position)
{
	struct xdr_reply *x = reply_of(xdrs);
	uint32_t before = 0;

	settle(x);
	for (unsigned int i = 0; i < x->nr; i++) {
		uint32_t length = x->segments[i].length;

		if (position - before < length ||
		    (i + 1 == x->nr && position - before == length)) {
			enter(x, i, before, position - before);
			return true;
		}
		before += length;
	}
	return false;
}

static void release_uio(void *arg)
{
	struct xdr_uio *uio = arg;

	uio->uio_release(uio, UIO_FLAG_NONE);
}

/* What is referred to ends the page's segment; another one begins in the room
 * that is left there. */
static bool refer(struct xdr_reply *x, const xdr_uio *uio)
{
	struct xdr_reply_segment *s = last(x);
	uint8_t *rest = s->base + s->length;
	uint32_t room = s->room - rpcbuf_min(s->length, s->room);

	s->room = s->length;
	for (size_t i = 0; i < uio->uio_count; i++) {
		const xdr_vio *v = &uio->uio_vio[i];

		/* vio_length is not always the padded one. */
		if (!insert(x, x->nr, v->vio_head,
			    (uint32_t)(v->vio_tail - v->vio_head), 0))
			return false;
	}
	if (!insert(x, x->nr, rest, 0, room))
		return false;
	enter_end(x);
	return true;
}

/* Where this fails, the caller releases what it had: once, which must be the
 * last time then. */
static bool xdr_reply_putbufs(XDR *xdrs, xdr_uio *uio, u_int flags)
{
	struct xdr_reply *x = reply_of(xdrs);
	size_t bytes = 0;

	(void)flags;
	settle(x);
	uio->uio_references++;
	for (size_t i = 0; i < uio->uio_count; i++)
		bytes += (size_t)(uio->uio_vio[i].vio_wrap -
				  uio->uio_vio[i].vio_base);
	if (x->current + 1 != x->nr || !refer(x, uio))
		return false;
	return !rpcbuf_reply_own_ref(x->reply, bytes, release_uio, uio);
}

/* The stretches of @len bytes from @start, as xdr_pages.c has them. */
static int stretches(struct xdr_reply *x, u_int start, xdr_vio *vector,
		     u_int len)
{
	int nr = 0;

	settle(x);
	for (unsigned int i = 0; i < x->nr && len; i++) {
		const struct xdr_reply_segment *s = &x->segments[i];
		uint32_t skip = rpcbuf_min(s->length, start);
		uint32_t n = rpcbuf_min(s->length - skip, len);

		if (n && vector)
			vector[nr] = (xdr_vio){
				.vio_base = s->base,
				.vio_head = s->base + skip,
				.vio_tail = s->base + skip + n,
				.vio_wrap = s->base + skip + n,
				.vio_length = n,
				.vio_type = VIO_DATA,
			};
		nr += n > 0;
		start -= skip;
		len -= n;
	}
	return len ? -1 : nr;
}

static int xdr_reply_iovcount(XDR *xdrs, u_int start, u_int len)
{
	return stretches(reply_of(xdrs), start, NULL, len);
}

static bool xdr_reply_fillbufs(XDR *xdrs, u_int start, xdr_vio *vector,
			       u_int len)
{
	return stretches(reply_of(xdrs), start, vector, len) >= 0;
}

/* @v->vio_length bytes in one piece at the end of the first @at segments, which
 * are followed by others or not: in the room of the last of them, or in a page
 * of their own.  Returns how many segments there are then. */
static unsigned int place(struct xdr_reply *x, unsigned int at, xdr_vio *v)
{
	struct xdr_reply_segment *s = &x->segments[at - 1];

	if (s->room < s->length + v->vio_length) {
		if (!insert_page(x, at))
			return 0;
		s = &x->segments[at++];
	}
	v->vio_base = v->vio_head = s->base + s->length;
	v->vio_tail = v->vio_wrap = v->vio_head + v->vio_length;
	s->length += v->vio_length;
	return at;
}

/* How many segments there are before @position, where one begins. */
static unsigned int segments_before(const struct xdr_reply *x, u_int position)
{
	unsigned int nr = 0;
	uint32_t bytes = 0;

	while (nr < x->nr && bytes < position)
		bytes += x->segments[nr++].length;
	return bytes == position ? nr : 0;
}

/* Places for what RPCSEC_GSS adds: a header where the data begins, which is in
 * a page of its own (x_newbuf), and trailers at the end, where the position is
 * then. */
static bool xdr_reply_allochdrs(XDR *xdrs, u_int start, xdr_vio *vector,
				int count)
{
	struct xdr_reply *x = reply_of(xdrs);

	settle(x);
	for (int i = 0; i < count; i++) {
		xdr_vio *v = &vector[i];
		unsigned int at = v->vio_type == VIO_HEADER
					  ? segments_before(x, start)
					  : x->nr;
		uint32_t word;

		if (v->vio_type == VIO_DATA)
			continue;
		if (!at || !place(x, at, v))
			return false;
		if (v->vio_type != VIO_TRAILER_LEN)
			continue;
		if (i + 1 == count)
			return false;
		word = htonl(vector[i + 1].vio_length);
		memcpy(v->vio_head, &word, sizeof(word));
	}
	enter_end(x);
	return true;
}

/* A reply is not read. */

static bool xdr_reply_getunit(XDR *xdrs, uint32_t *unit)
{
	(void)xdrs;
	(void)unit;
	return false;
}

static bool xdr_reply_getbytes(XDR *xdrs, char *to, u_int len)
{
	(void)xdrs;
	(void)to;
	(void)len;
	return false;
}

static bool xdr_reply_getbufs(XDR *xdrs, xdr_uio *uio, u_int flags)
{
	(void)xdrs;
	(void)uio;
	(void)flags;
	return false;
}

static const struct xdr_ops xdr_reply_ops = {
	.x_getunit = xdr_reply_getunit,
	.x_putunit = xdr_reply_putunit,
	.x_getbytes = xdr_reply_getbytes,
	.x_putbytes = xdr_reply_putbytes,
	.x_getpostn = xdr_reply_getpostn,
	.x_setpostn = xdr_reply_setpostn,
	.x_getbufs = xdr_reply_getbufs,
	.x_putbufs = xdr_reply_putbufs,
	.x_newbuf = xdr_reply_newbuf,
	.x_iovcount = xdr_reply_iovcount,
	.x_fillbufs = xdr_reply_fillbufs,
	.x_allochdrs = xdr_reply_allochdrs,
};

int xdr_reply_begin(struct xdr_reply *x, struct rpcbuf *mm,
		    struct rpcbuf_mempool *pages)
{
	uint8_t *page;

	x->xdr = (XDR){.x_ops = &xdr_reply_ops, .x_op = XDR_ENCODE};
	x->pages = pages;
	x->segments = x->few;
	x->max = XDR_REPLY_FEW;
	x->grow = 1;
	x->nr = x->nr_ready = x->next_ready = 0;
	x->short_of_pages = false;
	page = take_page(x);
	if (!page)
		return -ENOMEM;
	x->reply = rpcbuf_reply_create(mm, page);
	insert(x, 0, page + FRONT, 0, (uint32_t)RPCBUF_PAGE_SIZE - FRONT);
	enter(x, 0, 0, 0);
	return 0;
}

static int add_all(struct xdr_reply *x)
{
	uint8_t *mark_at = (uint8_t *)x->reply + RPCBUF_REPLY_HEAD;
	uint32_t mark;
	int err;

	settle(x);
	mark = htonl(bytes_before(x, x->nr) | RPCBUF_MARK_LAST);
	memcpy(mark_at, &mark, sizeof(mark));
	err = rpcbuf_reply_add(x->reply, mark_at, sizeof(mark));
	for (unsigned int i = 0; !err && i < x->nr; i++)
		err = rpcbuf_reply_add(x->reply, x->segments[i].base,
				       x->segments[i].length);
	return err;
}

int xdr_reply_end(struct xdr_reply *x, bool keep, struct rpcbuf_reply **reply)
{
	int err = keep ? add_all(x) : -ECANCELED;

	if (x->next_ready < x->nr_ready)
		rpcbuf_mempool_free_bulk_array(x->pages,
					       x->nr_ready - x->next_ready,
					       x->ready + x->next_ready);
	if (x->segments != x->few)
		free(x->segments);
	if (err)
		rpcbuf_reply_free(x->reply);
	else
		*reply = x->reply;
	return err;
}
