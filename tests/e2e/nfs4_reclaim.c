/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client of NFS v4.0 reclaims its open file after a restart of the
 * server, and no client opens a new one while the server waits for reclaims.
 * Method: raw NFS. A file is opened and written; then the program prints "open"
 * and waits for the restart, which the end of its input signals. The grace
 * period is longer than the test: the old client reclaims and writes on, a new
 * OPEN is refused with NFS4ERR_GRACE, and a reclaim of a client without state
 * with NFS4ERR_NO_GRACE or NFS4ERR_RECLAIM_BAD.
 *
 * usage: nfs4_reclaim PORT EXPORT NAME
 */
#include "nfs4_io.h"

enum {
	NFS4_OPEN = 18,
	NFS4_OPEN_CONFIRM = 20,
	NFS4_SHARE_BOTH = 3,
	NFS4_CLAIM_NULL = 0,
	NFS4_CLAIM_PREVIOUS = 1,
	NFS4_MUST_CONFIRM = 2,
	NFS4ERR_GRACE = 10013,
	NFS4ERR_NO_GRACE = 10033,
	NFS4ERR_RECLAIM_BAD = 10034,

	BLOCK = 100000,
};

static struct rpc_conn conn;
static uint32_t xid = 0x100;
static uint16_t port;

struct opener {
	struct nfs4_client client;
	uint32_t sequence;
	uint8_t state[NFS4_STATEID_SIZE];
};

static void introduce(struct opener *opener, const char *name)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	*opener = (struct opener){0};
	snprintf(opener->client.name, sizeof(opener->client.name), "%s", name);
	nfs4_call_setclientid(&call, ++xid, &opener->client, "127.0.0.1.0.1");
	reply = rpc_call(&conn, &call);
	nfs4_get_setclientid(&reply, &opener->client);
	nfs4_call_confirm(&call, ++xid, &opener->client);
	reply = rpc_call(&conn, &call);
	nfs4_get_first(&reply, NFS4_SETCLIENTID_CONFIRM);
	free(call.data);
}

static void put_open(struct rpc_buf *call, struct opener *opener,
		     const struct nfs_fh *fh, uint32_t claim)
{
	nfs4_compound(call, ++xid, 0, 2);
	rpc_put_u32(call, NFS4_PUTFH);
	rpc_put_fh(call, fh);
	rpc_put_u32(call, NFS4_OPEN);
	rpc_put_u32(call, opener->sequence++);
	rpc_put_u32(call, NFS4_SHARE_BOTH);
	rpc_put_u32(call, 0); /* denies nothing */
	rpc_put_u64(call, opener->client.id);
	rpc_put_name(call, "owner");
	rpc_put_u32(call, 0); /* creates nothing */
	rpc_put_u32(call, claim);
}

static void take_confirmation(struct opener *opener, const struct nfs_fh *fh)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	nfs4_compound(&call, ++xid, 0, 2);
	rpc_put_u32(&call, NFS4_PUTFH);
	rpc_put_fh(&call, fh);
	rpc_put_u32(&call, NFS4_OPEN_CONFIRM);
	rpc_put(&call, opener->state, sizeof(opener->state));
	rpc_put_u32(&call, opener->sequence++);
	reply = rpc_call(&conn, &call);
	nfs4_get_first(&reply, NFS4_PUTFH);
	nfs4_get_next(&reply, NFS4_OPEN_CONFIRM);
	memcpy(opener->state, rpc_get(&reply.results, NFS4_STATEID_SIZE),
	       NFS4_STATEID_SIZE);
	free(call.data);
}

