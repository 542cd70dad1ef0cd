/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * stack.h - what stands below us: the FSAL block inside our FSAL block.
 *
 *	FSAL { Name = RPCBUF; FSAL { Name = VFS; } }
 */
#ifndef FSAL_RPCBUF_STACK_H
#define FSAL_RPCBUF_STACK_H

#include "abi.h"

struct rpcbuf_stack {
	struct fsal_module *fsal; /* the sub-FSAL, loaded and configured */
	void *node;		  /* its block, for its own parameters */
};

/*
 * rpcbuf_stack_read - find and load the sub-FSAL that @node names.
 *
 * Returns 0 with one reference on stack->fsal that is the caller's to put; or
 * -EINVAL, with the reason in @err_type and the log and @stack untouched.
 */
int rpcbuf_stack_read(void *node, struct config_error_type *err_type,
		      struct rpcbuf_stack *stack);

/* Says that an export of ours has another of ours below.  Returns -EINVAL. */
int rpcbuf_stack_on_itself(struct config_error_type *err_type);

#endif
