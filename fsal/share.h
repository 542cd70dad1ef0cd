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
 * asked; if there is no thread left for it then, it is answered "later".
 *
 * "Later" is NFS3ERR_JUKEBOX (RFC 1813, 2.6), or NFS4ERR_DELAY (RFC 8881,
 * 15.1.1.3) of the compound's first operation, which may be SEQUENCE: then it
 * used no slot.
 *
 * The client takes "later" as the answer to the call, and sends it as another
 * one.  So it must not be told so of what it has sent before, which may have been
 * done, or may yet be (the kernel's server drops what is in progress, RC_DROPIT of
 * nfsd_cache_lookup()).  The server's cache of duplicate requests knows, and is
 * asked once the call is decoded.  So the server gets the call, but with a first
 * handle that nothing has, or a session.  A duplicate is answered as any is; or it
 * waits for its original, and is forgotten then, as the server takes that for
 * answered: so nothing more is read of its connection, which ends when all is
 * answered, and when the client sends it again it is answered (RFC 7530, 3.1.1: a
 * server that does not answer closes).  A new call is refused by the server, before
 * it asks a file system, and this refusal is made "later" where it is in the cache.
 * The server has it in its log when that has the lines of level INFO.
 */
#ifndef FSAL_RPCBUF_SHARE_H
#define FSAL_RPCBUF_SHARE_H

#include "xdr_pages.h"

/* For rpcbuf_handlers: a loop's thread, does not wait. */
int share_of(const struct rpcbuf_call *call);

/* Those of which that could not tell, when the @size first bytes of their
 * arguments are readable. */
void share_look(struct xdr_pages *pages, const void *arguments, size_t size);

/* The arguments of @request, of the stream @pages, are decoded: if it is to be
 * answered "later", they become such that the server refuses it. */
void share_spoil(struct xdr_pages *pages, nfs_request_t *request);

/* The server answers such a request with results: they become "later" if they
 * say what that refusal says, and stay what they are if not, as then they are those
 * of its original. */
void share_answer(const struct xdr_pages *pages, struct svc_req *req);

#endif
