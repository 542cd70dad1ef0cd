/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Objects: their lifetime, names and attributes.
 *
 * An object is a thin wrapper that owns one object of the sub-FSAL.  It is
 * immutable but for its reference count; the sub-FSAL locks what needs it.
 * Any thread that Ganesha lets near the object may call.
 */
#include "fsal_rpcbuf.h"

#define OBJ_OP(op) .op = rpcbuf_obj_##op,

/* Ganesha's type is not const, its users never write. */
static struct fsal_obj_ops obj_ops = { FSAL_RPCBUF_OBJ_OPS(OBJ_OP) };

fsal_status_t rpcbuf_handle_wrap(fsal_status_t status,
				 struct fsal_export *export,
				 struct fsal_obj_handle *sub,
				 struct fsal_obj_handle **handle)
{
	struct fsal_rpcbuf_handle *self;

	if (FSAL_IS_ERROR(status) || sub == NULL)
		return status;
	self = gsh_calloc(1, sizeof(*self));
	fsal_obj_handle_init(&self->obj, export, sub->type);
	self->obj.obj_ops = &obj_ops;
	/* The sub-FSAL's, also where a lookup crossed into another one: it
	 * tells links and renames across file systems. */
	self->obj.fs = sub->fs;
	self->obj.fsid = sub->fsid;
	self->obj.fileid = sub->fileid;
	self->obj.state_hdl = sub->state_hdl;
	self->sub = sub;
	self->refs = 1;
	*handle = &self->obj;
	return status;
}

static void handle_free(struct fsal_rpcbuf_handle *self)
{
	fsal_obj_handle_fini(&self->obj);
	gsh_free(self);
}

/* Ganesha's cache above us counts references itself and calls release. */
void rpcbuf_obj_get_ref(struct fsal_obj_handle *obj)
{
	RUN_AS(sub_export_now());

	atomic_inc_int32_t(&rpcbuf_handle_of(obj)->refs);
	sub_of(obj)->obj_ops->get_ref(sub_of(obj));
}

void rpcbuf_obj_put_ref(struct fsal_obj_handle *obj)
{
	struct fsal_rpcbuf_handle *self = rpcbuf_handle_of(obj);
	RUN_AS(sub_export_now());

	self->sub->obj_ops->put_ref(self->sub);
	if (atomic_dec_int32_t(&self->refs) == 0)
		handle_free(self);
}

void rpcbuf_obj_release(struct fsal_obj_handle *obj)
{
	struct fsal_rpcbuf_handle *self = rpcbuf_handle_of(obj);
	RUN_AS(sub_export_now());

	self->sub->obj_ops->release(self->sub);
	handle_free(self);
}

PASS_OBJ(fsal_status_t, merge,
	 (struct fsal_obj_handle *obj, struct fsal_obj_handle *dupe),
	 (sub_of(obj), sub_of(dupe)))

/*
 * Operations that make an object: `&sub` among @args receives the sub-FSAL's,
 * ours is put on it.
 */
#define PASS_MAKE_OBJ(op, params, args)                                       \
	fsal_status_t rpcbuf_obj_##op params                                  \
	{                                                                     \
		struct fsal_obj_handle *sub = NULL;                           \
		fsal_status_t status;                                         \
		{                                                             \
			RUN_AS(sub_export_now());                             \
			status = sub_of(obj)->obj_ops->op args;               \
		}                                                             \
		return rpcbuf_handle_wrap(status, op_ctx->fsal_export, sub,   \
					  handle);                            \
	}

PASS_MAKE_OBJ(lookup,
	      (struct fsal_obj_handle *obj, const char *name,
	       struct fsal_obj_handle **handle,
	       struct fsal_attrlist *attrs_out),
	      (sub_of(obj), name, &sub, attrs_out))

PASS_MAKE_OBJ(mkdir,
	      (struct fsal_obj_handle *obj, const char *name,
	       struct fsal_attrlist *attrs_in, struct fsal_obj_handle **handle,
	       struct fsal_attrlist *attrs_out),
	      (sub_of(obj), name, attrs_in, &sub, attrs_out))

PASS_MAKE_OBJ(mknode,
	      (struct fsal_obj_handle *obj, const char *name,
	       object_file_type_t type, struct fsal_attrlist *attrs_in,
	       struct fsal_obj_handle **handle,
	       struct fsal_attrlist *attrs_out),
	      (sub_of(obj), name, type, attrs_in, &sub, attrs_out))

