/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * abi.h - which Ganesha this is built for, and every difference between
 * versions.  Ganesha's headers come in through here.
 *
 * Ganesha's headers have no stable layout: it depends on the version and on
 * the switches that the server was configured with.  Both are proven: at
 * build time by the assertions below, when the module is loaded by
 * fsal_rpcbuf_abi_check().  Everything else may then rely on the structs.
 */
#ifndef FSAL_RPCBUF_ABI_H
#define FSAL_RPCBUF_ABI_H

#include <stddef.h>
/* The generated one of the SDK; with quotes it would be ours. */
#include <config.h>
#include "fsal.h"
#include "nfs_core.h"
#include "nfs_init.h"
#include "FSAL/fsal_commonlib.h"
#include "FSAL/fsal_init.h"

#if FSAL_MAJOR_VERSION != 11
#error "this plug-in is written for nfs-ganesha 4.3, FSAL API 11"
#endif

#define FSAL_RPCBUF_GANESHA_SONAME "libganesha_nfsd.so." GANESHA_VERSION
#define FSAL_RPCBUF_NTIRPC_SONAME  "libntirpc.so.4.3"

/* What Debian's server passes to calloc for a request: the same switches. */
_Static_assert(sizeof(nfs_request_t) == 0x8b8,
	       "config.h does not have the switches of Debian's build");

/*
 * fsal_rpcbuf_server_is_up - has the server started?
 *
 * Ganesha's function is only asked, with a moment that is long ago: it would
 * wait by the wall clock, which may be set back.
 */
static inline bool fsal_rpcbuf_server_is_up(void)
{
	return nfs_init_wait_timeout(-(1 << 30)) == 0;
}

/* Exchanges a function in a table of the server's, which other threads call. */
static inline void fsal_rpcbuf_set(void *slot, void *function)
{
	__atomic_store_n((void **)slot, function, __ATOMIC_RELEASE);
}

/*
 * fsal_rpcbuf_abi_check - is the server that loads us the one we know?
 *
 * Looks only at names, versions and sizes in the dynamic symbol tables, and
 * lets the server fill a table into a guarded buffer, so it is safe in any
 * server.  Returns 0, or -ENOTSUP and a sentence in @why.
 */
int fsal_rpcbuf_abi_check(char *why, size_t len);

#endif
