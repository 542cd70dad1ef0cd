/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * sizes.h - one limit for the sizes that are announced and for those that are asked for.
 *
 * Every TCP connection of the server is received by us, whichever export its
 * calls are for.  So no export may announce a WRITE that does not fit into a
 * page vector, no session be granted a request that is longer than a record
 * may be, and no short call ask for a reply that is longer.
 *
 * Arguments are lowered once they are decoded and before the operation sees
 * them, results before they are encoded; no bytes of either are changed.
 */
#ifndef FSAL_RPCBUF_SIZES_H
#define FSAL_RPCBUF_SIZES_H

#include "abi.h"

/*
 * sizes_hook - @payload: bytes of a READ or WRITE at most; @record: of a call
 * or a reply, headers included.
 *
 * The server is up.  What is exchanged stays so.  Returns 0, or -ENOENT when
 * there is no export yet: then those that are not over RPCBUF tell clients of
 * v4 sizes of their own.
 */
int sizes_hook(uint32_t payload, uint32_t record);

/* Before the arguments of @req are decoded. */
void sizes_decode(struct svc_req *req);

/* Before its results are encoded, which are those of a call that succeeded. */
void sizes_encode(struct svc_req *req);

/* After a call of a client that is authenticated as @req is. */
void sizes_authenticated(struct svc_req *req);

#endif
