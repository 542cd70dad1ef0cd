/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xdr_pages.h - ntirpc's XDR stream over a received call.
 *
 * Decoding only.  Between two calls of its operations, x_data to vio_tail is
 * the window of contiguous bytes that ntirpc reads inline; the operations take
 * over at its end.  The stream lives in the call's private_data and ends with
 * it: x_destroy gives the call back.
 *
 * Threads: one at a time, but not always the same one.
 */
#ifndef FSAL_RPCBUF_XDR_PAGES_H
#define FSAL_RPCBUF_XDR_PAGES_H

#include <rpcbuf/engine.h>

#include "abi.h"
#include "nfsv41.h"
#include "read.h"

struct xdr_pages {
	XDR xdr; /* first: a stream is found by its XDR */
	struct rpcbuf_cursor cursor; /* at the start of the window */
	struct rpcbuf_call *call;
	struct svc_req *req;
	struct read_data read;
	bool answered;	   /* it has its reply */
	bool refused;	   /* it is to be answered "later": share.c, which has */
	uint32_t first_op; /* ... this for that, of a COMPOUND */
};

/* Makes the stream of @call, which @req is decoded from, in its private_data;
 * positioned at byte 0. */
struct xdr_pages *xdr_pages_create(struct rpcbuf_call *call,
				   struct svc_req *req);

/* What this thread decodes and runs, or NULL. */
extern __thread struct xdr_pages *xdr_pages_running;

/* The stream that @xdrs is, or NULL when it is another kind. */
struct xdr_pages *xdr_pages_of(XDR *xdrs);

/*
 * Copies the next @len bytes at most without stepping over them; stops at the
 * end of the message.  Returns how many.
 */
size_t xdr_pages_peek(struct xdr_pages *pages, void *to, size_t len);

/*
 * xdr_pages_payload - where a payload of @size bytes, whose length was decoded
 * just now, lies in the pages of the call.
 *
 * Returns its address, which is valid as long as the call; decoding it to that
 * same address copies nothing.  NULL when it must be copied: it is not
 * contiguous, the message ends before it does, or what RPCSEC_GSS decodes is
 * not this stream.
 */
void *xdr_pages_payload(struct xdr_pages *pages, size_t size);

#endif
