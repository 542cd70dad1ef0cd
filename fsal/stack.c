/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The nested FSAL block.  Runs in the thread that reads the configuration or
 * adds an export, which Ganesha serialises.
 */
#include <errno.h>

#include "config.h"
#include "stack.h"

struct stack_block {
	struct subfsal_args sub;
};

static struct config_item sub_parameters[] = {
	CONF_ITEM_STR("name", 1, 10, NULL, subfsal_args, name),
	CONFIG_EOL,
};

/* Relaxed: the parameters beside the name are for the sub-FSAL to read. */
static struct config_item parameters[] = {
	CONF_ITEM_NOOP("name"),
	CONF_RELAX_BLOCK("FSAL", sub_parameters, noop_conf_init, subfsal_commit,
			 stack_block, sub),
	CONFIG_EOL,
};

static struct config_block block = {
	.dbus_interface_name = "org.ganesha.nfsd.config.fsal.rpcbuf-export%d",
	.blk_desc.name = "FSAL",
	.blk_desc.type = CONFIG_BLOCK,
	.blk_desc.u.blk.init = noop_conf_init,
	.blk_desc.u.blk.params = parameters,
	.blk_desc.u.blk.commit = noop_conf_commit,
};

static int no_sub_fsal(struct config_error_type *err_type)
{
	fsal_rpcbuf_complain(
		err_type,
		"FSAL RPCBUF stands on another FSAL: its block needs one of "
		"its own, such as FSAL { Name = VFS; }");
	err_type->missing = true;
	return -EINVAL;
}

/* Whatever stands between: one receive path is all that there is. */
int rpcbuf_stack_on_itself(struct config_error_type *err_type)
{
	fsal_rpcbuf_complain(
		err_type,
		"FSAL RPCBUF stands on another FSAL, not on itself: name it "
		"once for an export, as in FSAL { Name = RPCBUF; FSAL { "
		"Name = VFS; } }");
	err_type->invalid = true;
	return -EINVAL;
}

int rpcbuf_stack_read(void *node, struct config_error_type *err_type,
		      struct rpcbuf_stack *stack)
{
	struct stack_block read = {{NULL, NULL}};
	struct fsal_module *fsal;

	if (load_config_from_node(node, &block, &read, true, err_type) != 0)
		return -EINVAL;
	if (read.sub.name == NULL)
		return no_sub_fsal(err_type);
	fsal = lookup_fsal(read.sub.name);
	/* From the core's heap, which may not be ours. */
	mem_free(read.sub.name, 0);
	if (fsal == NULL)
		return -EINVAL;
	/* The commit of the nested block has left a reference, the look-up adds
	 * a second.  When the commit failed there is none, and no node: the
	 * parser does not tell, and the module may be there unconfigured. */
	fsal_put(fsal);
	if (read.sub.fsal_node == NULL)
		return -EINVAL;
	stack->fsal = fsal;
	stack->node = read.sub.fsal_node;
	return 0;
}
