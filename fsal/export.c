/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Exports: made on top of the sub-FSAL's, gone before it.
 *
 * An export is written when it is created and when it is released, by the one
 * thread that Ganesha lets do so; everything else only reads it.
 */
#include <errno.h>

#include "fsal_rpcbuf.h"
#include "reload.h"
#include "stack.h"

#define EXPORT_OP(op) .op = rpcbuf_export_##op,

const struct export_ops fsal_rpcbuf_export_ops = {
	FSAL_RPCBUF_EXPORT_OPS(EXPORT_OP)
};

static void export_put_on(struct fsal_rpcbuf_export *self,
			  struct fsal_module *fsal, struct fsal_export *sub,
			  const struct fsal_up_vector *up_ops)
{
	self->name = gsh_concat_sep(sub->fsal->name, '/', fsal->name);
	fsal_export_stack(sub, &self->fsal);
	fsal_export_init(&self->fsal);
	self->fsal.exp_ops = fsal_rpcbuf_export_ops;
	self->fsal.up_ops = up_ops;
	self->fsal.fsal = fsal;
	fsal_attach_export(fsal, &self->fsal.exports);
}

/* The call comes back to us where another FSAL between leads to RPCBUF again. */
static fsal_status_t create_below(const struct rpcbuf_stack *stack,
				  struct config_error_type *err_type,
				  const struct fsal_up_vector *up_ops)
{
	static __thread bool inside;
	fsal_status_t status = fsalstat(ERR_FSAL_INVAL, EINVAL);

	if (inside) {
		rpcbuf_stack_on_itself(err_type);
		return status;
	}
	inside = true;
	status = stack->fsal->m_ops.create_export(stack->fsal, stack->node,
						  err_type, up_ops);
	inside = false;
	if (FSAL_IS_ERROR(status))
		LogMajor(COMPONENT_FSAL,
			 "FSAL %s below RPCBUF could not create its export: %s",
			 stack->fsal->name, msg_fsal_err(status.major));
	return status;
}

/*
 * The sub-FSAL's export comes first and arrives in op_ctx, as ours leaves.
 * It gets Ganesha's vector of up-calls itself: an up-call names an object by
 * its key, which is the same in both layers, and waits on the vector until the
 * whole stack is ready.
 */
fsal_status_t rpcbuf_module_create_export(struct fsal_module *fsal, void *node,
					  struct config_error_type *err_type,
					  const struct fsal_up_vector *up_ops)
{
	struct fsal_rpcbuf_export *self;
	struct rpcbuf_stack stack;
	fsal_status_t status;

	/* The module stays when its block was not valid: this is the next try. */
	if (rpcbuf_configure(rpcbuf_file_of(node), err_type) < 0 ||
	    rpcbuf_reconfigure(rpcbuf_file_of(node), err_type) < 0 ||
	    rpcbuf_stack_read(node, err_type, &stack) < 0)
		return fsalstat(ERR_FSAL_INVAL, EINVAL);
	status = create_below(&stack, err_type, up_ops);
	if (FSAL_IS_ERROR(status)) {
		fsal_put(stack.fsal);
		return status;
	}
	/* The reference on the sub-FSAL stays until the export is released. */
	self = gsh_calloc(1, sizeof(*self));
	export_put_on(self, fsal, op_ctx->fsal_export, up_ops);
	op_ctx->fsal_export = &self->fsal;
	op_ctx->fsal_module = fsal;
	return status;
}

fsal_status_t rpcbuf_module_update_export(struct fsal_module *fsal, void *node,
					  struct config_error_type *err_type,
					  struct fsal_export *original,
					  struct fsal_module *updated_super)
{
	struct rpcbuf_stack stack;
	/* Ganesha's own check that the order of the stack has not changed. */
	fsal_status_t status =
		update_export(fsal, node, err_type, original, updated_super);

	if (FSAL_IS_ERROR(status))
		return status;
	/* An export that is not updated would be removed by a reload. */
	rpcbuf_reconfigure_apart(rpcbuf_file_of(node));
	if (rpcbuf_stack_read(node, err_type, &stack) < 0)
		return fsalstat(ERR_FSAL_INVAL, EINVAL);
	status = stack.fsal->m_ops.update_export(stack.fsal, stack.node,
						 err_type, original->sub_export,
						 fsal);
	fsal_put(stack.fsal);
	return status;
}

void rpcbuf_export_release(struct fsal_export *export)
{
	struct fsal_rpcbuf_export *self = rpcbuf_export_of(export);
	struct fsal_export *sub = export->sub_export;
	struct fsal_module *sub_fsal = sub->fsal;
	{
		RUN_AS(sub);
		sub->exp_ops.release(sub);
	}
	fsal_put(sub_fsal);
	fsal_detach_export(export->fsal, &export->exports);
	free_export_ops(export);
	gsh_free(self->name);
	gsh_free(self);
}

const char *rpcbuf_export_get_name(struct fsal_export *export)
{
	return rpcbuf_export_of(export)->name;
}

PASS_EXPORT(void, prepare_unexport, (struct fsal_export *export), (sub))

PASS_EXPORT(void, unexport,
	    (struct fsal_export *export, struct fsal_obj_handle *root),
	    (sub, sub_of(root)))

PASS_EXPORT(void, unmount,
	    (struct fsal_export *export, struct fsal_obj_handle *junction),
	    (sub, sub_of(junction)))

/* As PASS_EXPORT, for operations that make an object: `&made` among @args
 * receives the sub-FSAL's, ours is put on it. */
