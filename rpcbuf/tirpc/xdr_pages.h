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
/* Encodes into the pages that @more gives, as many as it gives. */
void xdr_write_init(XDR *xdrs, struct rpcbuf_xdr *x,
		    void *(*more)(struct rpcbuf_xdr *x));
/* Puts @len bytes into the stream where they lie.  false: no memory, or the
 * position is not the end. */
bool xdr_write_attach(struct rpcbuf_xdr *x, void *data, uint32_t len);
/* Writes the lengths down; the stream can go on. */
void xdr_write_settle(struct rpcbuf_xdr *x);
/* Forgets all segments, which were sent; the position stays.  More follows at
 * @room bytes of @base. */
void xdr_write_flushed(struct rpcbuf_xdr *x, void *base, uint32_t room);
/* All bytes encoded since the stream began. */
uint32_t xdr_write_length(const struct rpcbuf_xdr *x);

#endif