PASS_MAKE_OBJ(symlink,
	      (struct fsal_obj_handle *obj, const char *name,
	       const char *content, struct fsal_attrlist *attrs_in,
	       struct fsal_obj_handle **handle,
	       struct fsal_attrlist *attrs_out),
	      (sub_of(obj), name, content, attrs_in, &sub, attrs_out))

/* What a directory entry needs on its way up. */
struct readdir_up {
	struct fsal_export *export;
	fsal_readdir_cb cb;
	void *dir_state;
};

static enum fsal_dir_result readdir_up(const char *name,
				       struct fsal_obj_handle *sub,
				       struct fsal_attrlist *attrs,
				       void *dir_state, fsal_cookie_t cookie)
{
	const struct readdir_up *up = dir_state;
	struct fsal_obj_handle *obj = NULL;
	RUN_AS(up->export);

	rpcbuf_handle_wrap(fsalstat(ERR_FSAL_NO_ERROR, 0), up->export, sub,
			   &obj);
	return up->cb(name, obj, attrs, up->dir_state, cookie);
}

fsal_status_t rpcbuf_obj_readdir(struct fsal_obj_handle *obj,
				 fsal_cookie_t *whence, void *dir_state,
				 fsal_readdir_cb cb, attrmask_t attrmask,
				 bool *eof)
{
	struct readdir_up up = { op_ctx->fsal_export, cb, dir_state };
	RUN_AS(sub_export_now());

	return sub_of(obj)->obj_ops->readdir(sub_of(obj), whence, &up,
					     readdir_up, attrmask, eof);
}

PASS_OBJ(fsal_cookie_t, compute_readdir_cookie,
	 (struct fsal_obj_handle *obj, const char *name),
	 (sub_of(obj), name))

PASS_OBJ(int, dirent_cmp,
	 (struct fsal_obj_handle *obj, const char *name1, fsal_cookie_t cookie1,
	  const char *name2, fsal_cookie_t cookie2),
	 (sub_of(obj), name1, cookie1, name2, cookie2))

PASS_OBJ(fsal_status_t, readlink,
	 (struct fsal_obj_handle *obj, struct gsh_buffdesc *content,
	  bool refresh),
	 (sub_of(obj), content, refresh))

PASS_OBJ(fsal_status_t, link,
	 (struct fsal_obj_handle *obj, struct fsal_obj_handle *dir,
	  const char *name),
	 (sub_of(obj), sub_of(dir), name))

PASS_OBJ(fsal_status_t, rename,
	 (struct fsal_obj_handle *obj, struct fsal_obj_handle *old_dir,
	  const char *old_name, struct fsal_obj_handle *new_dir,
	  const char *new_name),
	 (sub_of(obj), sub_of(old_dir), old_name, sub_of(new_dir), new_name))

/* Here the first parameter is the directory. */
PASS_OBJ(fsal_status_t, unlink,
	 (struct fsal_obj_handle *obj, struct fsal_obj_handle *victim,
	  const char *name),
	 (sub_of(obj), sub_of(victim), name))

PASS_OBJ(fsal_status_t, test_access,
	 (struct fsal_obj_handle *obj, fsal_accessflags_t type,
	  fsal_accessflags_t *allowed, fsal_accessflags_t *denied,
	  bool owner_skip),
	 (sub_of(obj), type, allowed, denied, owner_skip))

PASS_OBJ(fsal_status_t, getattrs,
	 (struct fsal_obj_handle *obj, struct fsal_attrlist *attrs_out),
	 (sub_of(obj), attrs_out))

PASS_OBJ(fsal_status_t, setattr2,
	 (struct fsal_obj_handle *obj, bool bypass, struct state_t *state,
	  struct fsal_attrlist *attrs),
	 (sub_of(obj), bypass, state, attrs))

PASS_OBJ(fsal_status_t, handle_to_wire,
	 (const struct fsal_obj_handle *obj, fsal_digesttype_t type,
	  struct gsh_buffdesc *wire),
	 (sub_of(obj), type, wire))

PASS_OBJ(void, handle_to_key,
	 (struct fsal_obj_handle *obj, struct gsh_buffdesc *key),
	 (sub_of(obj), key))

bool rpcbuf_obj_handle_cmp(struct fsal_obj_handle *obj,
			   struct fsal_obj_handle *other)
{
	RUN_AS(sub_export_now());

	if (obj == NULL || other == NULL)
		return false;
	return sub_of(obj)->obj_ops->handle_cmp(sub_of(obj), sub_of(other));
}

PASS_OBJ(bool, is_referral,
	 (struct fsal_obj_handle *obj, struct fsal_attrlist *attrs,
	  bool cache_attrs),
	 (sub_of(obj), attrs, cache_attrs))
