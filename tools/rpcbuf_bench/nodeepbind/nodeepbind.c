/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preload this into ganesha.nfsd together with another allocator: modules are
 * then opened without RTLD_DEEPBIND.
 *
 * Ganesha opens its FSALs with that flag.  So they find malloc() and free() in
 * libc, while the core uses the preloaded ones.  FSAL_VFS frees blocks of the
 * core when an export is created, and glibc's free() then aborts the process.
 * Without the flag the whole server uses one allocator.
 */
#include <dlfcn.h>

__attribute__((visibility("default"))) void *dlopen(const char *path, int flags)
{
	static __typeof__(dlopen) *next;

	/* Racing threads store the same address. */
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "dlopen");
	return next(path, flags & ~RTLD_DEEPBIND);
}
