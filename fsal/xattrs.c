/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Extended attributes: by name, by number, and those of RFC 8276.
 * Nothing is kept here; the sub-FSAL locks what needs it.
 */
#include "fsal_rpcbuf.h"

PASS_OBJ(fsal_status_t, list_ext_attrs,
	 (struct fsal_obj_handle *obj, unsigned int cookie,
	  fsal_xattrent_t *table, unsigned int table_size, unsigned int *nr,
	  int *end_of_list),
	 (sub_of(obj), cookie, table, table_size, nr, end_of_list))

PASS_OBJ(fsal_status_t, getextattr_id_by_name,
	 (struct fsal_obj_handle *obj, const char *name, unsigned int *id),
	 (sub_of(obj), name, id))

PASS_OBJ(fsal_status_t, getextattr_value_by_name,
	 (struct fsal_obj_handle *obj, const char *name, void *buffer,
	  size_t size, size_t *output_size),
	 (sub_of(obj), name, buffer, size, output_size))

PASS_OBJ(fsal_status_t, getextattr_value_by_id,
	 (struct fsal_obj_handle *obj, unsigned int id, void *buffer,
	  size_t size, size_t *output_size),
	 (sub_of(obj), id, buffer, size, output_size))

PASS_OBJ(fsal_status_t, setextattr_value,
	 (struct fsal_obj_handle *obj, const char *name, void *buffer,
	  size_t size, int create),
	 (sub_of(obj), name, buffer, size, create))

PASS_OBJ(fsal_status_t, setextattr_value_by_id,
	 (struct fsal_obj_handle *obj, unsigned int id, void *buffer,
	  size_t size),
	 (sub_of(obj), id, buffer, size))

PASS_OBJ(fsal_status_t, remove_extattr_by_id,
	 (struct fsal_obj_handle *obj, unsigned int id),
	 (sub_of(obj), id))

PASS_OBJ(fsal_status_t, remove_extattr_by_name,
	 (struct fsal_obj_handle *obj, const char *name),
	 (sub_of(obj), name))

PASS_OBJ(fsal_status_t, getxattrs,
	 (struct fsal_obj_handle *obj, xattrkey4 *name, xattrvalue4 *value),
	 (sub_of(obj), name, value))

PASS_OBJ(fsal_status_t, setxattrs,
	 (struct fsal_obj_handle *obj, setxattr_option4 option, xattrkey4 *name,
	  xattrvalue4 *value),
	 (sub_of(obj), option, name, value))

PASS_OBJ(fsal_status_t, removexattrs,
	 (struct fsal_obj_handle *obj, xattrkey4 *name),
	 (sub_of(obj), name))

PASS_OBJ(fsal_status_t, listxattrs,
	 (struct fsal_obj_handle *obj, count4 max, nfs_cookie4 *cookie,
	  bool_t *eof, xattrlist4 *names),
	 (sub_of(obj), max, cookie, eof, names))
