/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Calls of ONC RPC, MOUNT v3 and NFS v3 written by hand, and the few fields of
 * their replies that tests check. Shares no line with the code under test: an
 * error of the library must not cancel itself out here. Bytes only, no sockets;
 * any error ends the program with a sentence.
 */
#ifndef RPCBUF_E2E_RPC_CALL_H
#define RPCBUF_E2E_RPC_CALL_H

#include <endian.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RPC_MOUNT = 100005,
	RPC_NFS = 100003,
	RPC_CALL_HEADER = 40, /* with two empty AUTH_NONE fields */

	MOUNT3_MNT = 1,
	NFS3_GETATTR = 1,
	NFS3_LOOKUP = 3,
	NFS3_READ = 6,
	NFS3_WRITE = 7,
	NFS3_CREATE = 8,
	NFS3_REMOVE = 12,

	NFS3_ATTR_SIZE = 84,
	NFS3_FILE_SYNC = 2,
};

enum nfs3_createmode {
	NFS3_UNCHECKED,
	NFS3_GUARDED,
	NFS3_EXCLUSIVE
};

struct rpc_buf {
	uint8_t *data;
	size_t len, cap;
};

struct nfs_fh {
	uint32_t len;
	uint8_t data[64];
};

/* Bytes left to decode; a read past the end sets bad and gives zeroes. */
struct rpc_view {
	const uint8_t *at, *end;
	bool bad;
};

struct rpc_reply {
	uint32_t xid;
	uint32_t accept_stat; /* 0 is success; a denied call has UINT32_MAX */
	struct rpc_view results;
};

static inline void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static inline uint8_t *rpc_buf_add(struct rpc_buf *buf, size_t len)
{
	if (buf->len + len > buf->cap) {
		buf->cap = 2 * (buf->len + len) + 256;
		buf->data = realloc(buf->data, buf->cap);
		if (!buf->data)
			die("no memory for %zu bytes", buf->cap);
	}
	buf->len += len;
	return buf->data + buf->len - len;
}

static inline void rpc_put(struct rpc_buf *buf, const void *data, size_t len)
{
	if (len)
		memcpy(rpc_buf_add(buf, len), data, len);
}

static inline void rpc_put_u32(struct rpc_buf *buf, uint32_t value)
{
	value = htobe32(value);
	rpc_put(buf, &value, sizeof(value));
}

static inline void rpc_put_u64(struct rpc_buf *buf, uint64_t value)
{
	value = htobe64(value);
	rpc_put(buf, &value, sizeof(value));
}

static inline void rpc_put_opaque(struct rpc_buf *buf, const void *data,
				  size_t len)
{
	rpc_put_u32(buf, len);
	rpc_put(buf, data, len);
	memset(rpc_buf_add(buf, -len & 3), 0, -len & 3);
}

static inline void rpc_put_fh(struct rpc_buf *buf, const struct nfs_fh *fh)
{
	rpc_put_opaque(buf, fh->data, fh->len);
}

static inline void rpc_put_name(struct rpc_buf *buf, const char *name)
{
	rpc_put_opaque(buf, name, strlen(name));
}

enum rpc_flavor {
	RPC_AUTH_NONE,
	RPC_AUTH_SYS
};

static inline void rpc_put_auth_sys(struct rpc_buf *buf)
{
	static const char machine[] = "rawrpc";

	rpc_put_u32(buf, RPC_AUTH_SYS);
	rpc_put_u32(buf, 5 * 4 + ((sizeof(machine) - 1 + 3) & ~3UL));
	rpc_put_u32(buf, 0);
	rpc_put_name(buf, machine);
	rpc_put_u32(buf, 0); /* uid, gid, no other groups */
	rpc_put_u32(buf, 0);
	rpc_put_u32(buf, 0);
}

/* The credential of calls; root's AUTH_SYS unless a test sets another. */
static inline enum rpc_flavor *rpc_flavor(void)
{
	static enum rpc_flavor flavor = RPC_AUTH_SYS;

	return &flavor;
}

/* A call header; the arguments are put behind it. */
static inline void rpc_call_begin(struct rpc_buf *buf, uint32_t xid,
				  uint32_t prog, uint32_t vers, uint32_t proc)
{
	const uint32_t header[] = {xid, 0, 2, prog, vers, proc};

	buf->len = 0;
	for (size_t i = 0; i < sizeof(header) / sizeof(*header); i++)
		rpc_put_u32(buf, header[i]);
	if (*rpc_flavor() == RPC_AUTH_SYS)
		rpc_put_auth_sys(buf);
	else
		rpc_put_u64(buf, RPC_AUTH_NONE);
	rpc_put_u64(buf, RPC_AUTH_NONE); /* verifier, empty */
}

