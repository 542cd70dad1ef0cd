/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: WRITEs of one size, flavor and version of NFS, for tests that count
 * copies of payloads in the server.
 * Method: COUNT of them one behind the other over one connection, by themselves
 * or with GETATTRs in between, so that records begin anywhere in a page; then
 * READs compare every byte. Prints the number of calls.
 *
 * usage: payloads PORT MOUNT-PORT EXPORT NAME 3|4 sys|none SIZE COUNT
 *                 alone|mixed
 */
#include "nfs3_find.h"
#include "nfs4_io.h"

enum {
	MOST = 1 << 20
};

static struct rpc_conn conn;
static struct nfs_fh file;
static int version;
static uint32_t xid, seen;

/* Other bytes at every offset and in every run. */
static void fill(uint8_t *data, size_t len, uint64_t offset, uint32_t seed)
{
	uint64_t state = (offset + 1) * 0x9e3779b97f4a7c15u ^ seed;

	for (size_t i = 0; i < len; i++) {
		state = state * 6364136223846793005u + 1442695040888963407u;
		data[i] = state >> 56;
	}
}

static void check_reply(void *opaque, struct rpc_reply *reply)
{
	(void)opaque;
	if (reply->accept_stat || rpc_get_u32(&reply->results))
		die("call %#x failed", reply->xid);
	seen ^= reply->xid;
}

static void exchange(const struct rpc_buf *wire, uint32_t first, size_t count)
{
	seen = 0;
	if (rpc_exchange(&conn, wire, count, false, check_reply, NULL) != count)
		die("the server closed the connection");
	for (size_t i = 0; i < count; i++)
		seen ^= first + i;
	if (seen)
		die("not every call is answered once");
}

static void write_all(uint32_t size, uint32_t count, uint32_t seed, bool mixed)
{
	static uint8_t data[MOST];
	struct rpc_buf wire = {0}, call = {0};
	uint32_t first = xid + 1;

	for (uint32_t i = 0; i < count; i++) {
		uint64_t offset = (uint64_t)i * size;

		fill(data, size, offset, seed);
		if (version == 3)
			nfs3_call_write(&call, ++xid, &file, offset, data,
					size);
		else
			nfs4_call_write(&call, ++xid, &file, offset, data,
					size);
		rpc_cut_record(rpc_cut_whole(), &wire, &call);
		for (uint32_t n = 0; mixed && n < i % 7; n++) {
			nfs4_call_root(&call, ++xid);
			rpc_cut_record(rpc_cut_whole(), &wire, &call);
		}
	}
	exchange(&wire, first, xid + 1 - first);
	free(wire.data);
	free(call.data);
}

static void read_all(uint32_t size, uint32_t count, uint32_t seed)
{
	static uint8_t data[MOST];
	struct rpc_buf call = {0};

	for (uint32_t i = 0; i < count; i++) {
		uint64_t offset = (uint64_t)i * size;
		struct rpc_reply reply;
		const uint8_t *got;
		uint32_t len;

		if (version == 3)
			nfs3_call_read(&call, ++xid, &file, offset, size);
		else
			nfs4_call_read(&call, ++xid, &file, offset, size);
		reply = rpc_call(&conn, &call);
		if (version == 3 && rpc_get_u32(&reply.results))
			die("a READ failed");
		got = version == 3 ? nfs3_read_data(&reply.results, &len)
				   : nfs4_read_data(&reply, &len);
		fill(data, size, offset, seed);
		if (!got || len != size || memcmp(got, data, size))
			die("WRITE %u of %u bytes: other bytes come back", i,
			    size);
	}
	free(call.data);
}

int main(int argc, char **argv)
{
	uint32_t size, count, seed = getpid();
	uint16_t port, mount_port;
	char *path;

	if (argc != 10)
		die("usage: payloads PORT MOUNT-PORT EXPORT NAME 3|4 sys|none "
		    "SIZE COUNT alone|mixed");
	rpc_end_with_parent();
	port = strtoul(argv[1], NULL, 0);
	mount_port = strtoul(argv[2], NULL, 0);
	version = atoi(argv[5]);
	size = strtoul(argv[7], NULL, 0);
	count = strtoul(argv[8], NULL, 0);
	if (size > MOST)
		die("a WRITE of %u bytes, at most %u", size, MOST);
	conn = rpc_connect("127.0.0.1", port, 0);
	*rpc_flavor() = strcmp(argv[6], "none") ? RPC_AUTH_SYS : RPC_AUTH_NONE;
	if (asprintf(&path, "%s/%s", argv[3], argv[4]) < 0)
		die("no memory");
	file = version == 3 ? nfs3_find(&conn, mount_port, argv[3], argv[4])
			    : nfs4_find(&conn, path);
	free(path);
	write_all(size, count, seed, !strcmp(argv[9], "mixed"));
	read_all(size, count, seed);
	printf("%u\n", xid);
	rpc_disconnect(&conn);
	return 0;
}
