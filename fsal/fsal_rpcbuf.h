/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * fsal_rpcbuf.h - the stackable half: our module, exports and objects, and the
 * one way in which an operation is passed to the sub-FSAL.
 *
 * An export of ours sits on one export of the sub-FSAL, an object of ours on
 * one of its objects; both layers know an object by the same handle and the
 * same cache key, and share one state (open file, lock) and one vector of
 * up-calls.  So what the sub-FSAL says upward reaches Ganesha as it is, and
 * what comes from above needs two things changed: the object, and the export
 * that op_ctx names.
 */
#ifndef FSAL_RPCBUF_H
#define FSAL_RPCBUF_H

#include "abi.h"
#include "config.h"
#include "ops.h"

struct fsal_rpcbuf_module {
	struct fsal_module fsal;
	/* Ganesha's operations, from our registration: for the members that we
	 * leave to it, and in place of a sub-FSAL while there is none. */
	struct fsal_module defaults;
	struct fsal_rpcbuf_config config;
	bool configured; /* config holds, exports may be created */
};

struct fsal_rpcbuf_export {
	struct fsal_export fsal; /* .sub_export: what we sit on */
	char *name;		 /* "VFS/RPCBUF" */
};

struct fsal_rpcbuf_handle {
	struct fsal_obj_handle obj;
	struct fsal_obj_handle *sub;
	int32_t refs; /* ours alone: one sub object can have several handles */
};

extern struct fsal_rpcbuf_module fsal_rpcbuf;

/* Our functions have the types of the tables they stand in. */
#define FSAL_RPCBUF_DECLARE_MODULE(op)                                        \
	__typeof__(*((struct fsal_ops *)NULL)->op) rpcbuf_module_##op;
#define FSAL_RPCBUF_DECLARE_EXPORT(op)                                        \
	__typeof__(*((struct export_ops *)NULL)->op) rpcbuf_export_##op;
#define FSAL_RPCBUF_DECLARE_OBJ(op)                                           \
	__typeof__(*((struct fsal_obj_ops *)NULL)->op) rpcbuf_obj_##op;

FSAL_RPCBUF_MODULE_OPS(FSAL_RPCBUF_DECLARE_MODULE)
FSAL_RPCBUF_EXPORT_OPS(FSAL_RPCBUF_DECLARE_EXPORT)
FSAL_RPCBUF_OBJ_OPS(FSAL_RPCBUF_DECLARE_OBJ)

extern const struct export_ops fsal_rpcbuf_export_ops;

static inline struct fsal_rpcbuf_export *
rpcbuf_export_of(struct fsal_export *export)
{
	return container_of(export, struct fsal_rpcbuf_export, fsal);
}

static inline struct fsal_rpcbuf_handle *
rpcbuf_handle_of(const struct fsal_obj_handle *obj)
{
	return container_of(obj, struct fsal_rpcbuf_handle, obj);
}

/* The sub-FSAL's object below ours. */
static inline struct fsal_obj_handle *sub_of(const struct fsal_obj_handle *obj)
{
	return obj ? rpcbuf_handle_of(obj)->sub : NULL;
}

/*
 * The sub-FSAL's export for the running call.  It comes from op_ctx, not from
 * the object: Ganesha keeps one object for all exports that reach it.  When a
 * cached object outlives its exports, op_ctx may name another export; that
 * one then stays.
 */
static inline struct fsal_export *sub_export_now(void)
{
	struct fsal_export *now = op_ctx ? op_ctx->fsal_export : NULL;

	return now && now->fsal == &fsal_rpcbuf.fsal ? now->sub_export : now;
}

static inline struct fsal_export *run_as_enter(struct fsal_export *export)
{
	struct fsal_export *outer = NULL;

	if (op_ctx) {
		outer = op_ctx->fsal_export;
		op_ctx->fsal_export = export;
	}
	return outer;
}

static inline void run_as_leave(struct fsal_export **outer)
{
	if (op_ctx)
		op_ctx->fsal_export = *outer;
}

/*
 * RUN_AS - for the rest of the block, op_ctx names @export.
 *
 * Without an op_ctx (an export that goes away at shutdown) nothing changes.
 */
#define RUN_AS(export_)                                                       \
	__attribute__((cleanup(run_as_leave), unused))                        \
	struct fsal_export *run_as_outer = run_as_enter(export_)

/*
 * PASS_OBJ, PASS_EXPORT - define an operation that only passes on.
 *
 * @params names the first parameter `obj` or `export`; @args are what the
 * sub-FSAL's operation of the same name gets, where `sub` is its export.
 */
#define PASS_OBJ(type, op, params, args)                                      \
	type rpcbuf_obj_##op params                                           \
	{                                                                     \
		RUN_AS(sub_export_now());                                     \
		return sub_of(obj)->obj_ops->op args;                         \
	}

#define PASS_EXPORT(type, op, params, args)                                   \
	type rpcbuf_export_##op params                                        \
	{                                                                     \
		struct fsal_export *sub = export->sub_export;                 \
		RUN_AS(sub);                                                  \
		return sub->exp_ops.op args;                                  \
	}

/*
 * rpcbuf_sub_module - the sub-FSAL for an operation of @fsal, our module.
 *
 * That of the running call, or of our first export.  Never NULL: without an
 * export it is a module with Ganesha's default operations.
 */
struct fsal_module *rpcbuf_sub_module(struct fsal_module *fsal);

/*
 * rpcbuf_handle_wrap - put an object of ours on one of the sub-FSAL's.
 *
 * Passes @status through.  On success *handle is ours, with one reference, and
 * owns @sub; on an error, or when there is no @sub, it is untouched.
 */
fsal_status_t rpcbuf_handle_wrap(fsal_status_t status,
				 struct fsal_export *export,
				 struct fsal_obj_handle *sub,
				 struct fsal_obj_handle **handle);

#endif
