/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * FSAL SLOW, for tests: the FSAL named in its block, whose read2 and write2
 * block the calling thread when the offset is SLOW_OFFSET or more, and its
 * unlink when the name begins with SLOW_NAME.
 *
 * FSAL { Name = SLOW; FSAL { Name = VFS; } }
 *
 * Such a read sleeps for SLOW_MS, and on until the file that RPCBUF_SLOW_HOLD
 * names is removed; then it is passed on and finds the end of the file. Such a
 * write continues as well when the server removes the export at its end, which
 * waits until the threads of all such writes have ended. Such an unlink makes a
 * file of that name with "-begun" behind it, and sleeps until the other one is
 * removed.
 *
 * It is no layer of its own: the export is the one of the FSAL below, in whose
 * table of object operations these are exchanged once the first object shows
 * where the table is. One FSAL below at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "stack.h"

#define SLOW_OFFSET (1ull << 40)
#define SLOW_NAME   "slow"
#define SLOW_MS	    200
#define STEP_MS	    10
/* The longest wait for the end of a write; only a hung test reaches it. */
#define PATIENCE_MS 60000

static struct fsal_module slow;
static const char *hold;
static __typeof__(((struct fsal_obj_ops *)NULL)->read2) stock_read2;
static __typeof__(((struct fsal_obj_ops *)NULL)->write2) stock_write2;
static __typeof__(((struct fsal_obj_ops *)NULL)->unlink) stock_unlink;
static __typeof__(((struct export_ops *)NULL)->lookup_path) stock_lookup_path;
static __typeof__(((struct export_ops *)NULL)->prepare_unexport)
	stock_prepare_unexport;
static pthread_key_t writes; /* the thread is in a slow one, or was */
static int writers;	     /* such threads; atomic */
static bool leaving;	     /* atomic */

static bool is_held(void)
{
	return hold && access(hold, F_OK) == 0;
}

static void slow_read2(struct fsal_obj_handle *obj, bool bypass,
		       fsal_async_cb done, struct fsal_io_arg *arg,
		       void *caller_arg)
{
	if (arg->offset >= SLOW_OFFSET) {
		usleep(SLOW_MS * 1000);
		while (is_held())
			usleep(STEP_MS * 1000);
	}
	stock_read2(obj, bypass, done, arg, caller_arg);
}

static void writer_ended(void *arg)
{
	(void)arg;
	__atomic_sub_fetch(&writers, 1, __ATOMIC_SEQ_CST);
}

static void slow_write2(struct fsal_obj_handle *obj, bool bypass,
			fsal_async_cb done, struct fsal_io_arg *arg,
			void *caller_arg)
{
	if (arg->offset >= SLOW_OFFSET) {
		if (!pthread_getspecific(writes) &&
		    pthread_setspecific(writes, &writers) == 0)
			__atomic_add_fetch(&writers, 1, __ATOMIC_SEQ_CST);
		while (is_held() && !__atomic_load_n(&leaving, __ATOMIC_SEQ_CST))
			usleep(STEP_MS * 1000);
	}
	stock_write2(obj, bypass, done, arg, caller_arg);
}

static void say_begun(void)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s-begun", hold);
	close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
}

static fsal_status_t slow_unlink(struct fsal_obj_handle *dir,
				 struct fsal_obj_handle *obj, const char *name)
{
	if (strncmp(name, SLOW_NAME, strlen(SLOW_NAME)) == 0 && is_held()) {
		say_begun();
		while (is_held())
			usleep(STEP_MS * 1000);
	}
	return stock_unlink(dir, obj, name);
}

static void slow_prepare_unexport(struct fsal_export *export)
{
	__atomic_store_n(&leaving, true, __ATOMIC_SEQ_CST);
	for (int ms = 0; ms < PATIENCE_MS; ms += STEP_MS) {
		if (!__atomic_load_n(&writers, __ATOMIC_SEQ_CST))
			break;
		usleep(STEP_MS * 1000);
	}
	stock_prepare_unexport(export);
}

/* Every export looks up its root first, before any client is served. */
static fsal_status_t slow_lookup_path(struct fsal_export *export,
				      const char *path,
				      struct fsal_obj_handle **handle,
				      struct fsal_attrlist *attrs_out)
{
	fsal_status_t status =
		stock_lookup_path(export, path, handle, attrs_out);

	if (!FSAL_IS_ERROR(status) && (*handle)->obj_ops->read2 != slow_read2) {
		stock_read2 = (*handle)->obj_ops->read2;
		(*handle)->obj_ops->read2 = slow_read2;
		stock_write2 = (*handle)->obj_ops->write2;
		(*handle)->obj_ops->write2 = slow_write2;
		stock_unlink = (*handle)->obj_ops->unlink;
		(*handle)->obj_ops->unlink = slow_unlink;
	}
	return status;
}

/* The caller will put its reference when the export goes: it is on the FSAL
 * below, whose export it is. Nothing else would put the reference on this
 * FSAL. */
static fsal_status_t slow_create_export(struct fsal_module *fsal, void *node,
					struct config_error_type *err_type,
					const struct fsal_up_vector *up_ops)
{
	struct rpcbuf_stack below;
	fsal_status_t status;

	if (rpcbuf_stack_read(node, err_type, &below) < 0)
		return fsalstat(ERR_FSAL_INVAL, EINVAL);
	status = below.fsal->m_ops.create_export(below.fsal, below.node,
						 err_type, up_ops);
	if (FSAL_IS_ERROR(status)) {
		fsal_put(below.fsal);
		return status;
	}
	stock_lookup_path = op_ctx->fsal_export->exp_ops.lookup_path;
	op_ctx->fsal_export->exp_ops.lookup_path = slow_lookup_path;
	stock_prepare_unexport = op_ctx->fsal_export->exp_ops.prepare_unexport;
	op_ctx->fsal_export->exp_ops.prepare_unexport = slow_prepare_unexport;
	fsal_put(fsal);
	return status;
}

static fsal_status_t slow_init_config(struct fsal_module *fsal,
				      config_file_t file,
				      struct config_error_type *err_type)
{
	(void)fsal;
	(void)file;
	(void)err_type;
	return fsalstat(ERR_FSAL_NO_ERROR, 0);
}

static MODULE_INIT void load(void)
{
	hold = getenv("RPCBUF_SLOW_HOLD");
	if (pthread_key_create(&writes, writer_ended) != 0)
		return;
	if (register_fsal(&slow, "SLOW", FSAL_MAJOR_VERSION, FSAL_MINOR_VERSION,
			  FSAL_ID_NO_PNFS) != 0)
		return;
	slow.m_ops.init_config = slow_init_config;
	slow.m_ops.create_export = slow_create_export;
}

static MODULE_FINI void unload(void)
{
	unregister_fsal(&slow);
}
