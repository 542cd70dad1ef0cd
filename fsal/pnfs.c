/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * pNFS: layouts of objects, devices of exports, data servers of modules.
 *
 * A device id carries the number of the FSAL that made it, and Ganesha asks
 * that FSAL directly.  A module has no export in its operations, so those that
 * reach us go to the sub-FSAL of the running call, or of our first export.
 */
#include <errno.h>

#include "fsal_rpcbuf.h"
#include "pnfs_utils.h"
#include "stack.h"

PASS_OBJ(nfsstat4, layoutget,
	 (struct fsal_obj_handle *obj, XDR *body,
	  const struct fsal_layoutget_arg *arg, struct fsal_layoutget_res *res),
	 (sub_of(obj), body, arg, res))

PASS_OBJ(nfsstat4, layoutreturn,
	 (struct fsal_obj_handle *obj, XDR *body,
	  const struct fsal_layoutreturn_arg *arg),
	 (sub_of(obj), body, arg))

PASS_OBJ(nfsstat4, layoutcommit,
	 (struct fsal_obj_handle *obj, XDR *body,
	  const struct fsal_layoutcommit_arg *arg,
	  struct fsal_layoutcommit_res *res),
	 (sub_of(obj), body, arg, res))

PASS_EXPORT(nfsstat4, getdevicelist,
	    (struct fsal_export *export, layouttype4 type, void *opaque,
	     bool (*cb)(void *opaque, const uint64_t id),
	     struct fsal_getdevicelist_res *res),
	    (sub, type, opaque, cb, res))

PASS_EXPORT(void, fs_layouttypes,
	    (struct fsal_export *export, int32_t *count,
	     const layouttype4 **types),
	    (sub, count, types))

PASS_EXPORT(uint32_t, fs_layout_blocksize, (struct fsal_export *export), (sub))
PASS_EXPORT(uint32_t, fs_maximum_segments, (struct fsal_export *export), (sub))
PASS_EXPORT(size_t, fs_loc_body_size, (struct fsal_export *export), (sub))

nfsstat4 rpcbuf_module_getdeviceinfo(struct fsal_module *fsal, XDR *body,
				     const layouttype4 type,
				     const struct pnfs_deviceid *id)
{
	struct fsal_module *sub = rpcbuf_sub_module(fsal);

	return sub->m_ops.getdeviceinfo(sub, body, type, id);
}

size_t rpcbuf_module_fs_da_addr_size(struct fsal_module *fsal)
{
	struct fsal_module *sub = rpcbuf_sub_module(fsal);

	return sub->m_ops.fs_da_addr_size(sub);
}

void rpcbuf_module_fsal_pnfs_ds_ops(struct fsal_pnfs_ds_ops *ops)
{
	rpcbuf_sub_module(&fsal_rpcbuf.fsal)->m_ops.fsal_pnfs_ds_ops(ops);
}

/* A DS block: the data server is the sub-FSAL's that the nested block names. */
fsal_status_t
rpcbuf_module_create_fsal_pnfs_ds(struct fsal_module *const fsal, void *node,
				  struct fsal_pnfs_ds **const handle)
{
	struct config_error_type err_type;
	struct rpcbuf_stack stack;
	fsal_status_t status = fsalstat(ERR_FSAL_INVAL, EINVAL);

	(void)fsal;
	if (!init_error_type(&err_type))
		return fsalstat(ERR_FSAL_NOMEM, ENOMEM);
	if (rpcbuf_stack_read(node, &err_type, &stack) == 0) {
		status = stack.fsal->m_ops.create_fsal_pnfs_ds(
			stack.fsal, stack.node, handle);
		fsal_put(stack.fsal);
	}
	report_config_errors(&err_type, NULL, config_errs_to_log);
	return status;
}
