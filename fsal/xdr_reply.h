/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xdr_reply.h - ntirpc's XDR stream into the pages of a reply.
 *
 * Encoding only.  Between two calls of its operations, x_data to vio_wrap is the
 * window of a page that ntirpc writes inline; the operations take over at its
 * end.  Data that is put in by reference stays where it is, and so does what a
 * page has left in front of it.  RPCSEC_GSS goes back over what was encoded,
 * seals it where it lies, and puts bytes before and behind it.
 *
 * Pages come without waiting, at last from a reserve: who encodes holds those of
 * a call.  One thread at a time.
 */
#ifndef FSAL_RPCBUF_XDR_REPLY_H
#define FSAL_RPCBUF_XDR_REPLY_H

#include <rpcbuf/mempool.h>
#include <rpcbuf/reply.h>

#include "abi.h"

/* A stretch of bytes: in a page, with room for more behind it, or referred to. */
struct xdr_reply_segment {
	uint8_t *base;
	uint32_t length;
	uint32_t room; /* 0: it is referred to, or full */
};

#define XDR_REPLY_FEW	24u
#define XDR_REPLY_PAGES 16u

struct xdr_reply {
	XDR xdr; /* first: the stream is found by it */
	struct rpcbuf_mempool *pages;
	struct rpcbuf_reply *reply; /* owns what was used */
	struct xdr_reply_segment *segments;
	unsigned int nr, max, current;
	uint32_t before; /* bytes in front of the current one */
	bool short_of_pages;
	unsigned int nr_ready, next_ready, grow;
	void *ready[XDR_REPLY_PAGES]; /* pages that are not used yet */
	struct xdr_reply_segment few[XDR_REPLY_FEW];
};

/* A stream without a byte, behind room for a record mark.  0, or -ENOMEM and
 * nothing is to be ended. */
int xdr_reply_begin(struct xdr_reply *x, struct rpcbuf *mm,
		    struct rpcbuf_mempool *pages);

/*
 * xdr_reply_end - the stream is over.
 *
 * @keep: *reply gets what was encoded, as a record; 0, or -ENOMEM.  Otherwise it
 * is dropped, with the references.
 */
int xdr_reply_end(struct xdr_reply *x, bool keep, struct rpcbuf_reply **reply);

#endif /* FSAL_RPCBUF_XDR_REPLY_H */
