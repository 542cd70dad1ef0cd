/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * share.h - which export a call goes to, and the answer "later".
 *
 * The engine limits the threads of each export (rpcbuf/engine.h).  The export of a
 * call is the Export_Id of its first file handle, which is known before the server
 * sees the call; a call that begins at the root counts for Export_Id 0.
 *
 * A call under RPCSEC_GSS must not wait before the server has seen its sequence
 * number: once others have come that are more than a window ahead, it would be
 * discarded without an answer (RFC 2203, 5.3.3.1).  So its export is found when it
 * is decoded, which is before the server's cache or the file system is asked.  When
 * the export has no thread left then, the call is answered "later".
 *
 * "Later" is NFS3ERR_JUKEBOX (RFC 1813, 2.6), or NFS4ERR_DELAY (RFC 8881,
 * 15.1.1.3) of the compound's first operation, which may be SEQUENCE: then it
 * used no slot.
 *
 * "Later" ends a call for the client, which sends a new one.  So a retransmission
 * must not be answered "later": its original may be done, or running (the kernel's
 * server drops a duplicate of a running call: RC_DROPIT of nfsd_cache_lookup()).
 * Only the server's cache of duplicate requests knows, and it is asked after the
 * call is decoded.  So the server gets the call with an invalid first handle, or an
 * invalid session.
 *  - A duplicate of a call that is done gets the cached reply.
 *  - A duplicate of a running call is dropped by the server without a reply.  Then
 *    nothing more is read from its connection, which is closed when all is answered,
 *    and the client sends it again (RFC 7530, 3.1.1: a server that does not answer
 *    closes the connection).
 *  - A new call is rejected by the server before it asks a file system, and this
 *    error becomes "later", also in the cache.  The server logs it at level INFO.
 */
#ifndef FSAL_RPCBUF_SHARE_H
#define FSAL_RPCBUF_SHARE_H

#include "xdr_pages.h"

/* For rpcbuf_handlers: a loop's thread, does not wait. */
int share_of(const struct rpcbuf_call *call);

/* For calls whose export share_of() could not tell: the first @size bytes of the
 * arguments are in the clear now. */
void share_find(struct xdr_pages *pages, const void *arguments, size_t size);

/* The arguments of @request, of the stream @pages, are decoded: invalidates them when
 * the call is to be answered "later". */
void share_invalidate(struct xdr_pages *pages, nfs_request_t *request);

/* The server replies to such a request: an error for the invalid handle or session
 * becomes "later"; other results are those of its original, and stay. */
void share_answer(const struct xdr_pages *pages, struct svc_req *req);

#endif
