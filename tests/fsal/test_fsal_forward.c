/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: every operation arrives at the sub-FSAL as the same operation, on its
 * object or export, with op_ctx naming its export; results (entries of a
 * directory, completions in another thread, new objects) arrive above with the
 * plug-in's objects.
 *
 * Method: in a server with the plug-in over a sub-FSAL of this file, SPY, whose
 * tables hold one recording function per member, call every member of the
 * plug-in's tables and check the recordings. The lists in fsal/ops.h generate
 * the recording functions and the calls.
 */
#include "host.h"

static struct fsal_module spy;
static struct fsal_obj_ops spy_obj_ops;
static struct fsal_obj_handle spy_root, spy_entry;
static int failures;

/* The last recording. */
static struct {
	const char *op;
	int calls;
	const void *self;
	const struct fsal_export *context;
} seen;

static void expect(bool ok, const char *op, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "%s: %s\n", op, what);
	failures++;
}

static uintptr_t record(const char *op, const void *self)
{
	seen.op = op;
	seen.calls++;
	seen.self = self;
	seen.context = op_ctx->fsal_export;
	return 0;
}

static void expect_forwarded(const char *op, const void *self)
{
	expect(seen.calls == 1 && strcmp(seen.op, op) == 0, op,
	       seen.calls ? "went to another operation" : "went nowhere");
	expect(seen.self == self, op, "not on the sub-FSAL's object");
	expect(seen.context == host.below, op,
	       "ran without the sub-FSAL's export in op_ctx");
	expect(op_ctx->fsal_export == host.ours, op,
	       "did not put our export back into op_ctx");
	memset(&seen, 0, sizeof(seen));
}

/*
 * The recording functions read only their first argument and return zero, which
 * is success, false, nothing. So caller and function disagree on the type,
 * which the calling conventions of Ganesha's platforms allow.
 */
