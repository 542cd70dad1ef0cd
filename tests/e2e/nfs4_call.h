/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * NFS v4 compounds and callbacks written by hand, for tests of the server's own
 * calls. Bytes only, no sockets; see rpc_call.h.
 */
#ifndef RPCBUF_E2E_NFS4_CALL_H
#define RPCBUF_E2E_NFS4_CALL_H

#include "rpc_call.h"

enum {
	NFS4_COMPOUND = 1,
	NFS4_PUTROOTFH = 24,
	NFS4_GETFH = 10,
	NFS4_SETCLIENTID = 35,
	NFS4_SETCLIENTID_CONFIRM = 36,
	NFS4_EXCHANGE_ID = 42,
	NFS4_CREATE_SESSION = 43,
	NFS4_SEQUENCE = 53,

	NFS4_VERIFIER_SIZE = 8,
	NFS4_SESSION_SIZE = 16,
	NFS4_BACK_CHANNEL = 2, /* flag of CREATE_SESSION, both ways */
	NFS4_CB_PROGRAM = 0x40000000,
	NFS4_CB_NULL = 0,
};

/* The identity of a client, and the server's name for it. */
struct nfs4_client {
	char name[32];
	uint64_t id;
	uint8_t confirm[NFS4_VERIFIER_SIZE];
	uint32_t sequence;
	uint8_t session[NFS4_SESSION_SIZE];
	bool back_channel;
};

/* The form of the client's reply to a callback. */
enum nfs4_answer {
	NFS4_ACCEPTED,	   /* 24 bytes */
	NFS4_PROC_UNAVAIL, /* 24 bytes */
	NFS4_RPC_MISMATCH, /* 24 bytes, denied */
	NFS4_AUTH_ERROR,   /* 20 bytes, denied */
};

static inline void nfs4_compound(struct rpc_buf *buf, uint32_t xid,
				 uint32_t minor, uint32_t operations)
{
	rpc_call_begin(buf, xid, RPC_NFS, 4, NFS4_COMPOUND);
	rpc_put_u32(buf, 0); /* no tag */
	rpc_put_u32(buf, minor);
	rpc_put_u32(buf, operations);
}

static inline void nfs4_call_setclientid(struct rpc_buf *buf, uint32_t xid,
					 const struct nfs4_client *client,
					 const char *address)
{
	nfs4_compound(buf, xid, 0, 1);
	rpc_put_u32(buf, NFS4_SETCLIENTID);
	rpc_put(buf, "verifier", NFS4_VERIFIER_SIZE);
	rpc_put_name(buf, client->name);
	rpc_put_u32(buf, NFS4_CB_PROGRAM);
	rpc_put_name(buf, "tcp");
	rpc_put_name(buf, address);
	rpc_put_u32(buf, 1);
}

static inline void nfs4_call_confirm(struct rpc_buf *buf, uint32_t xid,
				     const struct nfs4_client *client)
{
	nfs4_compound(buf, xid, 0, 1);
	rpc_put_u32(buf, NFS4_SETCLIENTID_CONFIRM);
	rpc_put_u64(buf, client->id);
	rpc_put(buf, client->confirm, NFS4_VERIFIER_SIZE);
}

static inline void nfs4_call_exchange_id(struct rpc_buf *buf, uint32_t xid,
					 const struct nfs4_client *client)
{
	nfs4_compound(buf, xid, 1, 1);
	rpc_put_u32(buf, NFS4_EXCHANGE_ID);
	rpc_put(buf, "verifier", NFS4_VERIFIER_SIZE);
	rpc_put_name(buf, client->name);
	rpc_put_u32(buf, 0); /* flags, no state protection, no name */
	rpc_put_u32(buf, 0);
	rpc_put_u32(buf, 0);
}

/* @size: of requests, replies, and replies that are kept. */
static inline void nfs4_put_channel(struct rpc_buf *buf, uint32_t size)
{
	rpc_put_u32(buf, 0); /* header padding */
	for (int i = 0; i < 3; i++)
		rpc_put_u32(buf, size);
	rpc_put_u32(buf, 8); /* operations, slots, no RDMA */
	rpc_put_u32(buf, 8);
	rpc_put_u32(buf, 0);
}

static inline void nfs4_call_create_session(struct rpc_buf *buf, uint32_t xid,
					    const struct nfs4_client *client,
					    uint32_t size)
{
	nfs4_compound(buf, xid, 1, 1);
	rpc_put_u32(buf, NFS4_CREATE_SESSION);
	rpc_put_u64(buf, client->id);
	rpc_put_u32(buf, client->sequence);
	rpc_put_u32(buf, NFS4_BACK_CHANNEL);
	nfs4_put_channel(buf, size);
	nfs4_put_channel(buf, size);
	rpc_put_u32(buf, NFS4_CB_PROGRAM);
	rpc_put_u32(buf, 1); /* one flavor: AUTH_NONE */
	rpc_put_u32(buf, 0);
}

