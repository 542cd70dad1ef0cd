/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Encoding into pages: the XDR operations over a writer (rpcbuf/writer.h).  One
 * thread at a time uses a stream.
 */
#include <arpa/inet.h>
#include <string.h>

#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/xdr_pages.h"

static struct rpcbuf_writer *writer(XDR *xdrs)
{
	return &xdr_state(xdrs)->writer;
}

static size_t at_hand(const struct rpcbuf_writer *w)
{
	return (size_t)(w->end - w->at);
}

static bool_t write_putlong(XDR *xdrs, const long *value)
{
	struct rpcbuf_writer *w = writer(xdrs);
	uint32_t word = htonl((uint32_t)*value);

	if (rpcbuf_unlikely(at_hand(w) < sizeof(word)))
		return !rpcbuf_writer_put(w, &word, sizeof(word));
	memcpy(w->at, &word, sizeof(word));
	w->at += sizeof(word);
	return TRUE;
}

static bool_t write_putbytes(XDR *xdrs, const char *from, u_int len)
{
	return !rpcbuf_writer_put(writer(xdrs), from, len);
}

static u_int write_getpostn(XDR *xdrs)
{
	return rpcbuf_writer_position(writer(xdrs));
}

static bool_t write_setpostn(XDR *xdrs, u_int to)
{
	return !rpcbuf_writer_seek(writer(xdrs), to);
}

bool xdr_write_attach(struct rpcbuf_xdr *x, void *data, uint32_t len)
{
	if (rpcbuf_writer_refer(&x->writer, data, len))
		return false;
	x->attached += len;
	return true;
}

/* Where it does not lie in one piece, and aligned, there is none: the caller has
 * another way. */
static int32_t *write_inline(XDR *xdrs, u_int len)
{
	struct rpcbuf_writer *w = writer(xdrs);
	uint8_t *at;

	if (len && w->at == w->end && w->current + 1 == w->extents.nr &&
	    rpcbuf_writer_next_page(w))
		return NULL;
	at = w->at;
	if (at_hand(w) < len || ((uintptr_t)at & 3))
		return NULL;
	w->at += len;
	return (int32_t *)(void *)at;
}

static void write_destroy(XDR *xdrs)
{
	rpcbuf_writer_exit(writer(xdrs));
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
		    uint8_t *(*more)(struct rpcbuf_writer *w, uint32_t *room))
{
	rpcbuf_writer_begin_in(&x->writer, more);
	x->attached = 0;
	*xdrs = (XDR){
		.x_op = XDR_ENCODE,
		.x_ops = &write_ops,
		.x_private = x,
	};
}

/* One more page of a vector that is encoded into. */
static uint8_t *next_page(struct rpcbuf_writer *w, uint32_t *room)
{
	struct rpcbuf_xdr *x =
		rpcbuf_container_of(w, struct rpcbuf_xdr, writer);
	uint8_t *at;

	if (x->next_page == x->nr_pages || !x->left)
		return NULL;
	at = (uint8_t *)x->pages[x->next_page++] + x->offset;
	*room = rpcbuf_min((uint32_t)RPCBUF_PAGE_SIZE - x->offset, x->left);
	x->left -= *room;
	x->offset = 0;
	return at;
}

void xdr_write_create(XDR *xdrs, struct rpcbuf_xdr *x, void *const *pages,
		      uint32_t offset, uint32_t size)
{
	xdr_write_init(xdrs, x, next_page);
	x->pages = pages;
	x->next_page = 0;
	x->nr_pages = rpcbuf_pages_spanned(offset, size);
	x->offset = offset;
	x->left = size;
}

/* Adjacent pages are one piece. */
unsigned int rpcbuf_xdr_iov(const struct rpcbuf_xdr *x, struct iovec *iov,
			    unsigned int max)
{
	const struct rpcbuf_writer *w = &x->writer;
	const uint8_t *end = NULL;
	unsigned int nr = 0;

	for (unsigned int i = 0; i < w->extents.nr; i++) {
		const struct rpcbuf_extent *e = &w->extents.all[i];
		uint32_t length = e->length;

		if (i == w->current && e->room)
			length =
				rpcbuf_max(length, (uint32_t)(w->at - e->base));
		if (!length)
			continue;
		if (e->base != end) {
			if (nr < max)
				iov[nr] = (struct iovec){e->base, 0};
			nr++;
		}
		if (nr <= max)
			iov[nr - 1].iov_len += length;
		end = e->base + length;
	}
	return nr;
}
