/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the server accepts every legal way of cutting records into fragments
 * and bytes into segments.
 * Method: the same few calls over one connection, cut at every offset, into
 * pieces of every small size, with empty fragments, sent a byte at a time and
 * many in one segment; every reply is checked. Last, WRITEs in random
 * fragments, read back and compared.
 *
 * usage: raw_cuts PORT MOUNT-PORT EXPORT: the export holds the file "cuts"
 */
#include "nfs3_find.h"

enum {
	WRITE_LEN = 70 * 1024,
	WRITE_SEEDS = 60,
	MOUNT_SEEDS = 100,
	FRAGMENTS_MANY = 60000,
	FRAGMENTS_MOST = 65536,
};

static struct rpc_conn conn;
static struct nfs_fh file;
static uint32_t xid = 0x10000;

struct expected {
	uint32_t first;
	size_t count, seen;
	const char *what;
};

static void check_reply(void *opaque, struct rpc_reply *reply)
{
	struct expected *e = opaque;

	if (reply->xid - e->first >= e->count)
		die("%s: a reply to %#x, which was not called", e->what,
		    reply->xid);
	if (reply->accept_stat || rpc_get_u32(&reply->results))
		die("%s: call %#x failed", e->what, reply->xid);
	e->seen++;
}

/* Sends wire, which holds count calls with xids from first on. */
static void exchange(const struct rpc_buf *wire, uint32_t first, size_t count,
		     const char *format, size_t detail)
{
	char what[128];
	struct expected e = {first, count, 0, what};

	snprintf(what, sizeof(what), format, detail);
	if (rpc_exchange(&conn, wire, count, false, check_reply, &e) != count)
		die("%s: the server closed the connection", what);
}

static void one(const struct rpc_buf *call, struct rpc_cut cut,
		const char *format, size_t detail)
{
	struct rpc_buf wire = {0};

	rpc_cut_record(cut, &wire, call);
	exchange(&wire, xid, 1, format, detail);
	free(wire.data);
}

static struct rpc_cut make_cut(int kind, size_t size, int flags)
{
	return (struct rpc_cut){.kind = kind,
				.size = size,
				.empty = flags & 1,
				.tail = flags & 2};
}

static void getattr_every_cut(void)
{
	struct rpc_buf call = {0};

	nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
	for (int flags = 0; flags < 4; flags++) {
		for (size_t at = 0; at <= call.len; at++) {
			nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
			one(&call, make_cut(RPC_CUT_AT, at, flags),
			    "cut at %zu", at);
		}
		for (size_t size = 1; size <= 41; size++) {
			nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
			one(&call, make_cut(RPC_CUT_EVERY, size, flags),
			    "fragments of %zu", size);
		}
		for (size_t seed = 1; seed <= 300; seed++) {
			nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
			one(&call, make_cut(RPC_CUT_RANDOM, seed, flags),
			    "GETATTR, random fragments, seed %zu", seed);
		}
	}
	free(call.data);
}

/* count GETATTR calls, one behind the other, so that records meet in
 * segments. */
static void batch(size_t count, int kind, size_t size, size_t segment,
		  unsigned pause_us)
{
	struct rpc_buf call = {0}, wire = {0};
	uint32_t first = xid + 1;

	for (size_t i = 0; i < count; i++) {
		nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
		rpc_cut_record(make_cut(kind, size + i, i & 3), &wire, &call);
	}
	conn.segment = segment;
	conn.pause_us = pause_us;
	exchange(&wire, first, count, "a batch in segments of %zu", segment);
	conn.segment = conn.pause_us = 0;
	free(call.data);
	free(wire.data);
}

static void getattr_segments(void)
{
	/* The pauses let the server see the pieces one by one. */
	batch(3, RPC_CUT_EVERY, SIZE_MAX / 2, 1, 300);
	batch(3, RPC_CUT_EVERY, 5, 1, 300);
	for (size_t segment = 2; segment <= 9; segment++) {
		batch(8, RPC_CUT_EVERY, SIZE_MAX / 2, segment, 100);
		batch(8, RPC_CUT_RANDOM, segment, segment, 100);
	}
	for (size_t segment = 100; segment < 20000; segment += 997)
		batch(64, RPC_CUT_RANDOM, segment, segment, 0);
	batch(500, RPC_CUT_EVERY, SIZE_MAX / 2, 0, 0);
	batch(500, RPC_CUT_RANDOM, 1, 0, 0);
	batch(200, RPC_CUT_EMPTIES, 1, 0, 0);
}

