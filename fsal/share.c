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

/* The Export_Id of a handle; @err: the result of handle_find().  Handles of a data
 * server (pNFS) have none. */
static int export_number(int err, const uint8_t *handle)
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

	return export_number(err, handle);
}

void share_find(struct xdr_pages *pages, const void *arguments, size_t size)
{
	const struct rpc_msg *msg = &pages->req->rq_msg;
	struct rpcbuf_call *call = pages->call;
	uint8_t handle[HANDLE_HEAD];
	int number;

	if (call->later || call->share >= 0)
		return;
	number = handle_in_arguments(msg->cb_prog, msg->cb_vers, msg->cb_proc,
				     arguments, size, handle, sizeof(handle));
	number = export_number(number, handle);
	if (number >= 0)
		rpcbuf_call_share(call, (unsigned int)number);
}

/* Invalidates the first handle, or the session, so that the server rejects the call
 * before it looks up either. */
static void invalidate(uint32_t version, nfs_arg_t *arg, uint32_t *first_op)
{
	nfs_argop4 *op = arg->arg_compound4.argarray.argarray_val;

	if (version != NFS_V4) {
		arg->arg_getattr3.object.data.data_len = 0;
		return;
	}
	*first_op = op->argop;
	if (op->argop == NFS4_OP_SEQUENCE) {
		memset(op->nfs_argop4_u.opsequence.sa_sessionid, 0xff,
		       NFS4_SESSIONID_SIZE);
		return;
	}
	/* Else it names the root, without a handle. */
	if (op->argop != NFS4_OP_PUTFH)
		op->nfs_argop4_u.opputfh = (PUTFH4args){0};
	op->argop = NFS4_OP_PUTFH;
	op->nfs_argop4_u.opputfh.object.nfs_fh4_len = 0;
}

void share_invalidate(struct xdr_pages *pages, nfs_request_t *request)
{
	pages->refused = pages->call->later;
	if (pages->refused)
		invalidate(request->svc.rq_msg.cb_vers, &request->arg_nfs,
			   &pages->first_op);
}

/* All results of v3 begin with their status. */
static void delay_v3(nfs_res_t *res)
{
	if (res->res_getattr3.status == NFS3ERR_BADHANDLE)
		res->res_getattr3.status = NFS3ERR_JUKEBOX;
}

static void delay_v4(COMPOUND4res *res, uint32_t first_op)
{
	nfs_resop4 *op = res->resarray.resarray_val;

	if (res->resarray.resarray_len != 1 ||
	    (res->status != NFS4ERR_BADHANDLE &&
	     res->status != NFS4ERR_BADSESSION))
		return;
	res->status = NFS4ERR_DELAY;
	op->resop = first_op;
	op->nfs_resop4_u.opputfh.status = NFS4ERR_DELAY;
}

void share_answer(const struct xdr_pages *pages, struct svc_req *req)
{
	nfs_res_t *res = req->rq_msg.RPCM_ack.ar_results.where;

	if (req->rq_msg.cb_vers == NFS_V4)
		delay_v4(&res->res_compound4_extended->res_compound4,
			 pages->first_op);
	else
		delay_v3(res);
}
