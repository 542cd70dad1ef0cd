/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Files: open, read, write, lock, close.
 *
 * Open files and locks are states that Ganesha allocates through the export's
 * alloc_state, which is the sub-FSAL's: they pass through untouched.  A read
 * or write may complete later, in a thread of the sub-FSAL.
 */
#include "fsal_rpcbuf.h"
#include "request.h"
#include "xdr_pages.h"

fsal_status_t rpcbuf_obj_open2(struct fsal_obj_handle *obj,
			       struct state_t *state,
			       fsal_openflags_t openflags,
			       enum fsal_create_mode createmode,
			       const char *name, struct fsal_attrlist *attrs_in,
			       fsal_verifier_t verifier,
			       struct fsal_obj_handle **new_obj,
			       struct fsal_attrlist *attrs_out,
			       bool *caller_perm_check)
{
	struct fsal_obj_handle *sub = NULL;
	fsal_status_t status;
	{
		RUN_AS(sub_export_now());
		status = sub_of(obj)->obj_ops->open2(
			sub_of(obj), state, openflags, createmode, name,
			attrs_in, verifier, &sub, attrs_out, caller_perm_check);
	}
	/* Opened by handle: some sub-FSALs name the file itself, some none. */
	if (sub == sub_of(obj)) {
		*new_obj = obj;
		return status;
	}
	return rpcbuf_handle_wrap(status, op_ctx->fsal_export, sub, new_obj);
}

PASS_OBJ(fsal_status_t, reopen2,
	 (struct fsal_obj_handle *obj, struct state_t *state,
	  fsal_openflags_t openflags),
	 (sub_of(obj), state, openflags))

PASS_OBJ(fsal_openflags_t, status2,
	 (struct fsal_obj_handle *obj, struct state_t *state),
	 (sub_of(obj), state))

PASS_OBJ(bool, check_verifier,
	 (struct fsal_obj_handle *obj, fsal_verifier_t verifier),
	 (sub_of(obj), verifier))

PASS_OBJ(fsal_status_t, close, (struct fsal_obj_handle *obj), (sub_of(obj)))

PASS_OBJ(fsal_status_t, close2,
	 (struct fsal_obj_handle *obj, struct state_t *state),
	 (sub_of(obj), state))

/* One read or write on its way down; freed by its completion. */
struct io_call {
	struct fsal_obj_handle *obj;
	struct fsal_export *export;
	fsal_async_cb done;
	void *caller_arg;
	struct read_data *read; /* what is read into, or NULL */
	size_t asked;		/* bytes that a read is of */
};

static struct io_call *io_call_new(struct fsal_obj_handle *obj,
				   fsal_async_cb done, void *caller_arg)
{
	struct io_call *call = gsh_malloc(sizeof(*call));

	*call = (struct io_call){
		obj, op_ctx->fsal_export, done, caller_arg, NULL, 0,
	};
	return call;
}

/*
 * Completion, in whichever thread the sub-FSAL has it: that thread's op_ctx
 * names the sub-FSAL's export, what is above must find ours in it.
 */
static void io_done(struct fsal_obj_handle *sub, fsal_status_t status,
		    void *io_arg, void *caller_arg)
{
	struct io_call call = *(struct io_call *)caller_arg;
	RUN_AS(call.export);

	(void)sub;
	gsh_free(caller_arg);
	if (call.read)
		read_done(call.read, io_arg, FSAL_IS_ERROR(status));
	if (call.asked)
		((struct fsal_io_arg *)io_arg)->iov[0].iov_len = call.asked;
	call.done(call.obj, status, io_arg, call.caller_arg);
}

void rpcbuf_obj_read2(struct fsal_obj_handle *obj, bool bypass,
		      fsal_async_cb done, struct fsal_io_arg *arg,
		      void *caller_arg)
{
	struct io_call *call = io_call_new(obj, done, caller_arg);
	struct xdr_pages *running = xdr_pages_running;
	RUN_AS(sub_export_now());

	if (running && read_may_shorten(arg) &&
	    rpcbuf_call_be_short(running->call)) {
		call->asked = arg->iov[0].iov_len;
		if (!read_shorten(&running->read, arg)) {
			io_done(obj, fsalstat(ERR_FSAL_DELAY, 0), arg, call);
			return;
		}
	}
	/* What is encoded twice has to be in Ganesha's block. */
	if (running && !request_is_cached(running->req) &&
	    read_lend(&running->read, arg))
		call->read = &running->read;
	sub_of(obj)->obj_ops->read2(sub_of(obj), bypass, io_done, arg, call);
}

void rpcbuf_obj_write2(struct fsal_obj_handle *obj, bool bypass,
		       fsal_async_cb done, struct fsal_io_arg *arg,
		       void *caller_arg)
{
	struct io_call *call = io_call_new(obj, done, caller_arg);
	RUN_AS(sub_export_now());

	sub_of(obj)->obj_ops->write2(sub_of(obj), bypass, io_done, arg, call);
}

PASS_OBJ(fsal_status_t, commit2,
	 (struct fsal_obj_handle *obj, off_t offset, size_t len),
	 (sub_of(obj), offset, len))

PASS_OBJ(fsal_status_t, fallocate,
	 (struct fsal_obj_handle *obj, struct state_t *state, uint64_t offset,
	  uint64_t length, bool allocate),
	 (sub_of(obj), state, offset, length, allocate))

PASS_OBJ(fsal_status_t, seek,
	 (struct fsal_obj_handle *obj, struct io_info *info),
	 (sub_of(obj), info))

PASS_OBJ(fsal_status_t, seek2,
	 (struct fsal_obj_handle *obj, struct state_t *state,
	  struct io_info *info),
	 (sub_of(obj), state, info))

PASS_OBJ(fsal_status_t, io_advise,
	 (struct fsal_obj_handle *obj, struct io_hints *hints),
	 (sub_of(obj), hints))

PASS_OBJ(fsal_status_t, io_advise2,
	 (struct fsal_obj_handle *obj, struct state_t *state,
	  struct io_hints *hints),
	 (sub_of(obj), state, hints))

PASS_OBJ(fsal_status_t, lock_op2,
	 (struct fsal_obj_handle *obj, struct state_t *state, void *owner,
	  fsal_lock_op_t op, fsal_lock_param_t *request,
	  fsal_lock_param_t *conflict),
	 (sub_of(obj), state, owner, op, request, conflict))

PASS_OBJ(fsal_status_t, lease_op2,
	 (struct fsal_obj_handle *obj, struct state_t *state, void *owner,
	  fsal_deleg_t deleg),
	 (sub_of(obj), state, owner, deleg))
