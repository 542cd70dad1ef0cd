/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The XDR operations over pages.
 *
 * The cursor rests at the start of the window, vio_head; how far ntirpc has
 * read in it is x_data.  An operation first moves the cursor there, does its
 * work with the cursor, and opens the window that follows.
 */
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "xdr_none.h"
#include "xdr_pages.h"

__thread struct xdr_pages *xdr_pages_running;

static const struct xdr_ops xdr_pages_ops;

static struct xdr_pages *pages_of(XDR *xdrs)
{
	return (struct xdr_pages *)xdrs;
}

/* ntirpc's window is what is contiguous at the cursor. */
static void show_window(struct xdr_pages *p)
{
	struct xdr_vio *window = &p->xdr.x_v;
	size_t len;

	/* Decrypting in place writes to it; nothing else does. */
	window->vio_base = (uint8_t *)rpcbuf_cursor_window(&p->cursor, &len);
	window->vio_head = window->vio_base;
	window->vio_tail = window->vio_base + len;
	window->vio_wrap = window->vio_tail;
	p->xdr.x_data = window->vio_base;
	p->xdr.x_base = window;
}

static uint32_t read_in_window(const struct xdr_pages *p)
{
	return (uint32_t)(p->xdr.x_data - p->xdr.x_v.vio_head);
}

/* Moves the cursor to where ntirpc is. */
static void sync_cursor(struct xdr_pages *p)
{
	rpcbuf_cursor_skip(&p->cursor, read_in_window(p));
	p->xdr.x_v.vio_head = p->xdr.x_data;
}

static u_int xdr_pages_getpostn(XDR *xdrs)
{
	struct xdr_pages *p = pages_of(xdrs);

	return p->cursor.position + read_in_window(p);
}

struct xdr_pages *xdr_pages_create(struct rpcbuf_call *call,
				   struct svc_req *req)
{
	struct xdr_pages *p = call->private_data;

	*p = (struct xdr_pages){
		.xdr = { .x_ops = &xdr_pages_ops, .x_op = XDR_DECODE },
		.call = call,
		.req = req,
	};
	rpcbuf_cursor_init(&p->cursor, &call->message);
	show_window(p);
	return p;
}

struct xdr_pages *xdr_pages_of(XDR *xdrs)
{
	return xdrs->x_ops == &xdr_pages_ops ? pages_of(xdrs) : NULL;
}

size_t xdr_pages_peek(struct xdr_pages *p, void *to, size_t len)
{
	struct rpcbuf_cursor cursor = p->cursor;
	size_t left;

	rpcbuf_cursor_skip(&cursor, read_in_window(p));
	left = rpcbuf_cursor_left(&cursor);
	if (len > left)
		len = left;
	rpcbuf_cursor_read(&cursor, to, len);
	return len;
}

void *xdr_pages_payload(struct xdr_pages *p, size_t size)
{
	XDR *xdrs = &p->xdr;
	struct rpcbuf_cursor cursor = p->cursor;
	uint32_t length;

	if (p->req->rq_msg.cb_cred.oa_flavor == RPCSEC_GSS)
		return NULL;
	if (xdr_tail_inline(xdrs) == 0) {
		/* The window ended with the length: the next one is due. */
		sync_cursor(p);
		show_window(p);
	}
	if (size > xdr_tail_inline(xdrs) ||
	    rpcbuf_cursor_seek(&cursor, xdr_pages_getpostn(xdrs) -
						sizeof(length)) ||
	    rpcbuf_cursor_read(&cursor, &length, sizeof(length)) ||
	    ntohl(length) != size)
		return NULL;
	return xdrs->x_data;
}

static bool xdr_pages_getbytes(XDR *xdrs, char *to, u_int len)
{
	struct xdr_pages *p = pages_of(xdrs);

	if (len <= xdr_tail_inline(xdrs)) {
		xdrs->x_data += len;
		if ((uint8_t *)to == xdrs->x_data - len)
			return true; /* xdr_pages_payload() */
		memcpy(to, xdrs->x_data - len, len);
	} else {
		sync_cursor(p);
		if (rpcbuf_cursor_read(&p->cursor, to, len))
			return false;
		show_window(p);
	}
	p->call->bytes_copied += len;
	return true;
}

static bool xdr_pages_getunit(XDR *xdrs, uint32_t *unit)
{
	struct xdr_pages *p = pages_of(xdrs);

	sync_cursor(p);
	if (rpcbuf_cursor_read(&p->cursor, unit, sizeof(*unit)))
		return false;
	*unit = ntohl(*unit);
	show_window(p);
	return true;
}

static bool xdr_pages_setpostn(XDR *xdrs, u_int position)
{
	struct xdr_pages *p = pages_of(xdrs);

	sync_cursor(p);
	if (rpcbuf_cursor_seek(&p->cursor, position))
		return false;
	show_window(p);
	return true;
}

static void xdr_pages_destroy(XDR *xdrs)
{
	struct xdr_pages *p = pages_of(xdrs);

	read_exit(&p->read);
	/* A duplicate of a running call, which the server has dropped: share.h.
	 * Replies that were made before are sent, and the connection ends. */
	if (p->refused && !p->answered)
		shutdown(p->req->rq_xprt->xp_fd, SHUT_RD);
	rpcbuf_call_done(p->call);
}

/*
 * The contiguous extents of @len bytes from @start: returns how many, and fills
 * @vector unless that is NULL; -1 when the message ends before.  RPCSEC_GSS checks and decrypts in these.
 */
static int get_extents(struct xdr_pages *p, u_int start, xdr_vio *vector,
		       u_int len)
{
	struct rpcbuf_cursor cursor = p->cursor;
	int nr = 0;

	if (rpcbuf_cursor_seek(&cursor, start))
		return -1;
	while (len) {
		size_t n;
		uint8_t *at = (uint8_t *)rpcbuf_cursor_window(&cursor, &n);

		if (!at)
			return -1;
		if (n > len)
			n = len;
		if (vector)
			vector[nr] = (xdr_vio){
				.vio_base = at,
				.vio_head = at,
				.vio_tail = at + n,
				.vio_wrap = at + n,
				.vio_length = (uint32_t)n,
				.vio_type = VIO_DATA,
			};
		nr++;
		rpcbuf_cursor_skip(&cursor, n);
		len -= (u_int)n;
	}
	return nr;
}

static int xdr_pages_iovcount(XDR *xdrs, u_int start, u_int len)
{
	return get_extents(pages_of(xdrs), start, NULL, len);
}

static bool xdr_pages_fillbufs(XDR *xdrs, u_int start, xdr_vio *vector,
			       u_int len)
{
	return get_extents(pages_of(xdrs), start, vector, len) >= 0;
}

static const struct xdr_ops xdr_pages_ops = {
	.x_getunit = xdr_pages_getunit,
	.x_putunit = xdr_none_putunit,
	.x_getbytes = xdr_pages_getbytes,
	.x_putbytes = xdr_none_putbytes,
	.x_getpostn = xdr_pages_getpostn,
	.x_setpostn = xdr_pages_setpostn,
	.x_destroy = xdr_pages_destroy,
	.x_getbufs = xdr_none_bufs,
	.x_putbufs = xdr_none_bufs,
	.x_newbuf = xdr_none_newbuf,
	.x_iovcount = xdr_pages_iovcount,
	.x_fillbufs = xdr_pages_fillbufs,
	.x_allochdrs = xdr_none_allochdrs,
};
