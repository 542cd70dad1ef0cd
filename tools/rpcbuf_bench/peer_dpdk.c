/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Loads the module with the rte_mempool loops (dpdk/adapter.c): from the
 * program's folder, or from where it is installed.
 */
#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "peers.h"

#define MODULE "rpcbuf-bench-dpdk.so"

/* Path of the module in the program's folder; empty: unknown. */
static void beside(char path[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", path, PATH_MAX - 1);
	char *slash;

	path[len > 0 ? len : 0] = '\0';
	slash = strrchr(path, '/');
	if (!slash || strlen(MODULE) >= (size_t)(path + PATH_MAX - slash - 1))
		path[0] = '\0';
	else
		strcpy(slash + 1, MODULE);
}

static void *load_module(char why[PEER_WHY])
{
	char path[PATH_MAX];
	void *module;

	beside(path);
	if (access(path, R_OK) != 0)
		snprintf(path, sizeof(path), "%s/%s", RPCBUF_MODULES, MODULE);
	if (access(path, R_OK) != 0) {
		snprintf(why, PEER_WHY,
			 "there is no %s: rpcbuf was built where libdpdk-dev "
			 "was not installed",
			 MODULE);
		return NULL;
	}
	module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!module)
		snprintf(why, PEER_WHY, "%s", dlerror());
	return module;
}

static bool dpdk_open(struct peer *peer, char why[PEER_WHY])
{
	void *module = load_module(why);
	const struct peer *found = module ? dlsym(module, "bench_dpdk") : NULL;

	if (!found)
		return false;
	peer->ops = found->ops;
	peer->enter = found->enter;
	return found->open(peer, why);
}

struct peer peer_dpdk = {
	.name = "rte_mempool",
	.about = "DPDK's rte_mempool in bulk, with its per-core cache",
	.open = dpdk_open,
	.cases = CASES_ALLOC,
};
