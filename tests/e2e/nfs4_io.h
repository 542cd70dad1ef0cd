/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * READ and WRITE of NFS v4.0 with the anonymous state, on a file that is found
 * by its path from the root of the server. Any error ends the program.
 */
#ifndef RPCBUF_E2E_NFS4_IO_H
#define RPCBUF_E2E_NFS4_IO_H

#include "nfs4_call.h"
#include "rpc_conn.h"

enum {
	NFS4_LOOKUP = 15,
	NFS4_PUTFH = 22,
	NFS4_READ = 25,
	NFS4_WRITE = 38,

	NFS4_STATEID_SIZE = 16,
	NFS4_FILE_SYNC = 2,
};

static inline void nfs4_put_anonymous(struct rpc_buf *buf)
{
	memset(rpc_buf_add(buf, NFS4_STATEID_SIZE), 0, NFS4_STATEID_SIZE);
}

static inline void nfs4_call_io(struct rpc_buf *buf, uint32_t xid,
				const struct nfs_fh *fh, uint32_t operation,
				uint64_t offset)
{
	nfs4_compound(buf, xid, 0, 2);
	rpc_put_u32(buf, NFS4_PUTFH);
	rpc_put_fh(buf, fh);
	rpc_put_u32(buf, operation);
	nfs4_put_anonymous(buf);
	rpc_put_u64(buf, offset);
}

static inline void nfs4_call_read(struct rpc_buf *buf, uint32_t xid,
				  const struct nfs_fh *fh, uint64_t offset,
				  uint32_t count)
{
	nfs4_call_io(buf, xid, fh, NFS4_READ, offset);
	rpc_put_u32(buf, count);
}

static inline void nfs4_call_write(struct rpc_buf *buf, uint32_t xid,
				   const struct nfs_fh *fh, uint64_t offset,
				   const void *data, uint32_t count)
{
	nfs4_call_io(buf, xid, fh, NFS4_WRITE, offset);
	rpc_put_u32(buf, NFS4_FILE_SYNC);
	rpc_put_opaque(buf, data, count);
}

/* The result of the next operation, which must have succeeded. */
static inline void nfs4_get_next(struct rpc_reply *reply, uint32_t operation)
{
	uint32_t got = rpc_get_u32(&reply->results);
	uint32_t status = rpc_get_u32(&reply->results);

	if (got != operation || status)
		die("operation %u of call %#x: status %u of operation %u",
		    operation, reply->xid, status, got);
}

/* The payload of a READ reply; NULL if it is cut short. */
static inline const uint8_t *nfs4_read_data(struct rpc_reply *reply,
					    uint32_t *len)
{
	nfs4_get_first(reply, NFS4_PUTFH);
	nfs4_get_next(reply, NFS4_READ);
	rpc_get_u32(&reply->results); /* end of file */
	return rpc_get_opaque(&reply->results, len);
}

/* From the root of the server to the file at PATH. */
static inline void nfs4_call_lookup(struct rpc_buf *call, uint32_t xid,
				    const char *path)
{
	struct rpc_buf names = {0};
	char *copy = strdup(path), *state = NULL;
	uint32_t count = 0;

	for (char *name = strtok_r(copy, "/", &state); name;
	     name = strtok_r(NULL, "/", &state), count++) {
		rpc_put_u32(&names, NFS4_LOOKUP);
		rpc_put_name(&names, name);
	}
	nfs4_compound(call, xid, 0, count + 2);
	rpc_put_u32(call, NFS4_PUTROOTFH);
	rpc_put(call, names.data, names.len);
	rpc_put_u32(call, NFS4_GETFH);
	free(copy);
	free(names.data);
}

static inline struct nfs_fh nfs4_get_lookup(struct rpc_reply *reply,
					    const char *path)
{
	struct nfs_fh fh;

	nfs4_get_first(reply, NFS4_PUTROOTFH);
	for (const char *at = path; *at; at++) {
		if (*at != '/' && (at == path || at[-1] == '/'))
			nfs4_get_next(reply, NFS4_LOOKUP);
	}
	nfs4_get_next(reply, NFS4_GETFH);
	if (!rpc_get_fh(&reply->results, &fh))
		die("GETFH of %s: no file handle", path);
	return fh;
}

static inline struct nfs_fh nfs4_find(struct rpc_conn *conn, const char *path)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	nfs4_call_lookup(&call, 1, path);
	reply = rpc_call(conn, &call);
	free(call.data);
	return nfs4_get_lookup(&reply, path);
}

#endif