/* Any call that needs no client: the root's file handle. */
static inline void nfs4_call_root(struct rpc_buf *buf, uint32_t xid)
{
	nfs4_compound(buf, xid, 0, 2);
	rpc_put_u32(buf, NFS4_PUTROOTFH);
	rpc_put_u32(buf, NFS4_GETFH);
}

/* The same in a session, on its first slot. */
static inline void nfs4_call_sequence(struct rpc_buf *buf, uint32_t xid,
				      const struct nfs4_client *client,
				      uint32_t sequence)
{
	nfs4_compound(buf, xid, 1, 3);
	rpc_put_u32(buf, NFS4_SEQUENCE);
	rpc_put(buf, client->session, NFS4_SESSION_SIZE);
	rpc_put_u32(buf, sequence);
	rpc_put_u32(buf, 0); /* slot, highest slot, do not keep the reply */
	rpc_put_u32(buf, 0);
	rpc_put_u32(buf, 0);
	rpc_put_u32(buf, NFS4_PUTROOTFH);
	rpc_put_u32(buf, NFS4_GETFH);
}

/* Takes a compound's results up to those of its first operation. */
static inline void nfs4_get_first(struct rpc_reply *reply, uint32_t operation)
{
	struct rpc_view *view = &reply->results;
	uint32_t status, len;

	status = reply->accept_stat ? UINT32_MAX : rpc_get_u32(view);
	rpc_get_opaque(view, &len);
	rpc_get_u32(view);
	if (status || rpc_get_u32(view) != operation || rpc_get_u32(view))
		die("operation %u of call %#x: status %u", operation,
		    reply->xid, status);
}

static inline uint64_t nfs4_get_u64(struct rpc_view *view)
{
	uint64_t high = rpc_get_u32(view);

	return high << 32 | rpc_get_u32(view);
}

static inline void nfs4_get_setclientid(struct rpc_reply *reply,
					struct nfs4_client *client)
{
	nfs4_get_first(reply, NFS4_SETCLIENTID);
	client->id = nfs4_get_u64(&reply->results);
	memcpy(client->confirm, rpc_get(&reply->results, NFS4_VERIFIER_SIZE),
	       NFS4_VERIFIER_SIZE);
}

static inline void nfs4_get_exchange_id(struct rpc_reply *reply,
					struct nfs4_client *client)
{
	nfs4_get_first(reply, NFS4_EXCHANGE_ID);
	client->id = nfs4_get_u64(&reply->results);
	client->sequence = rpc_get_u32(&reply->results);
}

static inline void nfs4_get_create_session(struct rpc_reply *reply,
					   struct nfs4_client *client)
{
	nfs4_get_first(reply, NFS4_CREATE_SESSION);
	memcpy(client->session, rpc_get(&reply->results, NFS4_SESSION_SIZE),
	       NFS4_SESSION_SIZE);
	rpc_get_u32(&reply->results);
	client->back_channel = rpc_get_u32(&reply->results) & NFS4_BACK_CHANNEL;
}

/* The xid of a record that must be a CB_NULL call. */
static inline uint32_t nfs4_get_cb_null(const struct rpc_buf *record)
{
	struct rpc_view view = {record->data, record->data + record->len,
				false};
	uint32_t xid = rpc_get_u32(&view);

	if (rpc_get_u32(&view) != 0 || rpc_get_u32(&view) != 2 ||
	    rpc_get_u32(&view) != NFS4_CB_PROGRAM || rpc_get_u32(&view) != 1 ||
	    rpc_get_u32(&view) != NFS4_CB_NULL || view.bad)
		die("a record of %zu bytes is not a CB_NULL call", record->len);
	return xid;
}

static inline void nfs4_reply(struct rpc_buf *buf, uint32_t xid,
			      enum nfs4_answer answer)
{
	static const uint32_t words[][4] = {
		[NFS4_ACCEPTED] = {0, 0, 0, 0},
		[NFS4_PROC_UNAVAIL] = {0, 0, 0, 3},
		[NFS4_RPC_MISMATCH] = {1, 0, 2, 2},
		[NFS4_AUTH_ERROR] = {1, 1, 1, 0},
	};

	buf->len = 0;
	rpc_put_u32(buf, xid);
	rpc_put_u32(buf, 1);
	for (int i = 0; i < (answer == NFS4_AUTH_ERROR ? 3 : 4); i++)
		rpc_put_u32(buf, words[answer][i]);
}

#endif
