/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * From an export's path and a name to a file handle: MOUNT v3 and LOOKUP, on
 * 127.0.0.1. Any error ends the program.
 */
#ifndef RPCBUF_E2E_NFS3_FIND_H
#define RPCBUF_E2E_NFS3_FIND_H

#include "rpc_conn.h"

static inline struct nfs_fh nfs3_mount(uint16_t mount_port, const char *export)
{
	struct rpc_conn mount = rpc_connect("127.0.0.1", mount_port, 0);
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	struct nfs_fh fh;

	rpc_call_begin(&call, 1, RPC_MOUNT, 3, MOUNT3_MNT);
	rpc_put_name(&call, export);
	reply = rpc_call(&mount, &call);
	if (rpc_get_u32(&reply.results) || !rpc_get_fh(&reply.results, &fh))
		die("the mount failed");
	rpc_disconnect(&mount);
	free(call.data);
	return fh;
}

static inline struct nfs_fh
nfs3_lookup(struct rpc_conn *conn, const struct nfs_fh *dir, const char *name)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	struct nfs_fh fh;

	nfs3_call_name(&call, 2, NFS3_LOOKUP, dir, name);
	reply = rpc_call(conn, &call);
	if (rpc_get_u32(&reply.results) || !rpc_get_fh(&reply.results, &fh))
		die("the lookup of %s failed", name);
	free(call.data);
	return fh;
}

/* The handle of a file in the root of the export. */
static inline struct nfs_fh nfs3_find(struct rpc_conn *conn,
				      uint16_t mount_port, const char *export,
				      const char *name)
{
	struct nfs_fh root = nfs3_mount(mount_port, export);

	return nfs3_lookup(conn, &root, name);
}

#endif
