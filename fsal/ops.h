/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ops.h - the members of Ganesha's three operation tables, by name.
 *
 * One list per table.  It declares our functions, fills the table with them
 * and gives the test that walks the tables its names.  The counts below hold
 * the lists complete: a member that a list forgets does not compile.
 */
#ifndef FSAL_RPCBUF_OPS_H
#define FSAL_RPCBUF_OPS_H

#include "abi.h"

/* struct fsal_ops: what a module answers. */
#define FSAL_RPCBUF_MODULE_OPS(X)                                             \
	X(unload) X(init_config) X(dump_config) X(create_export)              \
	X(update_export) X(emergency_cleanup) X(getdeviceinfo)                \
	X(fs_da_addr_size) X(create_fsal_pnfs_ds) X(fsal_pnfs_ds_ops)         \
	X(fsal_extract_stats) X(fsal_reset_stats)

/* struct export_ops: what an export answers. */
#define FSAL_RPCBUF_EXPORT_OPS(X)                                             \
	X(get_name) X(prepare_unexport) X(unexport) X(unmount) X(release)     \
	X(lookup_path) X(lookup_junction) X(wire_to_host) X(host_to_key)      \
	X(create_handle) X(get_fs_dynamic_info) X(fs_supports)                \
	X(fs_maxfilesize) X(fs_maxread) X(fs_maxwrite) X(fs_maxlink)          \
	X(fs_maxnamelen) X(fs_maxpathlen) X(fs_acl_support)                   \
	X(fs_supported_attrs) X(fs_umask) X(check_quota) X(get_quota)         \
	X(set_quota) X(getdevicelist) X(fs_layouttypes)                       \
	X(fs_layout_blocksize) X(fs_maximum_segments) X(fs_loc_body_size)     \
	X(get_write_verifier) X(alloc_state) X(free_state) X(is_superuser)    \
	X(fs_expiretimeparent)

/* struct fsal_obj_ops: what a file or directory answers. */
#define FSAL_RPCBUF_OBJ_OPS(X)                                                \
	X(get_ref) X(put_ref) X(release) X(merge) X(lookup) X(readdir)        \
	X(compute_readdir_cookie) X(dirent_cmp) X(mkdir) X(mknode)            \
	X(symlink) X(readlink) X(test_access) X(getattrs) X(link) X(rename)   \
	X(unlink) X(seek) X(io_advise) X(close) X(fallocate)                  \
	X(list_ext_attrs) X(getextattr_id_by_name)                            \
	X(getextattr_value_by_name) X(getextattr_value_by_id)                 \
	X(setextattr_value) X(setextattr_value_by_id)                         \
	X(remove_extattr_by_id) X(remove_extattr_by_name) X(handle_to_wire)   \
	X(handle_to_key) X(handle_cmp) X(layoutget) X(layoutreturn)           \
	X(layoutcommit) X(getxattrs) X(setxattrs) X(removexattrs)             \
	X(listxattrs) X(open2) X(check_verifier) X(status2) X(reopen2)        \
	X(read2) X(write2) X(seek2) X(io_advise2) X(commit2) X(lock_op2)      \
	X(lease_op2) X(setattr2) X(close2) X(is_referral)

#define FSAL_RPCBUF_MODULE_INDEX(op) FSAL_RPCBUF_MODULE_##op,
#define FSAL_RPCBUF_EXPORT_INDEX(op) FSAL_RPCBUF_EXPORT_##op,
#define FSAL_RPCBUF_OBJ_INDEX(op)    FSAL_RPCBUF_OBJ_##op,

enum {
	FSAL_RPCBUF_MODULE_OPS(FSAL_RPCBUF_MODULE_INDEX)
	FSAL_RPCBUF_MODULE_OPS_NR
};
enum {
	FSAL_RPCBUF_EXPORT_OPS(FSAL_RPCBUF_EXPORT_INDEX)
	FSAL_RPCBUF_EXPORT_OPS_NR
};
enum {
	FSAL_RPCBUF_OBJ_OPS(FSAL_RPCBUF_OBJ_INDEX)
	FSAL_RPCBUF_OBJ_OPS_NR
};

#define FSAL_RPCBUF_TABLE_NR(table) (sizeof(table) / sizeof(void (*)(void)))

_Static_assert(FSAL_RPCBUF_TABLE_NR(struct fsal_ops) ==
		       FSAL_RPCBUF_MODULE_OPS_NR,
	       "FSAL_RPCBUF_MODULE_OPS does not name every member");
_Static_assert(FSAL_RPCBUF_TABLE_NR(struct export_ops) ==
		       FSAL_RPCBUF_EXPORT_OPS_NR,
	       "FSAL_RPCBUF_EXPORT_OPS does not name every member");
_Static_assert(FSAL_RPCBUF_TABLE_NR(struct fsal_obj_ops) ==
		       FSAL_RPCBUF_OBJ_OPS_NR,
	       "FSAL_RPCBUF_OBJ_OPS does not name every member");

#endif
