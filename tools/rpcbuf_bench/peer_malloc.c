/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Allocators with malloc's interface, each from its own library, and glibc's.
 * Each page comes from posix_memalign, because pages are aligned to their size.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

#include "peers.h"

struct library {
	int (*memalign)(void **out, size_t align, size_t size);
	void (*free)(void *block);
};

WORK_INLINE bool library_fill(void *pool, void **pages, unsigned int nr)
{
	const struct library *library = pool;

	for (unsigned int i = 0; i < nr; i++)
		if (library->memalign(&pages[i], WORK_PAGE, WORK_PAGE))
			return false;
	return true;
}

WORK_INLINE void library_release(void *pool, void **pages, unsigned int nr)
{
	const struct library *library = pool;

	for (unsigned int i = 0; i < nr; i++)
		library->free(pages[i]);
}

WORK_DEFINE(library);

/* dlsym() returns an object pointer, also for functions. */
static bool resolve(struct library *library, void *handle)
{
	*(void **)&library->memalign = dlsym(handle, "posix_memalign");
	*(void **)&library->free = dlsym(handle, "free");
	return library->memalign && library->free;
}

static bool open_library(struct peer *peer, struct library *library,
			 const char *file, const char *package,
			 char why[PEER_WHY])
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);

	if (!handle) {
		snprintf(why, PEER_WHY, "%s (Debian package %s)", dlerror(),
			 package);
		return false;
	}
	if (!resolve(library, handle)) {
		snprintf(why, PEER_WHY, "%s has no posix_memalign", file);
		return false;
	}
	for (unsigned int i = 0; i < PEER_THREADS; i++)
		peer->pool[i] = library;
	return true;
}

#define LIBRARY(id, file, package)                                       \
	static bool open_##id(struct peer *peer, char why[PEER_WHY])     \
	{                                                                \
		static struct library library;                           \
		return open_library(peer, &library, file, package, why); \
	}                                                                \
	struct peer peer_##id = {                                        \
		.name = #id,                                             \
		.about = "posix_memalign of " file,                      \
		.ops = &library_ops,                                     \
		.open = open_##id,                                       \
		.cases = CASES_ALLOC,                                    \
	}

LIBRARY(tcmalloc, "libtcmalloc_minimal.so.4", "libtcmalloc-minimal4");
LIBRARY(jemalloc, "libjemalloc.so.2", "libjemalloc2");
LIBRARY(mimalloc, "libmimalloc.so.2", "libmimalloc2.0");
LIBRARY(glibc, "libc.so.6", "libc6");
