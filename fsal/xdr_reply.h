/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * xdr_reply.h - ntirpc's XDR stream into the pages of a reply.
 *
 * Encoding only.  Between two calls of its operations, x_data to vio_wrap is the
 * writer's window, which ntirpc writes inline.  READ and READDIR put their data
 * in by reference, those of a READ to the pages that they were read into, if any
 * (read.h).  RPCSEC_GSS goes back over what was encoded, seals it where it
 * lies, and puts bytes before and behind it.
 *
 * Threads: one at a time.
 */
#ifndef FSAL_RPCBUF_XDR_REPLY_H
#define FSAL_RPCBUF_XDR_REPLY_H

#include <rpcbuf/writer.h>

#include "abi.h"
#include "read.h"

struct xdr_reply {
	XDR xdr; /* first: the stream is found by it */
	struct rpcbuf_writer writer;
	struct read_data *read; /* of its call, or NULL */
};

/* As rpcbuf_writer_begin() and _end(), which do the rest.  @read: what the call
 * has read, or NULL. */
int xdr_reply_begin(struct xdr_reply *x, struct rpcbuf *mm,
		    struct rpcbuf_mempool *pages,
		    struct rpcbuf_respages *respages, struct read_data *read);
int xdr_reply_end(struct xdr_reply *x, bool keep, struct rpcbuf_reply **reply);

#endif /* FSAL_RPCBUF_XDR_REPLY_H */
