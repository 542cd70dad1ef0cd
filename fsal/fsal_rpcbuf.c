/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The module, and the sub-FSAL of an operation.  Any thread; the list of exports
 * is under Ganesha's lock of the module.
 */
#include "fsal_rpcbuf.h"

struct fsal_rpcbuf_module fsal_rpcbuf;

/* Our export in the running call's stack, or the first there is. */
static struct fsal_export *export_now(struct fsal_module *fsal)
{
	struct fsal_export *export = op_ctx ? op_ctx->fsal_export : NULL;

	while (export && export->fsal != fsal)
		export = export->sub_export;
	if (!export)
		export = glist_first_entry(&fsal->exports, struct fsal_export,
					   exports);
	return export;
}

struct fsal_module *rpcbuf_sub_module(struct fsal_module *fsal)
{
	struct fsal_module *sub = &fsal_rpcbuf.defaults;
	struct fsal_export *export;

	PTHREAD_RWLOCK_rdlock(&fsal->lock);
	export = export_now(fsal);
	if (export)
		sub = export->sub_export->fsal;
	PTHREAD_RWLOCK_unlock(&fsal->lock);
	return sub;
}
