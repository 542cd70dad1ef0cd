/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>

#include "nfs_fh.h"
#include "nfs_proto_functions.h"
#include "rpcbuf/rqst/handle.h"
#include "rpcbuf/rqst/later.h"
#include "share.h"

/* What every handle begins with; the same in v3 and v4. */
#define HANDLE_HEAD offsetof(file_handle_v4_t, fs_len)
_Static_assert(HANDLE_HEAD == offsetof(file_handle_v3_t, fs_len) &&
		       offsetof(file_handle_v4_t, id) ==
			       offsetof(file_handle_v3_t, exportid),
	       "an export is at the same place");

#define ROOT 0

/* As handle_find() returned @err.  A server of data (pNFS) has a number of
 * another kind in its handles. */
static int number_of(int err, const uint8_t *handle)
{
	file_handle_v4_t head;

	if (err)
		return err == -ENXIO ? ROOT : -1;
	memcpy(&head, handle, HANDLE_HEAD);
	if (head.fhversion != GANESHA_FH_VERSION ||
	    head.fhflags1 & FILE_HANDLE_V4_FLAG_DS)
		return -1;
	return ntohs(head.id.exports);
}

int share_of(const struct rpcbuf_call *call)
{
	uint8_t handle[HANDLE_HEAD];
	int err = handle_find(&call->message, handle, sizeof(handle));

	return number_of(err, handle);
}

void share_look(struct xdr_pages *pages, const void *arguments, size_t size)
{
	const struct rpc_msg *msg = &pages->req->rq_msg;
	struct rpcbuf_call *call = pages->call;
	uint8_t handle[HANDLE_HEAD];
	int number;

	if (call->later || call->share >= 0)
		return;
	number = handle_in_arguments(msg->cb_prog, msg->cb_vers, msg->cb_proc,
				     arguments, size, handle, sizeof(handle));
	number = number_of(number, handle);
	if (number >= 0)
		rpcbuf_call_share(call, (unsigned int)number);
}

/* What of the arguments is in the answer, which outlives them. */
static void keep(struct xdr_pages *pages, nfs_request_t *request)
{
	COMPOUND4args *args = &request->arg_nfs.arg_compound4;

	pages->refused = true;
	if (request->svc.rq_msg.cb_vers != NFS_V4 ||
	    !args->argarray.argarray_len)
		return;
	pages->first_op = args->argarray.argarray_val->argop;
	pages->tag = args->tag;
	args->tag = (utf8str_cs){0};
}

bool share_refuses(struct xdr_pages *pages, nfs_request_t *request)
{
	if (pages->call->later)
		keep(pages, request);
	return pages->call->later;
}

static bool encode_later(XDR *xdrs, void *where)
{
	struct xdr_pages *pages = where;
	const struct rpc_msg *msg = &pages->req->rq_msg;
	utf8str_cs tag = pages->tag;
	uint32_t words[LATER_WORDS];
	unsigned int nr = later_results(msg->cb_prog, msg->cb_vers,
					msg->cb_proc, pages->first_op, words);

	return XDR_PUTBYTES(xdrs, (char *)words, sizeof(*words)) &&
	       (msg->cb_vers != NFS_V4 ||
		xdr_bytes(xdrs, &tag.utf8string_val, &tag.utf8string_len,
			  UINT32_MAX)) &&
	       XDR_PUTBYTES(xdrs, (char *)&words[1],
			    (nr - 1) * (u_int)sizeof(*words));
}

void share_answer(struct xdr_pages *pages, struct svc_req *req)
{
	struct rpc_msg *msg = &req->rq_msg;

	msg->RPCM_ack.ar_stat = SUCCESS;
	msg->RPCM_ack.ar_results.proc = (xdrproc_t)encode_later;
	msg->RPCM_ack.ar_results.where = pages;
}

void share_answered(struct xdr_pages *pages)
{
	mem_free(pages->tag.utf8string_val, pages->tag.utf8string_len);
	pages->tag = (utf8str_cs){0};
}