static void fill(uint8_t *data, size_t len, uint64_t seed)
{
	uint64_t state = seed * 0x9e3779b97f4a7c15u | 1;

	for (size_t i = 0; i < len; i++) {
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		data[i] = state >> 32;
	}
}

static void read_back(const uint8_t *data, size_t len, struct rpc_cut cut,
		      size_t seed)
{
	struct rpc_buf call = {0}, wire = {0};
	struct rpc_reply reply;
	const uint8_t *got;
	uint32_t got_len;

	nfs3_call_read(&call, ++xid, &file, 0, len);
	rpc_cut_record(cut, &wire, &call);
	if (!rpc_exchange(&conn, &wire, 1, false, NULL, NULL))
		die("the server closed the connection at a READ");
	rpc_reply_parse(&reply, conn.record.data, conn.record.len);
	if (reply.accept_stat || rpc_get_u32(&reply.results))
		die("the READ failed");
	got = nfs3_read_data(&reply.results, &got_len);
	if (!got || got_len != len || memcmp(got, data, len))
		die("seed %zu: what was written does not come back", seed);
	free(call.data);
	free(wire.data);
}

static void write_and_read(size_t len, struct rpc_cut cut, const char *format,
			   size_t detail)
{
	static uint8_t data[WRITE_LEN];
	struct rpc_buf call = {0};

	fill(data, len, detail + len);
	nfs3_call_write(&call, ++xid, &file, 0, data, len);
	one(&call, cut, format, detail);
	read_back(data, len, make_cut(RPC_CUT_RANDOM, detail, 3), detail);
	free(call.data);
}

/* The payload of a WRITE whose whole record has this length. */
static size_t payload_of(size_t record_len)
{
	struct rpc_buf call = {0};

	nfs3_call_write(&call, 1, &file, 0, "", 0);
	record_len = (record_len - call.len) & ~3UL;
	free(call.data);
	return record_len;
}

static void writes(void)
{
	for (size_t seed = 1; seed <= WRITE_SEEDS; seed++)
		write_and_read(WRITE_LEN - seed,
			       make_cut(RPC_CUT_RANDOM, seed, seed & 3),
			       "WRITE, random fragments, seed %zu", seed);
	for (size_t size = 1021; size < 5000; size += 512)
		write_and_read(WRITE_LEN, make_cut(RPC_CUT_EVERY, size, 0),
			       "WRITE in fragments of %zu", size);
	write_and_read(payload_of(FRAGMENTS_MANY),
		       make_cut(RPC_CUT_EVERY, 1, 0), "WRITE in %zu fragments",
		       FRAGMENTS_MANY);
	write_and_read(payload_of(FRAGMENTS_MOST),
		       make_cut(RPC_CUT_EVERY, 1, 0), "WRITE in %zu fragments",
		       FRAGMENTS_MOST);
}

/* The server's other programs are received in the same way. */
static void mounts(uint16_t mount_port, const char *export)
{
	struct rpc_conn nfs = conn;
	struct rpc_buf call = {0};

	conn = rpc_connect("127.0.0.1", mount_port, 0);
	for (size_t seed = 1; seed <= MOUNT_SEEDS; seed++) {
		rpc_call_begin(&call, ++xid, RPC_MOUNT, 3, MOUNT3_MNT);
		rpc_put_name(&call, export);
		one(&call, make_cut(RPC_CUT_RANDOM, seed, seed & 3),
		    "MNT, random fragments, seed %zu", seed);
	}
	rpc_disconnect(&conn);
	conn = nfs;
	free(call.data);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		die("usage: raw_cuts PORT MOUNT-PORT EXPORT");
	rpc_end_with_parent();
	conn = rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	file = nfs3_find(&conn, strtoul(argv[2], NULL, 0), argv[3], "cuts");
	getattr_every_cut();
	getattr_segments();
	writes();
	mounts(strtoul(argv[2], NULL, 0), argv[3]);
	printf("%u calls\n", xid - 0x10000);
	rpc_disconnect(&conn);
	return 0;
}
