/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * share.h - which export a call goes to, and the answer "later".
 *
 * The engine lets no export have more than its share of the threads, see
 * rpcbuf/engine.h.  The share of a call is the export that its first file handle
 * is of, by its Export_Id, known before the server looks at the call; handles of
 * the root that the client has not been given are of Export_Id 0.
 *
 * A call under RPCSEC_GSS must not wait before the server has seen its sequence
 * number: once others have come that are more than a window ahead, it would be
 * discarded without an answer (RFC 2203, 5.3.3.1).  So its export is looked at
 * when it is decoded, which is before the server's cache or the file system is
 * asked; if there is no thread left for it then, it is answered "later" at once.
 *
 * What "later" is says rpcbuf/rqst/later.h.  In a compound it is of the first
 * operation, which may be SEQUENCE: then it used no slot.
 */
#ifndef FSAL_RPCBUF_SHARE_H
#define FSAL_RPCBUF_SHARE_H

#include "xdr_pages.h"

/* For rpcbuf_handlers: a loop's thread, does not wait. */
int share_of(const struct rpcbuf_call *call);

/* Those of which that could not tell, when the @size first bytes of their
 * arguments are readable. */
void share_look(struct xdr_pages *pages, const void *arguments, size_t size);

/* The arguments of @request, of the stream @pages, are decoded: true when it is
 * to be answered "later", so that the server must not get them. */
bool share_refuses(struct xdr_pages *pages, nfs_request_t *request);

/* The server replies to such a one that it could not decode it.  What is encoded
 * is this, until share_answered(). */
void share_answer(struct xdr_pages *pages, struct svc_req *req);
void share_answered(struct xdr_pages *pages);

#endif
