/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * One request: made as Ganesha makes it, because Ganesha frees it when it
 * finishes it later (XPRT_SUSPEND); taken apart here otherwise, as ntirpc does
 * behind its own receive function.
 *
 * A request that was not suspended is kept by its thread and used again.
 * Blocks come from the server's heap through ntirpc's parameters: the module
 * may have another malloc (see RTLD_DEEPBIND) and the server frees them.
 */
#include <arpa/inet.h>
#include <string.h>

#include "request.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/pause.h"
#include "share.h"
#include "sizes.h"
#include "xdr_pages.h"

#define CHECKSUM_BYTES 256u

static __thread nfs_request_t *spare;

static nfs_request_t *request_get(void)
{
	nfs_request_t *request = spare;

	if (!request)
		return mem_zalloc(sizeof(*request));
	spare = NULL;
	memset(request, 0, sizeof(*request));
	return request;
}

static void request_put(nfs_request_t *request)
{
	if (spare)
		mem_free(request, sizeof(*request));
	else
		spare = request;
}

void request_thread_exit(void)
{
	if (spare)
		mem_free(spare, sizeof(*spare));
	spare = NULL;
}

void request_run(struct rpcbuf_call *call)
{
	nfs_request_t *request = request_get();
	struct svc_req *req = &request->svc;
	struct xdr_pages *pages = xdr_pages_create(call, req);
	SVCXPRT *xprt = call->conn_data;
	enum xprt_stat stat;

	SVC_REF(xprt, SVC_REF_FLAG_NONE);
	req->rq_xprt = xprt;
	req->rq_xdrs = &pages->xdr;
	req->rq_refcnt = 1;
	TAILQ_INIT_ENTRY(request, dupes);

	os_pause_at("running");
	xdr_pages_running = pages;
	stat = SVC_DECODE(req);
	xdr_pages_running = NULL;
	if (stat == XPRT_SUSPEND)
		return; /* it may be gone already */

	os_pause_at("run");
	/* What the server did not keep then is answered, or not at all. */
	pages->refused = false;
	sizes_authenticated(req);
	if (req->rq_auth)
		SVCAUTH_RELEASE(req);
	XDR_DESTROY(req->rq_xdrs);
	request_put(request);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

bool request_is_cached(const struct svc_req *req)
{
	const nfs_request_t *request =
		container_of(req, const nfs_request_t, svc);
	const COMPOUND4args *args = &request->arg_nfs.arg_compound4;
	const nfs_argop4 *first = args->argarray.argarray_val;

	if (req->rq_msg.cb_vers != NFS_V4)
		return false;
	if (!args->minorversion)
		return request->lookahead.flags & NFS_LOOKAHEAD_CREATE;
	return !args->argarray.argarray_len ||
	       first->argop != NFS4_OP_SEQUENCE ||
	       first->nfs_argop4_u.opsequence.sa_cachethis;
}

/* Eight bytes at a time; the cache compares the result with the xid and the
 * address of the client beside it. */
static uint64_t hash(const uint8_t *bytes, size_t len)
{
	uint64_t h = len * UINT64_C(0x9e3779b97f4a7c15);
	uint64_t word;

	for (; len; bytes += sizeof(word)) {
		size_t n = rpcbuf_min(len, sizeof(word));

		word = 0;
		memcpy(&word, bytes, n);
		h = (h ^ word) * UINT64_C(0xff51afd7ed558ccd);
		h ^= h >> 32;
		len -= n;
	}
	return h;
}

static rpc_gss_svc_t gss_service(const struct svc_req *req)
{
	const struct opaque_auth *cred = &req->rq_msg.cb_cred;
	uint32_t head[4]; /* version, procedure, sequence number, service */

	if (cred->oa_flavor != RPCSEC_GSS || cred->oa_length < sizeof(head))
		return RPCSEC_GSS_SVC_NONE;
	memcpy(head, cred->oa_body, sizeof(head));
	return ntohl(head[3]);
}

/* What follows the plain text in a token of Kerberos' that was decrypted in its
 * place, at most: a copy of its header and a checksum (RFC 4121, RFC 8009). */
#define TOKEN_TRAILER (16u + 24u)

/* Bytes of arguments at the position of the stream, where sealed ones end. */
static size_t sealed_left(struct xdr_pages *pages, const struct svc_req *req,
			  bool decrypted)
{
	/* xid to procedure; flavor, length and body of two fields */
	size_t at = 6 * 4 + 2 * 4 + RNDUP(req->rq_msg.cb_cred.oa_length) +
		    2 * 4 + RNDUP(req->rq_msg.cb_verf.oa_length);
	struct rpcbuf_cursor cursor = pages->cursor;
	size_t position = XDR_GETPOS(&pages->xdr), end;
	uint32_t length;

	if (rpcbuf_cursor_seek(&cursor, (uint32_t)at) ||
	    rpcbuf_cursor_read(&cursor, &length, sizeof(length)))
		return 0;
	end = at + sizeof(length) + ntohl(length);
	position += decrypted ? TOKEN_TRAILER : 0;
	return end > position ? end - position : 0;
}

/*
 * In a seal of RPCSEC_GSS the call's sequence number stands before the
 * arguments and a checksum behind them (RFC 2203, 5.3.2.2 and 5.3.2.3).  A call
 * that is sent again has new ones and must be recognised all the same.
 */
void request_checksum(struct svc_req *req, void *data, size_t len)
{
	struct xdr_pages *pages = xdr_pages_of(req->rq_xdrs);
	rpc_gss_svc_t service = gss_service(req);
	bool sealed = service != RPCSEC_GSS_SVC_NONE;
	size_t skip = sealed ? sizeof(uint32_t) : 0;
	uint8_t bytes[CHECKSUM_BYTES];

	sizes_decode(req);
	/* Else they were decrypted to a place of their own. */
	if (pages && data == pages->xdr.x_data) {
		len = xdr_pages_peek(pages, bytes, sizeof(bytes));
		data = bytes;
		if (sealed)
			len = rpcbuf_min(
				len,
				sealed_left(pages, req,
					    service == RPCSEC_GSS_SVC_PRIVACY));
	}
	len = rpcbuf_min(len, CHECKSUM_BYTES);
	skip = rpcbuf_min(skip, len);
	if (pages)
		share_find(pages, (const uint8_t *)data + skip, len - skip);
	req->rq_cksum = hash((const uint8_t *)data + skip, len - skip);
}
