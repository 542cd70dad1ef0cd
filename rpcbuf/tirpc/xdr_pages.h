/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xdr_pages.h - what the two directions of an XDR stream over pages share.
 */
#ifndef RPCBUF_TIRPC_XDR_PAGES_H
#define RPCBUF_TIRPC_XDR_PAGES_H

#include <rpcbuf/tirpc.h>

static inline struct rpcbuf_xdr *xdr_state(const XDR *xdrs)
{
	return (struct rpcbuf_xdr *)xdrs->x_private;
}

/* Bytes in one piece at the position. */
static inline size_t xdr_at_hand(const struct rpcbuf_xdr *x)
{
	return (size_t)(x->end - x->at);
}

/* x_inline of both: @len bytes in one piece, aligned, or NULL. */
static inline int32_t *xdr_take_inline(struct rpcbuf_xdr *x, u_int len)
{
	uint8_t *at = x->at;

	if (xdr_at_hand(x) < len || ((uintptr_t)at & 3))
		return NULL;
	x->at += len;
	return (int32_t *)(void *)at;
}

/* xdr_read.c: is @xdrs a stream that decodes from pages? */
bool xdr_is_read(const XDR *xdrs);
/*
 * The next @len bytes, stepped over: their address when they lie in one piece,
 * else NULL and their pieces in *iov, from malloc.  false when the stream has
 * fewer, or there is no memory; the position is undefined then.
 */
bool xdr_read_refer(struct rpcbuf_xdr *x, uint32_t len, void **data,
		    struct iovec **iov, unsigned int *nr_iov);

/* xdr_write.c: is @xdrs a stream that encodes into pages? */
bool xdr_is_write(const XDR *xdrs);
/* Encodes into the pages that @more gives, as many as it gives
 * (rpcbuf_writer_begin_in()). */
void xdr_write_init(XDR *xdrs, struct rpcbuf_xdr *x,
		    uint8_t *(*more)(struct rpcbuf_writer *w, uint32_t *room));
/* Encodes @size bytes into @pages. */
void xdr_write_create(XDR *xdrs, struct rpcbuf_xdr *x, void *const *pages,
		      uint32_t offset, uint32_t size);
/* Puts @len bytes into the stream where they lie.  false: no memory, or the
 * position is not the end. */
bool xdr_write_attach(struct rpcbuf_xdr *x, void *data, uint32_t len);
#endif
