/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The module: registration, configuration, unloading, and the operations that
 * Ganesha asks of a module as a whole.
 *
 * Ganesha loads a module, configures it and creates exports in one thread;
 * `configured` is written before the first export exists.
 */
#include "fsal_rpcbuf.h"
#include "pnfs_utils.h"
#include "reload.h"
#include "takeover.h"

fsal_status_t rpcbuf_module_init_config(struct fsal_module *fsal,
					config_file_t file,
					struct config_error_type *err_type)
{
	int rc = rpcbuf_configure(file, err_type);

	(void)fsal;
	return rc < 0 ? fsalstat(ERR_FSAL_INVAL, -rc)
		      : fsalstat(ERR_FSAL_NO_ERROR, 0);
}

/* Threads of ours in code that is unmapped would take the process down. */
int rpcbuf_module_unload(struct fsal_module *fsal)
{
	fsal_rpcbuf_takeover_stop();
	return fsal_rpcbuf.defaults.m_ops.unload(fsal);
}

void rpcbuf_module_fsal_extract_stats(struct fsal_module *const fsal,
				      void *iter)
{
	struct fsal_module *sub = rpcbuf_sub_module(fsal);

	sub->m_ops.fsal_extract_stats(sub, iter);
}

/* Ganesha resets every module that is loaded and has counters; the sub-FSAL's
 * are then reset twice, which is once. */
void rpcbuf_module_fsal_reset_stats(struct fsal_module *const fsal)
{
	struct fsal_module *sub = rpcbuf_sub_module(fsal);

	sub->m_ops.fsal_reset_stats(sub);
}

/* dump_config and emergency_cleanup stay Ganesha's: it calls them on every
 * module that is loaded, so passing them on would be a second call. */
static void set_ops(struct fsal_ops *ops)
{
	ops->unload = rpcbuf_module_unload;
	ops->init_config = rpcbuf_module_init_config;
	ops->create_export = rpcbuf_module_create_export;
	ops->update_export = rpcbuf_module_update_export;
	ops->getdeviceinfo = rpcbuf_module_getdeviceinfo;
	ops->fs_da_addr_size = rpcbuf_module_fs_da_addr_size;
	ops->create_fsal_pnfs_ds = rpcbuf_module_create_fsal_pnfs_ds;
	ops->fsal_pnfs_ds_ops = rpcbuf_module_fsal_pnfs_ds_ops;
	ops->fsal_extract_stats = rpcbuf_module_fsal_extract_stats;
	ops->fsal_reset_stats = rpcbuf_module_fsal_reset_stats;
}

static MODULE_INIT void load(void)
{
	struct fsal_module *self = &fsal_rpcbuf.fsal;
	char why[256];

	if (fsal_rpcbuf_abi_check(why, sizeof(why)) < 0) {
		LogCrit(COMPONENT_INIT, "FSAL RPCBUF is not loaded: %s", why);
		return;
	}
	if (register_fsal(self, "RPCBUF", FSAL_MAJOR_VERSION,
			  FSAL_MINOR_VERSION, FSAL_ID_NO_PNFS) != 0)
		return; /* it has said why */
	fsal_rpcbuf.defaults.m_ops = self->m_ops;
	set_ops(&self->m_ops);
}

static MODULE_FINI void unload(void)
{
	fsal_rpcbuf_takeover_stop();
	unregister_fsal(&fsal_rpcbuf.fsal);
}

/*
 * When the constructor has not registered, Ganesha looks for this name and
 * calls it.  It has to be here and do nothing: the look-up would go on to the
 * server's own function of that name.  Without a registration Ganesha then
 * takes the module out again.
 */
__attribute__((visibility("default"))) void *fsal_init(void *link_mem,
						       void *self_struct)
{
	(void)link_mem;
	(void)self_struct;
	return NULL;
}
