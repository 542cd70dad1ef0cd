/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Decoding from pages.
 *
 * The cursor is at `start`; from there to `end` is the span, contiguous bytes;
 * `at` is how far the stream has read in it.  What the span holds
 * is decoded from it; the rest goes through the cursor, which knows page edges
 * and record marks.  One thread at a time uses a stream.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/xdr_pages.h"

/* What the statistics of the engine call a payload. */
#define PAYLOAD_MIN ((size_t)8 << 10)

static const struct xdr_ops read_ops;

/* The contiguous bytes at the cursor. */
static void open_span(struct rpcbuf_xdr *x)
{
	static uint8_t nothing;
	size_t len;

	/* Read only; the type is that of the other direction. */
	x->start = (uint8_t *)rpcbuf_cursor_window(&x->cursor, &len);
	if (!x->start)
		x->start = &nothing;
	x->at = x->start;
	x->end = x->start + len;
}

/* Moves the cursor to where the stream is. */
static void close_span(struct rpcbuf_xdr *x)
{
	rpcbuf_cursor_skip(&x->cursor, (size_t)(x->at - x->start));
	x->start = x->at;
}

static void next_span(struct rpcbuf_xdr *x)
{
	if (x->at == x->end) {
		close_span(x);
		open_span(x);
	}
}

/* Copies across the edges of spans. */
static bool read_across(struct rpcbuf_xdr *x, void *to, size_t len)
{
	bool ok;

	close_span(x);
	ok = rpcbuf_cursor_read(&x->cursor, to, len) == 0;
	open_span(x);
	return ok;
}

static bool_t read_getlong(XDR *xdrs, long *value)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);
	uint32_t word;

	if (rpcbuf_likely(xdr_at_hand(x) >= sizeof(word))) {
		memcpy(&word, x->at, sizeof(word));
		x->at += sizeof(word);
	} else if (!read_across(x, &word, sizeof(word))) {
		return FALSE;
	}
	*value = (int32_t)ntohl(word);
	return TRUE;
}

static bool_t read_getbytes(XDR *xdrs, char *to, u_int len)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);

	if (xdr_at_hand(x) >= len) {
		if (len)
			memcpy(to, x->at, len);
		x->at += len;
	} else if (!read_across(x, to, len)) {
		return FALSE;
	}
	x->copied += len;
	x->refs_copied += len >= PAYLOAD_MIN;
	return TRUE;
}

static u_int read_getpostn(XDR *xdrs)
{
	const struct rpcbuf_xdr *x = xdr_state(xdrs);

	return x->cursor.position + (u_int)(x->at - x->start);
}

/* For the cursor a vector without record marks is one fragment. */
static void rewind_cursor(struct rpcbuf_xdr *x)
{
	if (x->cursor.message != &x->own) {
		rpcbuf_cursor_init(&x->cursor, x->cursor.message);
		return;
	}
	x->cursor = (struct rpcbuf_cursor){
		.message = &x->own,
		.fragment_left = x->own.length,
	};
}

static bool_t read_setpostn(XDR *xdrs, u_int position)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);

	if (position > x->cursor.message->length)
		return FALSE;
	close_span(x);
	if (position < x->cursor.position)
		rewind_cursor(x);
	rpcbuf_cursor_skip(&x->cursor, position - x->cursor.position);
	open_span(x);
	return TRUE;
}

static int32_t *read_inline(XDR *xdrs, u_int len)
{
	struct rpcbuf_xdr *x = xdr_state(xdrs);

	next_span(x);
	return xdr_take_inline(x, len);
}

/* The pieces of the next @len bytes: how many, and the pieces themselves where
 * @iov is not NULL. */
static unsigned int pieces(const struct rpcbuf_xdr *x, uint32_t len,
			   struct iovec *iov)
{
	struct rpcbuf_cursor cursor = x->cursor;
	unsigned int nr = 0;

	while (len) {
		size_t n;
		const uint8_t *at = rpcbuf_cursor_window(&cursor, &n);

		n = rpcbuf_min(n, (size_t)len);
		if (iov)
			iov[nr] = (struct iovec){(void *)at, n};
		nr++;
		rpcbuf_cursor_skip(&cursor, n);
		len -= (uint32_t)n;
	}
	return nr;
}

bool xdr_read_refer(struct rpcbuf_xdr *x, uint32_t len, void **data,
		    struct iovec **iov, unsigned int *nr_iov)
{
	*data = NULL;
	*iov = NULL;
	*nr_iov = 0;
	close_span(x);
	if (len > rpcbuf_cursor_left(&x->cursor))
		return false;
	open_span(x);
	if (len <= xdr_at_hand(x)) {
		*data = x->at;
		x->at += len;
		x->refs_in_place += len >= PAYLOAD_MIN;
		return true;
	}
	*nr_iov = pieces(x, len, NULL);
	*iov = malloc(*nr_iov * sizeof(**iov));
	if (!*iov)
		return false;
	pieces(x, len, *iov);
	rpcbuf_cursor_skip(&x->cursor, len);
	open_span(x);
	x->refs_in_place += len >= PAYLOAD_MIN;
	return true;
}

/* A received message is not written to. */

static bool_t read_putlong(XDR *xdrs, const long *value)
{
	(void)xdrs;
	(void)value;
	return FALSE;
}

static bool_t read_putbytes(XDR *xdrs, const char *from, u_int len)
{
	(void)xdrs;
	(void)from;
	(void)len;
	return FALSE;
}

static void read_destroy(XDR *xdrs)
{
	(void)xdrs;
}

static const struct xdr_ops read_ops = {
	.x_getlong = read_getlong,
	.x_putlong = read_putlong,
	.x_getbytes = read_getbytes,
	.x_putbytes = read_putbytes,
	.x_getpostn = read_getpostn,
	.x_setpostn = read_setpostn,
	.x_inline = read_inline,
	.x_destroy = read_destroy,
};

bool xdr_is_read(const XDR *xdrs)
{
	return xdrs->x_ops == &read_ops;
}

static void read_begin(XDR *xdrs, struct rpcbuf_xdr *x)
{
	x->copied = 0;
	x->refs_in_place = 0;
	x->refs_copied = 0;
	open_span(x);
	*xdrs = (XDR){
		.x_op = XDR_DECODE,
		.x_ops = &read_ops,
		.x_private = x,
	};
}

void xdr_rpcbuf_message_create(XDR *xdrs, struct rpcbuf_xdr *x,
			       const struct rpcbuf_message *message)
{
	rpcbuf_cursor_init(&x->cursor, message);
	read_begin(xdrs, x);
}

static void read_create(XDR *xdrs, struct rpcbuf_xdr *x, void *const *pages,
			uint32_t offset, uint32_t size)
{
	x->own = (struct rpcbuf_message){
		.pages = (void **)pages,
		.nr_pages = rpcbuf_pages_spanned(offset, size),
		.offset = offset,
		.wire_length = size,
		.length = size,
	};
	x->cursor.message = &x->own;
	rewind_cursor(x);
	read_begin(xdrs, x);
}

void xdr_rpcbuf_create(XDR *xdrs, struct rpcbuf_xdr *x, void *const *pages,
		       uint32_t offset, uint32_t size, enum xdr_op op)
{
	if (op != XDR_ENCODE) {
		read_create(xdrs, x, pages, offset, size);
		xdrs->x_op = op;
		return;
	}
	xdr_write_create(xdrs, x, pages, offset, size);
}