static inline void nfs3_call(struct rpc_buf *buf, uint32_t xid, uint32_t proc,
			     const struct nfs_fh *fh)
{
	rpc_call_begin(buf, xid, RPC_NFS, 3, proc);
	if (fh)
		rpc_put_fh(buf, fh);
}

static inline void nfs3_call_name(struct rpc_buf *buf, uint32_t xid,
				  uint32_t proc, const struct nfs_fh *dir,
				  const char *name)
{
	nfs3_call(buf, xid, proc, dir);
	rpc_put_name(buf, name);
}

static inline void nfs3_call_read(struct rpc_buf *buf, uint32_t xid,
				  const struct nfs_fh *fh, uint64_t offset,
				  uint32_t count)
{
	nfs3_call(buf, xid, NFS3_READ, fh);
	rpc_put_u64(buf, offset);
	rpc_put_u32(buf, count);
}

static inline void nfs3_call_write(struct rpc_buf *buf, uint32_t xid,
				   const struct nfs_fh *fh, uint64_t offset,
				   const void *data, uint32_t count)
{
	nfs3_call(buf, xid, NFS3_WRITE, fh);
	rpc_put_u64(buf, offset);
	rpc_put_u32(buf, count);
	rpc_put_u32(buf, NFS3_FILE_SYNC);
	rpc_put_opaque(buf, data, count);
}

static inline void nfs3_call_create(struct rpc_buf *buf, uint32_t xid,
				    const struct nfs_fh *dir, const char *name,
				    enum nfs3_createmode mode)
{
	nfs3_call_name(buf, xid, NFS3_CREATE, dir, name);
	rpc_put_u32(buf, mode);
	if (mode == NFS3_EXCLUSIVE) {
		rpc_put_u64(buf, xid);
		return;
	}
	rpc_put_u32(buf, 1);
	rpc_put_u32(buf, 0644);
	for (int i = 0; i < 5; i++) /* uid, gid, size, atime, mtime: not set */
		rpc_put_u32(buf, 0);
}

static inline const uint8_t *rpc_get(struct rpc_view *view, size_t len)
{
	static const uint8_t zeroes[NFS3_ATTR_SIZE];

	if (view->bad || (size_t)(view->end - view->at) < len) {
		view->bad = true;
		return len <= sizeof(zeroes) ? zeroes : NULL;
	}
	view->at += len;
	return view->at - len;
}

static inline uint32_t rpc_get_u32(struct rpc_view *view)
{
	uint32_t value;

	memcpy(&value, rpc_get(view, sizeof(value)), sizeof(value));
	return be32toh(value);
}

/* Points into the reply; NULL if it is cut short. */
static inline const uint8_t *rpc_get_opaque(struct rpc_view *view,
					    uint32_t *len)
{
	const uint8_t *data;

	*len = rpc_get_u32(view);
	data = rpc_get(view, ((size_t)*len + 3) & ~3UL);
	return view->bad ? NULL : data;
}

static inline bool rpc_get_fh(struct rpc_view *view, struct nfs_fh *fh)
{
	uint32_t len;
	const uint8_t *data = rpc_get_opaque(view, &len);

	if (!data || len > sizeof(fh->data))
		return false;
	fh->len = len;
	memcpy(fh->data, data, len);
	return true;
}

static inline bool rpc_reply_parse(struct rpc_reply *reply, const void *record,
				   size_t len)
{
	struct rpc_view *view = &reply->results;
	uint32_t verifier;

	*view = (struct rpc_view){record, (const uint8_t *)record + len, false};
	reply->xid = rpc_get_u32(view);
	reply->accept_stat = UINT32_MAX;
	if (rpc_get_u32(view) != 1)
		return false;
	if (rpc_get_u32(view))
		return !view->bad;
	rpc_get_u32(view);
	rpc_get_opaque(view, &verifier);
	reply->accept_stat = rpc_get_u32(view);
	return !view->bad;
}

/* The payload of a READ reply behind its status; NULL if it is cut short. */
static inline const uint8_t *nfs3_read_data(struct rpc_view *view,
					    uint32_t *len)
{
	if (rpc_get_u32(view))
		rpc_get(view, NFS3_ATTR_SIZE);
	rpc_get_u32(view); /* count, then end of file */
	rpc_get_u32(view);
	return rpc_get_opaque(view, len);
}

#endif