/* The status of OPEN in its reply; its results where that is 0. */
static uint32_t take_open(struct rpc_reply *reply, struct opener *opener,
			  const struct nfs_fh *file)
{
	struct rpc_view *view = &reply->results;
	uint32_t status, len, flags;

	rpc_get_u32(view); /* status of the compound, tag, count, PUTFH's */
	rpc_get_opaque(view, &len);
	rpc_get_u32(view);
	nfs4_get_next(reply, NFS4_PUTFH);
	if (rpc_get_u32(view) != NFS4_OPEN)
		die("no result of OPEN");
	status = rpc_get_u32(view);
	if (status)
		return status;
	memcpy(opener->state, rpc_get(view, NFS4_STATEID_SIZE),
	       NFS4_STATEID_SIZE);
	rpc_get(view, 4 + 8 + 8); /* change information */
	flags = rpc_get_u32(view);
	if (flags & NFS4_MUST_CONFIRM)
		take_confirmation(opener, file);
	return 0;
}

/* By its name in a folder. */
static uint32_t open_name(struct opener *opener, const struct nfs_fh *folder,
			  const char *name, const struct nfs_fh *file)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	put_open(&call, opener, folder, NFS4_CLAIM_NULL);
	rpc_put_name(&call, name);
	reply = rpc_call(&conn, &call);
	free(call.data);
	return take_open(&reply, opener, file);
}

static uint32_t reclaim(struct opener *opener, const struct nfs_fh *file)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	put_open(&call, opener, file, NFS4_CLAIM_PREVIOUS);
	rpc_put_u32(&call, 0); /* had no delegation */
	reply = rpc_call(&conn, &call);
	free(call.data);
	return take_open(&reply, opener, file);
}

static void write_block(const struct opener *opener, const struct nfs_fh *file,
			uint64_t offset, uint8_t byte)
{
	static uint8_t data[BLOCK];
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	memset(data, byte, sizeof(data));
	nfs4_call_io(&call, ++xid, file, NFS4_WRITE, offset);
	memcpy(call.data + call.len - 8 - NFS4_STATEID_SIZE, opener->state,
	       NFS4_STATEID_SIZE);
	rpc_put_u32(&call, NFS4_FILE_SYNC);
	rpc_put_opaque(&call, data, sizeof(data));
	reply = rpc_call(&conn, &call);
	nfs4_get_first(&reply, NFS4_PUTFH);
	nfs4_get_next(&reply, NFS4_WRITE);
	free(call.data);
}

static void must_be(uint32_t status, uint32_t expected, const char *what)
{
	if (status != expected)
		die("%s: status %u, expected %u", what, status, expected);
}

static void await_restart(void)
{
	printf("open\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
	rpc_disconnect(&conn);
	conn = rpc_connect("127.0.0.1", port, 10);
}

int main(int argc, char **argv)
{
	struct opener opener, stranger;
	struct nfs_fh folder, file;
	uint32_t status;
	char *path;

	if (argc != 4)
		die("usage: nfs4_reclaim PORT EXPORT NAME");
	rpc_end_with_parent();
	port = strtoul(argv[1], NULL, 0);
	conn = rpc_connect("127.0.0.1", port, 0);
	if (asprintf(&path, "%s/%s", argv[2], argv[3]) < 0)
		die("no memory");
	folder = nfs4_find(&conn, argv[2]);
	file = nfs4_find(&conn, path);
	introduce(&opener, "one that comes back");
	must_be(open_name(&opener, &folder, argv[3], &file), 0, "OPEN");
	write_block(&opener, &file, 0, 'a');

	await_restart();
	introduce(&opener, "one that comes back");
	introduce(&stranger, "one that is new");
	must_be(open_name(&stranger, &folder, argv[3], &file), NFS4ERR_GRACE,
		"OPEN in the grace period");
	status = reclaim(&stranger, &file);
	if (status != NFS4ERR_NO_GRACE && status != NFS4ERR_RECLAIM_BAD)
		die("a stranger's reclaim: status %u", status);
	must_be(reclaim(&opener, &file), 0, "reclaim");
	write_block(&opener, &file, BLOCK, 'b');
	rpc_disconnect(&conn);
	free(path);
	return 0;
}
