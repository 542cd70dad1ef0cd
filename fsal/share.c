/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>

#include "nfs_fh.h"
#include "nfs_proto_functions.h"
#include "rpcbuf/rqst/handle.h"
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

	if (call->later)
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

static bool encode_v4(XDR *xdrs, struct xdr_pages *pages)
{
	uint32_t status = NFS4ERR_DELAY, nr = 1;
	char *tag = pages->tag.utf8string_val;

	return xdr_uint32_t(xdrs, &status) &&
	       xdr_bytes(xdrs, &tag, &pages->tag.utf8string_len, UINT32_MAX) &&
	       xdr_uint32_t(xdrs, &nr) &&
	       xdr_uint32_t(xdrs, &pages->first_op) &&
	       xdr_uint32_t(xdrs, &status);
}

/* Words behind the status: attributes that are not there. */
static unsigned int words_v3(const struct rpc_msg *msg)
{
	/* From NULL and GETATTR to PATHCONF and COMMIT. */
	static const uint8_t words[] = {0, 0, 2, 1, 1, 1, 1, 2, 2, 2, 2,
					2, 2, 2, 4, 3, 1, 1, 1, 1, 1, 2};

	/* GETACL and SETACL of the side protocol. */
	if (msg->cb_prog != nfs_param.core_param.program[P_NFS])
		return 1;
	return msg->cb_proc < sizeof(words) ? words[msg->cb_proc] : 0;
}

static bool encode_v3(XDR *xdrs, const struct rpc_msg *msg)
{
	uint32_t status = NFS3ERR_JUKEBOX, none = 0;
	bool encoded = xdr_uint32_t(xdrs, &status);

	for (unsigned int i = words_v3(msg); encoded && i > 0; i--)
		encoded = xdr_uint32_t(xdrs, &none);
	return encoded;
}

static bool encode_later(XDR *xdrs, void *where)
{
	struct xdr_pages *pages = where;
	const struct rpc_msg *msg = &pages->req->rq_msg;

	return msg->cb_vers == NFS_V4 ? encode_v4(xdrs, pages)
				      : encode_v3(xdrs, msg);
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