#define RECORD(table, op)                                                     \
	static uintptr_t spy_##table##_##op(const void *self)                 \
	{                                                                     \
		return record(#op, self);                                     \
	}
#define RECORD_MODULE(op) RECORD(module, op)
#define RECORD_EXPORT(op) RECORD(export, op)
#define RECORD_OBJ(op)	  RECORD(obj, op)
FSAL_RPCBUF_MODULE_OPS(RECORD_MODULE)
FSAL_RPCBUF_EXPORT_OPS(RECORD_EXPORT)
FSAL_RPCBUF_OBJ_OPS(RECORD_OBJ)

typedef void (*member_fn)(void);
#define SET(op, fn)   ops->op = (__typeof__(ops->op))(member_fn)(fn);
#define SET_MODULE(op) SET(op, spy_module_##op)
#define SET_EXPORT(op) SET(op, spy_export_##op)
#define SET_OBJ(op)    SET(op, spy_obj_##op)

/* Every argument but the first is this: zeros to read, room to write. */
static char scratch[4096] __attribute__((aligned(16)));

static uintptr_t call(member_fn fn, void *self)
{
	typedef uintptr_t (*any_fn)(void *, void *, void *, void *, void *,
				    void *, void *, void *, void *, void *);

	memset(scratch, 0, sizeof(scratch));
	return ((any_fn)fn)(self, scratch, scratch, scratch, scratch, scratch,
			    scratch, scratch, scratch, scratch);
}

/* Behaviour of SPY where a zero is not enough. */

static fsal_status_t give(struct fsal_obj_handle *obj,
			  struct fsal_obj_handle **handle)
{
	*handle = obj;
	return fsalstat(ERR_FSAL_NO_ERROR, 0);
}

static fsal_status_t spy_lookup_path(struct fsal_export *export,
				     const char *path,
				     struct fsal_obj_handle **handle,
				     struct fsal_attrlist *attrs_out)
{
	(void)path;
	(void)attrs_out;
	record("lookup_path", export);
	return give(&spy_root, handle);
}

static fsal_status_t spy_lookup(struct fsal_obj_handle *obj, const char *name,
				struct fsal_obj_handle **handle,
				struct fsal_attrlist *attrs_out)
{
	(void)name;
	(void)attrs_out;
	record("lookup", obj);
	return give(&spy_entry, handle);
}

static uint32_t spy_max;

static uint32_t spy_fs_maxwrite(struct fsal_export *export)
{
	record("fs_maxwrite", export);
	return spy_max;
}

static uint32_t spy_fs_maxread(struct fsal_export *export)
{
	record("fs_maxread", export);
	return spy_max;
}

static fsal_status_t spy_get_fs_dynamic_info(struct fsal_export *export,
					     struct fsal_obj_handle *obj,
					     fsal_dynamicfsinfo_t *info)
{
	(void)obj;
	record("get_fs_dynamic_info", export);
	info->maxread = info->maxwrite = spy_max;
	return fsalstat(ERR_FSAL_NO_ERROR, 0);
}

static fsal_status_t spy_readdir(struct fsal_obj_handle *obj,
				 fsal_cookie_t *whence, void *dir_state,
				 fsal_readdir_cb cb, attrmask_t mask, bool *eof)
{
	(void)whence;
	(void)mask;
	record("readdir", obj);
	/* The walk over all members passes no callback. */
	if (cb == NULL || dir_state == scratch || eof == (void *)scratch)
		return fsalstat(ERR_FSAL_NO_ERROR, 0);
	expect(cb("entry", &spy_entry, NULL, dir_state, 7) == DIR_TERMINATE,
	       "readdir", "lost what the callback returned");
	expect(op_ctx->fsal_export == host.below, "readdir",
	       "the callback left another export in op_ctx");
	return fsalstat(ERR_FSAL_NO_ERROR, 0);
}

/* A write that waits for its completion. */
static struct {
	fsal_async_cb done;
	void *arg, *caller_arg;
} pending;

static void spy_write2(struct fsal_obj_handle *obj, bool bypass,
		       fsal_async_cb done, struct fsal_io_arg *arg,
		       void *caller_arg)
{
	(void)bypass;
	record("write2", obj);
	pending.done = done;
	pending.arg = arg;
	pending.caller_arg = caller_arg;
}

static void set_obj_ops(struct fsal_obj_ops *ops)
{
	FSAL_RPCBUF_OBJ_OPS(SET_OBJ)
	ops->lookup = spy_lookup;
	ops->readdir = spy_readdir;
	ops->write2 = spy_write2;
}

static void set_export_ops(struct export_ops *ops)
{
	FSAL_RPCBUF_EXPORT_OPS(SET_EXPORT)
	ops->lookup_path = spy_lookup_path;
	ops->fs_maxwrite = spy_fs_maxwrite;
	ops->fs_maxread = spy_fs_maxread;
	ops->get_fs_dynamic_info = spy_get_fs_dynamic_info;
}

static fsal_status_t spy_create_export(struct fsal_module *fsal, void *node,
				       struct config_error_type *err_type,
				       const struct fsal_up_vector *up_ops)
{
	static struct fsal_export export;

	(void)node;
	(void)err_type;
	fsal_export_init(&export);
	set_export_ops(&export.exp_ops);
	export.fsal = fsal;
	export.up_ops = up_ops;
	op_ctx->fsal_export = &export;
	spy_root.obj_ops = spy_entry.obj_ops = &spy_obj_ops;
	spy_root.fileid = 1;
	spy_entry.fileid = 2;
	spy_entry.fsid.major = 3;
	spy_entry.fs = (struct fsal_filesystem *)scratch;
	spy_entry.type = REGULAR_FILE;
	return fsalstat(ERR_FSAL_NO_ERROR, 0);
}

static void set_module_ops(struct fsal_ops *ops)
{
	FSAL_RPCBUF_MODULE_OPS(SET_MODULE)
	ops->create_export = spy_create_export;
}

static void setup(void)
{
	if (register_fsal(&spy, "SPY", FSAL_MAJOR_VERSION, FSAL_MINOR_VERSION,
			  FSAL_ID_NO_PNFS) != 0)
		_exit(2);
	set_module_ops(&spy.m_ops);
	set_obj_ops(&spy_obj_ops);
}

/* The tests, in the server. */

static struct fsal_obj_handle *our_root(void)
{
	struct fsal_obj_handle *root = NULL;

	host.ours->exp_ops.lookup_path(host.ours, "/", &root, NULL);
	memset(&seen, 0, sizeof(seen));
	return root;
}

#define CALL_OBJ(op)                                                          \
	{                                                                     \
		struct fsal_obj_handle *obj = our_root();                     \
		call((member_fn)obj->obj_ops->op, obj);                       \
		expect_forwarded(#op, &spy_root);                             \
	}

static void test_objects(void)
{
	FSAL_RPCBUF_OBJ_OPS(CALL_OBJ)
}

/* get_name names both layers; release ends the export and comes last. */
#define CALL_EXPORT(op)                                                       \
	if (strcmp(#op, "get_name") != 0 && strcmp(#op, "release") != 0) {    \
		call((member_fn)host.ours->exp_ops.op, host.ours);            \
		expect_forwarded(#op, host.below);                            \
	}

static void test_exports(void)
{
	FSAL_RPCBUF_EXPORT_OPS(CALL_EXPORT)
	expect(strcmp(host.ours->exp_ops.get_name(host.ours), "SPY/RPCBUF") ==
		       0,
	       "get_name", "does not name both layers");
	/* The vector itself: the sub-FSAL allocates it on the stack. */
	expect(host.below->up_ops != NULL &&
		       host.below->up_ops == host.ours->up_ops,
	       "up_ops", "is not what Ganesha gave us");
}

/* A module's operations run on the sub-FSAL's module; dump_config and
 * emergency_cleanup are Ganesha's, init_config and unload the plug-in's. */
static void test_module(void)
{
	struct fsal_module *fsal = host.ours->fsal;
	struct fsal_pnfs_ds *ds = NULL;

	host.ours->super_export = &(struct fsal_export){ .fsal = &host.module };
#define CALL_MODULE(name, ...)                                                \
	fsal->m_ops.name(__VA_ARGS__);                                        \
	expect(seen.calls == 1 && strcmp(seen.op, #name) == 0, #name,         \
	       "was not forwarded");                                          \
	memset(&seen, 0, sizeof(seen));

	CALL_MODULE(getdeviceinfo, fsal, NULL, LAYOUT4_NFSV4_1_FILES, NULL)
	CALL_MODULE(fs_da_addr_size, fsal)
	CALL_MODULE(fsal_pnfs_ds_ops, (struct fsal_pnfs_ds_ops *)scratch)
	CALL_MODULE(fsal_extract_stats, fsal, NULL)
	CALL_MODULE(fsal_reset_stats, fsal)
	CALL_MODULE(create_fsal_pnfs_ds, fsal, host.node, &ds)
	CALL_MODULE(update_export, fsal, host.node, host.err_type, host.ours,
		    &host.module)
}

/* Answers of the sub-FSAL, answers of the plug-in, and additions for a file
 * system. */
static void test_sizes(void)
{
	static const uint32_t cases[][3] = {
		{ 64 << 20, 1 << 20, 1 << 20 },
		{ 0, 1 << 20, 0 },
		{ 65536, 65536, 65536 },
	};
	fsal_dynamicfsinfo_t info;

	for (size_t i = 0; i < 3; i++) {
		spy_max = cases[i][0];
		expect(host.ours->exp_ops.fs_maxwrite(host.ours) == cases[i][1],
		       "fs_maxwrite", "is not the smaller of the two limits");
		expect(host.ours->exp_ops.fs_maxread(host.ours) == cases[i][1],
		       "fs_maxread", "is not the smaller of the two limits");
		host.ours->exp_ops.get_fs_dynamic_info(host.ours, our_root(),
						       &info);
		expect(info.maxread == cases[i][2] &&
			       info.maxwrite == cases[i][2],
		       "get_fs_dynamic_info", "has larger limits than ours");
	}
}

static void test_new_object(void)
{
	struct fsal_obj_handle *root = our_root(), *entry = NULL;

	root->obj_ops->lookup(root, "entry", &entry, NULL);
	expect_forwarded("lookup", &spy_root);
	expect(entry && entry != &spy_entry && entry->obj_ops == root->obj_ops,
	       "lookup", "did not put an object of ours on the sub-FSAL's");
	expect(entry->fileid == 2 && entry->fsid.major == 3 &&
		       entry->type == REGULAR_FILE &&
		       entry->fs == spy_entry.fs &&
		       entry->fsal == host.ours->fsal,
	       "lookup", "the object is not described as the sub-FSAL's is");
	call((member_fn)entry->obj_ops->getattrs, entry);
	expect_forwarded("getattrs", &spy_entry);
}

static enum fsal_dir_result entry_cb(const char *name,
				     struct fsal_obj_handle *obj,
				     struct fsal_attrlist *attrs,
				     void *dir_state, fsal_cookie_t cookie)
{
	(void)attrs;
	expect(strcmp(name, "entry") == 0 && cookie == 7, "readdir",
	       "changed the entry");
	expect(op_ctx->fsal_export == host.ours, "readdir",
	       "called back without our export in op_ctx");
	expect(obj != &spy_entry && obj->fsal == host.ours->fsal, "readdir",
	       "called back with an object that is not ours");
	++*(int *)dir_state;
	return DIR_TERMINATE;
}

static void test_readdir(void)
{
	struct fsal_obj_handle *root = our_root();
	fsal_cookie_t whence = 0;
	int entries = 0;
	bool eof;

	root->obj_ops->readdir(root, &whence, &entries, entry_cb, 0, &eof);
	expect_forwarded("readdir", &spy_root);
	expect(entries == 1, "readdir", "lost an entry");
}

static struct fsal_obj_handle *written;
static int completions;

static void write_done(struct fsal_obj_handle *obj, fsal_status_t status,
		       void *arg, void *caller_arg)
{
	completions++;
	expect(op_ctx->fsal_export == host.ours, "write2",
	       "completed without our export in op_ctx");
	expect(obj == written && status.major == ERR_FSAL_DELAY &&
		       arg == scratch && caller_arg == &written,
	       "write2", "completed with other arguments");
}

static void *complete(void *ctx_export)
{
	struct req_op_context context;

	get_gsh_export_ref(ctx_export);
	init_op_context_simple(&context, ctx_export, host.below);
	pending.done(&spy_root, fsalstat(ERR_FSAL_DELAY, 0), pending.arg,
		     pending.caller_arg);
	expect(op_ctx->fsal_export == host.below, "write2",
	       "completion left another export in the sub-FSAL's op_ctx");
	return NULL;
}

static void test_async(void)
{
	pthread_t thread;

	written = our_root();
	written->obj_ops->write2(written, false, write_done,
				 (struct fsal_io_arg *)scratch, &written);
	expect_forwarded("write2", &spy_root);
	expect(completions == 0, "write2", "completed before its time");
	pthread_create(&thread, NULL, complete, op_ctx->ctx_export);
	pthread_join(thread, NULL);
	expect(completions == 1, "write2", "did not complete once");
}

static void test_release(void)
{
	struct fsal_export *ours = host.ours;

	call((member_fn)ours->exp_ops.release, ours);
	expect_forwarded("release", host.below);
}

static int test_all(struct host *h)
{
	(void)h;
	memset(&seen, 0, sizeof(seen));
	test_objects();
	test_exports();
	test_module();
	test_sizes();
	memset(&seen, 0, sizeof(seen));
	test_new_object();
	test_readdir();
	test_async();
	test_release();
	printf("%d + %d operations forwarded, %d failures\n",
	       FSAL_RPCBUF_OBJ_OPS_NR, FSAL_RPCBUF_EXPORT_OPS_NR, failures);
	return failures;
}

int main(void)
{
	static const struct host_case over_spy = {
		.sub = "SPY",
		.path = "/spy",
		.setup = setup,
		.body = test_all,
	};

	return host_run(&over_spy);
}
