/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Proof at load time that the server around us has the layout we were
 * compiled for.  Runs once, in the module's constructor, in one thread.
 */
#include <errno.h>
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include "abi.h"
#include "pnfs_utils.h"

/* Exported, though its header is not part of the SDK. */
extern struct fsal_pnfs_ds_ops def_pnfs_ds_ops;

/* The soname of the library that defines @symbol, or NULL. */
static const char *soname_of(const void *symbol)
{
	const char *strings = NULL;
	struct link_map *map;
	const ElfW(Dyn) *entry;
	size_t name = 0;
	Dl_info info;

	if (!dladdr1(symbol, &info, (void **)&map, RTLD_DL_LINKMAP))
		return NULL;
	for (entry = map->l_ld; entry->d_tag != DT_NULL; entry++) {
		if (entry->d_tag == DT_STRTAB)
			strings = (const char *)entry->d_un.d_ptr;
		else if (entry->d_tag == DT_SONAME)
			name = entry->d_un.d_val;
	}
	return strings && name ? strings + name : NULL;
}

static int check_soname(const void *symbol, const char *expected, char *why,
			size_t len)
{
	const char *found = soname_of(symbol);

	if (found && strcmp(found, expected) == 0)
		return 0;
	snprintf(why, len, "it is built for %s, this server runs %s", expected,
		 found ? found : "a library without a name");
	return -ENOTSUP;
}

static int check_size(const char *what, size_t found, size_t expected,
		      char *why, size_t len)
{
	if (found == expected)
		return 0;
	snprintf(why, len,
		 "%s has %zu bytes in this server and %zu where it was built",
		 what, found, expected);
	return -ENOTSUP;
}

/* The size that the defining library's symbol table gives for @symbol. */
static size_t size_of_symbol(const void *symbol)
{
	const ElfW(Sym) *entry;
	Dl_info info;

	if (!dladdr1(symbol, &info, (void **)&entry, RTLD_DL_SYMENT) || !entry)
		return 0;
	return entry->st_size;
}

/* How much of a guarded buffer the server fills for an object's table. */
static size_t size_of_obj_table(void)
{
	unsigned char guarded[2 * sizeof(struct fsal_obj_ops)]
		__attribute__((aligned(_Alignof(struct fsal_obj_ops))));
	size_t filled = sizeof(guarded);

	memset(guarded, 0xa5, sizeof(guarded));
	fsal_default_obj_ops_init((struct fsal_obj_ops *)guarded);
	while (filled > 0 && guarded[filled - 1] == 0xa5)
		filled--;
	return filled;
}

int fsal_rpcbuf_abi_check(char *why, size_t len)
{
	const struct {
		const char *what;
		const void *symbol;
		size_t size;
	} symbols[] = {
		{ "nfs_param", &nfs_param, sizeof(nfs_param) },
		{ "def_pnfs_ds_ops", &def_pnfs_ds_ops,
		  sizeof(def_pnfs_ds_ops) },
		{ "__ntirpc_pkg_params", &__ntirpc_pkg_params,
		  sizeof(__ntirpc_pkg_params) },
	};
	int rc = check_soname((const void *)register_fsal,
			      FSAL_RPCBUF_GANESHA_SONAME, why, len);

	if (rc == 0)
		rc = check_soname((const void *)tirpc_control,
				  FSAL_RPCBUF_NTIRPC_SONAME, why, len);
	for (size_t i = 0; rc == 0 && i < sizeof(symbols) / sizeof(*symbols);
	     i++)
		rc = check_size(symbols[i].what,
				size_of_symbol(symbols[i].symbol),
				symbols[i].size, why, len);
	if (rc == 0)
		rc = check_size("struct fsal_obj_ops", size_of_obj_table(),
				sizeof(struct fsal_obj_ops), why, len);
	return rc;
}
