/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Where a size is announced: FSINFO of v3, in its results; maxread and maxwrite of
 * v4, in the fields of the export, which the operation reads right after it
 * has asked for the object's attributes; the channels of a session, which the
 * server copies from the arguments of CREATE_SESSION (RFC 8881, 18.36: it may
 * grant less).
 *
 * Where one is asked for: READ, whose server may return less (RFC 1813, 3.3.6;
 * RFC 7530, 16.23.4).  What a directory is read with has a limit of the
 * server's own, Readdir_Res_Size.
 *
 * Any thread that runs a call.
 */
#include <errno.h>

#include "export_mgr.h"
#include "nfs_exports.h"
#include "nfs_proto_functions.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/table.h"
#include "share.h"
#include "sizes.h"

/* A READ makes progress, however many stand before it in its COMPOUND. */
#define READ_LEAST 4096u

static struct {
	uint32_t payload, record;
	struct fsal_obj_ops original_objects; /* of the server's cache */
	struct svc_auth_ops *sealed;	   /* of RPCSEC_GSS, or NULL */
	struct svc_auth_ops original_sealed;
} hook;

static void lower(uint32_t *value, uint32_t limit)
{
	*value = rpcbuf_min(*value, limit);
}

/* Lowers one READ.  Returns what is left for the READs behind it. */
static uint32_t lower_read(uint32_t *count, uint32_t left)
{
	lower(count, rpcbuf_max(left, READ_LEAST));
	return left - rpcbuf_min(*count, left);
}

/* We receive requests of the fore channel and replies of the other; replies
 * are as long as requests, so that one that is asked for can be sent. */
static void lower_session(CREATE_SESSION4args *args)
{
	channel_attrs4 *fore = &args->csa_fore_chan_attrs;
	channel_attrs4 *back = &args->csa_back_chan_attrs;

	lower(&fore->ca_maxrequestsize, hook.record);
	lower(&fore->ca_maxresponsesize, hook.record);
	lower(&fore->ca_maxresponsesize_cached, hook.record);
	lower(&back->ca_maxresponsesize, hook.record);
	lower(&back->ca_maxresponsesize_cached, hook.record);
}

/* In a session the server holds the sum of replies to what was granted. */
static void lower_compound(COMPOUND4args *args)
{
	bool session = args->minorversion > 0;
	uint32_t left = hook.payload;

	for (u_int i = 0; i < args->argarray.argarray_len; i++) {
		nfs_argop4 *op = &args->argarray.argarray_val[i];
		uint32_t after = left;

		if (op->argop == NFS4_OP_READ)
			after = lower_read(&op->nfs_argop4_u.opread.count,
					   left);
		else if (op->argop == NFS4_OP_READ_PLUS)
			after = lower_read(
				&op->nfs_argop4_u.opread_plus.rpa_count, left);
		else if (op->argop == NFS4_OP_CREATE_SESSION)
			lower_session(&op->nfs_argop4_u.opcreate_session);
		if (!session)
			left = after;
	}
}

static bool is_nfs(const struct svc_req *req, uint32_t version)
{
	return req->rq_msg.cb_prog == nfs_param.core_param.program[P_NFS] &&
	       req->rq_msg.cb_vers == version;
}

/* In the place of the decoder that the server has chosen for the call. */
static bool decode_and_lower(XDR *xdrs, void *args)
{
	nfs_request_t *request = container_of(args, nfs_request_t, arg_nfs);
	uint32_t procedure = request->svc.rq_msg.cb_proc;
	struct xdr_pages *pages = xdr_pages_of(request->svc.rq_xdrs);
	nfs_arg_t *arg = args;

	if (!request->funcdesc->xdr_decode_func(xdrs, args))
		return false;
	if (pages)
		share_invalidate(pages, request);
	if (is_nfs(&request->svc, NFS_V4) && procedure == NFSPROC4_COMPOUND)
		lower_compound(&arg->arg_compound4);
	else if (is_nfs(&request->svc, NFS_V3) && procedure == NFSPROC3_READ)
		lower(&arg->arg_read3.count, hook.payload);
	return true;
}

static bool is_acl(const struct svc_req *req)
{
	return req->rq_msg.cb_prog == nfs_param.core_param.program[P_NFSACL];
}