#define PASS_EXPORT_MAKE_OBJ(op, params, args)                                \
	fsal_status_t rpcbuf_export_##op params                               \
	{                                                                     \
		struct fsal_export *sub = export->sub_export;                 \
		struct fsal_obj_handle *made = NULL;                          \
		fsal_status_t status;                                         \
		{                                                             \
			RUN_AS(sub);                                          \
			status = sub->exp_ops.op args;                        \
		}                                                             \
		return rpcbuf_handle_wrap(status, export, made, handle);      \
	}

PASS_EXPORT_MAKE_OBJ(lookup_path,
		     (struct fsal_export *export, const char *path,
		      struct fsal_obj_handle **handle,
		      struct fsal_attrlist *attrs_out),
		     (sub, path, &made, attrs_out))

PASS_EXPORT_MAKE_OBJ(lookup_junction,
		     (struct fsal_export *export,
		      struct fsal_obj_handle *junction,
		      struct fsal_obj_handle **handle),
		     (sub, sub_of(junction), &made))

PASS_EXPORT_MAKE_OBJ(create_handle,
		     (struct fsal_export *export, struct gsh_buffdesc *desc,
		      struct fsal_obj_handle **handle,
		      struct fsal_attrlist *attrs_out),
		     (sub, desc, &made, attrs_out))

PASS_EXPORT(fsal_status_t, wire_to_host,
	    (struct fsal_export *export, fsal_digesttype_t type,
	     struct gsh_buffdesc *desc, int flags),
	    (sub, type, desc, flags))

PASS_EXPORT(fsal_status_t, host_to_key,
	    (struct fsal_export *export, struct gsh_buffdesc *desc),
	    (sub, desc))

PASS_EXPORT(bool, fs_supports,
	    (struct fsal_export *export, fsal_fsinfo_options_t option),
	    (sub, option))

PASS_EXPORT(uint64_t, fs_maxfilesize, (struct fsal_export *export), (sub))
PASS_EXPORT(uint32_t, fs_maxlink, (struct fsal_export *export), (sub))
PASS_EXPORT(uint32_t, fs_maxnamelen, (struct fsal_export *export), (sub))
PASS_EXPORT(uint32_t, fs_maxpathlen, (struct fsal_export *export), (sub))
PASS_EXPORT(uint32_t, fs_umask, (struct fsal_export *export), (sub))
PASS_EXPORT(int32_t, fs_expiretimeparent, (struct fsal_export *export), (sub))
PASS_EXPORT(fsal_aclsupp_t, fs_acl_support, (struct fsal_export *export), (sub))
PASS_EXPORT(attrmask_t, fs_supported_attrs, (struct fsal_export *export), (sub))

/*
 * The answers that are ours: a WRITE has to fit into a page vector, and a READ
 * may be as large, so that a short call does not make a huge reply.  Zero from
 * the sub-FSAL stands for no limit of its own.
 */
static uint32_t capped(uint64_t size)
{
	uint32_t most = fsal_rpcbuf.config.max_payload;

	return size == 0 || size > most ? most : (uint32_t)size;
}

uint32_t rpcbuf_export_fs_maxread(struct fsal_export *export)
{
	struct fsal_export *sub = export->sub_export;
	RUN_AS(sub);

	return capped(sub->exp_ops.fs_maxread(sub));
}

uint32_t rpcbuf_export_fs_maxwrite(struct fsal_export *export)
{
	struct fsal_export *sub = export->sub_export;
	RUN_AS(sub);

	return capped(sub->exp_ops.fs_maxwrite(sub));
}

/* Ganesha takes these for the export's limits, after those above. */
fsal_status_t rpcbuf_export_get_fs_dynamic_info(struct fsal_export *export,
						struct fsal_obj_handle *obj,
						fsal_dynamicfsinfo_t *info)
{
	struct fsal_export *sub = export->sub_export;
	fsal_status_t status;
	RUN_AS(sub);

	status = sub->exp_ops.get_fs_dynamic_info(sub, sub_of(obj), info);
	if (!FSAL_IS_ERROR(status) && info->maxread)
		info->maxread = capped(info->maxread);
	if (!FSAL_IS_ERROR(status) && info->maxwrite)
		info->maxwrite = capped(info->maxwrite);
	return status;
}

PASS_EXPORT(fsal_status_t, check_quota,
	    (struct fsal_export *export, const char *path, int type),
	    (sub, path, type))

PASS_EXPORT(fsal_status_t, get_quota,
	    (struct fsal_export *export, const char *path, int type, int id,
	     fsal_quota_t *quota),
	    (sub, path, type, id, quota))

PASS_EXPORT(fsal_status_t, set_quota,
	    (struct fsal_export *export, const char *path, int type, int id,
	     fsal_quota_t *quota, fsal_quota_t *result),
	    (sub, path, type, id, quota, result))

PASS_EXPORT(void, get_write_verifier,
	    (struct fsal_export *export, struct gsh_buffdesc *verifier),
	    (sub, verifier))

PASS_EXPORT(struct state_t *, alloc_state,
	    (struct fsal_export *export, enum state_type type,
	     struct state_t *related),
	    (sub, type, related))

PASS_EXPORT(void, free_state,
	    (struct fsal_export *export, struct state_t *state),
	    (sub, state))

PASS_EXPORT(bool, is_superuser,
	    (struct fsal_export *export, const struct user_cred *creds),
	    (sub, creds))
