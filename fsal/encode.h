/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * encode.h - replies, in pages of the one budget.
 */
#ifndef FSAL_RPCBUF_ENCODE_H
#define FSAL_RPCBUF_ENCODE_H

#include <rpcbuf/reply.h>

#include "abi.h"

struct xdr_ioq;

/* Once, before the first reply: pages come from @mm, some of which are kept in
 * reserve for replies.  0 or -errno. */
int encode_start(struct rpcbuf *mm);

/* That reserve, until encode_stop(). */
struct rpcbuf_mempool *encode_reserve(void);

/* No reply is encoded any more; gives the reserve back. */
void encode_stop(void);

/*
 * encode_reply - the reply to @req as a record.
 *
 * All states of RFC 5531, section 9, and the results as the flavour of @req has
 * them.  It begins in @respages, those of the call.  Returns 0; -ENOMEM when there is no page or no memory for it; -EINVAL
 * when its results cannot be encoded.  *reply is untouched then, and what data
 * it would have referred to is released.  Any thread; does not wait.
 */
int encode_reply(struct svc_req *req, struct rpcbuf_respages *respages,
		 struct rpcbuf_reply **reply);

/*
 * encode_foreign - a call that ntirpc has encoded, as a record.
 *
 * It is only sent.  @release(@xioq) is called when the reply is freed.  0, or
 * -ENOMEM and nothing will be called.
 */
int encode_foreign(struct xdr_ioq *xioq, void (*release)(void *xioq),
		   struct rpcbuf_reply **reply);

#endif /* FSAL_RPCBUF_ENCODE_H */