void sizes_decode(struct svc_req *req)
{
	nfs_request_t *request = container_of(req, nfs_request_t, svc);

	if (req->rq_msg.rm_xdr.where == &request->arg_nfs &&
	    req->rq_msg.rm_xdr.proc == request->funcdesc->xdr_decode_func &&
	    (is_nfs(req, NFS_V4) || is_nfs(req, NFS_V3) || is_acl(req)))
		req->rq_msg.rm_xdr.proc = (xdrproc_t)decode_and_lower;
}

void sizes_encode(struct svc_req *req)
{
	FSINFO3res *res = req->rq_msg.RPCM_ack.ar_results.where;
	FSINFO3resok *ok;

	if (!is_nfs(req, NFS_V3) || req->rq_msg.cb_proc != NFSPROC3_FSINFO ||
	    res->status != NFS3_OK)
		return;
	ok = &res->FSINFO3res_u.resok;
	lower(&ok->rtmax, hook.payload);
	lower(&ok->rtpref, hook.payload);
	lower(&ok->wtmax, hook.payload);
	lower(&ok->wtpref, hook.payload);
}

/* In the place of the function that unseals arguments and decodes them, which
 * gets the decoder before it asks for a checksum. */
static bool gss_checksum(struct svc_req *req)
{
	sizes_decode(req);
	return hook.original_sealed.svc_ah_checksum(req);
}

static bool is_sealed(const struct svc_req *req)
{
	return req->rq_auth && req->rq_msg.cb_cred.oa_flavor == RPCSEC_GSS;
}

/* The table of RPCSEC_GSS is found with the first call that makes a context:
 * none is sealed before. */
void sizes_authenticated(struct svc_req *req)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

	if (!is_sealed(req) || __atomic_load_n(&hook.sealed, __ATOMIC_ACQUIRE))
		return;
	pthread_mutex_lock(&lock);
	if (!hook.sealed) {
		struct svc_auth_ops *ops = req->rq_auth->svc_ah_ops;

		hook.original_sealed = *ops;
		if (os_table_is_writable(ops, sizeof(*ops)))
			fsal_rpcbuf_set(&ops->svc_ah_checksum, gss_checksum);
		else
			LogWarn(COMPONENT_DISPATCH,
				"RPCBUF: cannot limit READs under RPCSEC_GSS to Max_Payload: its function table is read-only");
		fsal_rpcbuf_set(&hook.sealed, ops);
	}
	pthread_mutex_unlock(&lock);
}

static void lower_field(uint64_t *field)
{
	if (atomic_fetch_uint64_t(field) > hook.payload)
		atomic_store_uint64_t(field, hook.payload);
}

/* In the place of getattrs in the table of the cache that is above every
 * export.  The export's own limits come back when it is updated. */
static fsal_status_t getattrs(struct fsal_obj_handle *obj,
			      struct fsal_attrlist *attrs)
{
	struct gsh_export *export = op_ctx ? op_ctx->ctx_export : NULL;

	if (export) {
		lower_field(&export->MaxRead);
		lower_field(&export->MaxWrite);
	}
	return hook.original_objects.getattrs(obj, attrs);
}

/* The table that the root of an export has, whichever it is. */
static struct fsal_obj_ops *find_objects(void)
{
	struct fsal_obj_ops *ops = NULL;

	for (uint32_t id = 0; !ops && id <= UINT16_MAX; id++) {
		struct gsh_export *export = get_gsh_export((uint16_t)id);
		struct fsal_obj_handle *root;

		if (!export)
			continue;
		if (!FSAL_IS_ERROR(nfs_export_get_root_entry(export, &root))) {
			ops = root->obj_ops;
			ops->put_ref(root);
		}
		put_gsh_export(export);
	}
	return ops;
}

int sizes_hook(uint32_t payload, uint32_t record)
{
	struct fsal_obj_ops *ops = find_objects();

	hook.payload = payload;
	hook.record = record;
	if (!ops || !os_table_is_writable(ops, sizeof(*ops)))
		return -ENOENT;
	hook.original_objects = *ops;
	fsal_rpcbuf_set(&ops->getattrs, getattrs);
	return 0;
}
