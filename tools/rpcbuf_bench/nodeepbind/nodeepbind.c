/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded into ganesha.nfsd together with another allocator: modules are then
 * opened without RTLD_DEEPBIND.
 *
 * Ganesha opens its FSALs with that flag, so they find malloc and free in libc
 * first, whatever is preloaded, while the core uses what is preloaded. FSAL_VFS
 * frees blocks of the core when an export is made: glibc's free() then ends the
 * process. Without the flag the whole server has one allocator.
 */
#include <dlfcn.h>

__attribute__((visibility("default"))) void *dlopen(const char *path, int flags)
{
	static __typeof__(dlopen) *next;

	/* A race stores the same address twice. */
	if (!next)
		*(void **)&next = dlsym(RTLD_NEXT, "dlopen");
	return next(path, flags & ~RTLD_DEEPBIND);
}
