/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The XDR operations over a writer.  Each first tells the writer how far ntirpc
 * has written in the window, and at its end opens the window that follows.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "xdr_none.h"
#include "xdr_reply.h"

static struct rpcbuf_writer *sync_writer(XDR *xdrs)
{
	struct rpcbuf_writer *w = &((struct xdr_reply *)xdrs)->writer;

	w->at = xdrs->x_data;
	return w;
}

static bool publish_window(XDR *xdrs, bool done)
{
	const struct rpcbuf_writer *w = &((struct xdr_reply *)xdrs)->writer;
	struct xdr_vio *window = &xdrs->x_v;

	window->vio_base = window->vio_head = window->vio_tail = w->at;
	window->vio_wrap = w->end;
	xdrs->x_data = w->at;
	xdrs->x_base = window;
	return done;
}

static bool xdr_reply_newbuf(XDR *xdrs)
{
	return publish_window(xdrs,
			      !rpcbuf_writer_next_page(sync_writer(xdrs)));
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
	return publish_window(xdrs,
			      !rpcbuf_writer_put(sync_writer(xdrs), from, len));
}

static u_int xdr_reply_getpostn(XDR *xdrs)
{
	return rpcbuf_writer_position(sync_writer(xdrs));
}

static bool xdr_reply_setpostn(XDR *xdrs, u_int position)
{
	return publish_window(xdrs,
			      !rpcbuf_writer_seek(sync_writer(xdrs), position));
}

static void release_uio(void *arg)
{
	struct xdr_uio *uio = arg;

	uio->uio_release(uio, UIO_FLAG_NONE);
}

/* Takes a reference on @uio.  On failure the caller releases one, which must be the
 * last. */
static bool xdr_reply_putbufs(XDR *xdrs, xdr_uio *uio, u_int flags)
{
	struct read_data *read = ((struct xdr_reply *)xdrs)->read;
	struct rpcbuf_writer *w = sync_writer(xdrs);
	size_t bytes = 0;
	bool done = true;

	(void)flags;
	uio->uio_references++;
	if (read && read_is(read, uio))
		return publish_window(xdrs, read_refer(read, w, uio));
	for (size_t i = 0; i < uio->uio_count && done; i++) {
		const xdr_vio *v = &uio->uio_vio[i];

		bytes += (size_t)(v->vio_wrap - v->vio_base);
		/* vio_length is not always the padded one. */
		done = !rpcbuf_writer_refer(
			w, v->vio_head, (size_t)(v->vio_tail - v->vio_head));
	}
	return publish_window(xdrs,
			      done && !rpcbuf_reply_own_ref(w->reply, bytes,
							    release_uio, uio));
}

static int xdr_reply_iovcount(XDR *xdrs, u_int start, u_int len)
{
	return rpcbuf_writer_iov(sync_writer(xdrs), start, len, NULL);
}

static void set_piece(xdr_vio *v, void *base, size_t len)
{
	v->vio_base = v->vio_head = base;
	v->vio_tail = v->vio_wrap = v->vio_head + len;
	v->vio_length = (uint32_t)len;
}

static bool xdr_reply_fillbufs(XDR *xdrs, u_int start, xdr_vio *vector,
			       u_int len)
{
	int nr = xdr_reply_iovcount(xdrs, start, len);
	struct iovec *iov = nr > 0 ? calloc((size_t)nr, sizeof(*iov)) : NULL;

	if (!iov)
		return nr == 0;
	rpcbuf_writer_iov(sync_writer(xdrs), start, len, iov);
	for (int i = 0; i < nr; i++) {
		set_piece(&vector[i], iov[i].iov_base, iov[i].iov_len);
		vector[i].vio_type = VIO_DATA;
	}
	free(iov);
	return true;
}

/* Places for what RPCSEC_GSS adds: a header where the data begins, which is in
 * a page of its own (x_newbuf), and trailers at the end, where the position is
 * then. */
static bool xdr_reply_allochdrs(XDR *xdrs, u_int start, xdr_vio *vector,
				int count)
{
	struct rpcbuf_writer *w = sync_writer(xdrs);

	for (int i = 0; i < count; i++) {
		xdr_vio *v = &vector[i];
		uint32_t word;
		void *at;
		int err;

		if (v->vio_type == VIO_DATA)
			continue;
		err = v->vio_type == VIO_HEADER
			      ? rpcbuf_writer_insert(w, start, v->vio_length,
						     &at)
			      : rpcbuf_writer_append(w, v->vio_length, &at);
		if (err || (v->vio_type == VIO_TRAILER_LEN && i + 1 == count))
			return false;
		set_piece(v, at, v->vio_length);
		if (v->vio_type != VIO_TRAILER_LEN)
			continue;
		word = htonl(vector[i + 1].vio_length);
		memcpy(at, &word, sizeof(word));
	}
	return publish_window(xdrs, true);
}

static const struct xdr_ops xdr_reply_ops = {
	.x_getunit = xdr_none_getunit,
	.x_putunit = xdr_reply_putunit,
	.x_getbytes = xdr_none_getbytes,
	.x_putbytes = xdr_reply_putbytes,
	.x_getpostn = xdr_reply_getpostn,
	.x_setpostn = xdr_reply_setpostn,
	.x_getbufs = xdr_none_bufs,
	.x_putbufs = xdr_reply_putbufs,
	.x_newbuf = xdr_reply_newbuf,
	.x_iovcount = xdr_reply_iovcount,
	.x_fillbufs = xdr_reply_fillbufs,
	.x_allochdrs = xdr_reply_allochdrs,
};

int xdr_reply_begin(struct xdr_reply *x, struct rpcbuf *mm,
		    struct rpcbuf_mempool *pages,
		    struct rpcbuf_respages *respages, struct read_data *read)
{
	int err = rpcbuf_writer_begin(&x->writer, mm, pages, respages);

	if (err)
		return err;
	x->read = read;
	x->xdr = (XDR){.x_ops = &xdr_reply_ops, .x_op = XDR_ENCODE};
	publish_window(&x->xdr, true);
	return 0;
}

int xdr_reply_end(struct xdr_reply *x, bool keep, struct rpcbuf_reply **reply)
{
	return rpcbuf_writer_end(sync_writer(&x->xdr), keep, reply);
}
