/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: clients behind slow lines get right answers, however few bytes come at
 * a time and wherever they are cut.
 * Method: one thread serves all connections: each sends, or receives, as many
 * bytes as its rate allows for the time since it began, so a program that was
 * not scheduled for a while catches up.  Bytes are sent in segments of 1 to 32
 * bytes, of records in random fragments, so that marks are split as well.
 * Connections are of these kinds, in rotation:
 *
 * 
 *   caller two GETATTRs
 *   writer a WRITE of WRITE_LEN bytes: its part of the file "slow"
 *   reader READS READs, sent at once, whose replies it takes slowly
 *   silent nothing at all
 *   endless a WRITE of 256 KiB below the server's least rate
 *
 * Prints "connected", and ends when all but the silent have; fails when a reply
 * is wrong, or missing, when an endless one is answered, or another one closed.
 */
#include <sys/mman.h>

#include "nfs3_find.h"

enum {
	CALLER,
	WRITER,
	READER,
	SILENT,
	ENDLESS,
	KINDS,
	SECONDS = 3, /* that a connection that ends takes */
	WRITE_LEN = 16384,
	READ_LEN = 65536,
	READS = 8,
	ENDLESS_LEN = 1 << 18,
	LARGE_LEN = 1 << 20,
	ENDLESS_RATE = 512, /* bytes per second */
	READER_BUFFER = 16384,
	PIECE_MAX = 32,
	ROUND_US = 20000,
	PATIENCE = 100,
};

struct dribbler {
	struct rpc_conn conn;
	struct rpc_buf wire;
	size_t sent, taken;
	uint32_t replies, wanted;
	bool is_done;
};

static struct nfs_fh slow, large;
static const uint8_t *slow_data, *large_data;
static double begin;
static unsigned long nr, left;

static int kind_of(unsigned long i)
{
	return i % KINDS;
}

static const uint8_t *map(const char *path, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	void *data = fd < 0 ? MAP_FAILED
			    : mmap(NULL, len, PROT_READ, MAP_SHARED, fd, 0);

	if (data == MAP_FAILED)
		die("%s: %s", path, strerror(errno));
	close(fd);
	return data;
}

static void put(struct dribbler *d, const struct rpc_buf *call, size_t seed)
{
	struct rpc_cut cut = {.kind = RPC_CUT_RANDOM, .size = seed + 1};

	rpc_cut_record(cut, &d->wire, call);
}

static void prepare(struct dribbler *d, unsigned long i)
{
	struct rpc_buf call = {0};
	uint64_t at = i / KINDS * WRITE_LEN;

	switch (kind_of(i)) {
	case CALLER:
		for (d->wanted = 0; d->wanted < 2; d->wanted++) {
			nfs3_call(&call, d->wanted, NFS3_GETATTR, &large);
			put(d, &call, i + d->wanted);
		}
		break;
	case WRITER:
		nfs3_call_write(&call, 0, &slow, at, slow_data + at, WRITE_LEN);
		put(d, &call, i);
		d->wanted = 1;
		break;
	case READER:
		for (; d->wanted < READS; d->wanted++) {
			nfs3_call_read(&call, d->wanted, &large,
				       (uint64_t)d->wanted * READ_LEN,
				       READ_LEN);
			put(d, &call, i);
		}
		break;
	case ENDLESS:
		nfs3_call_write(&call, 0, &slow, 0, large_data, ENDLESS_LEN);
		rpc_cut_record(rpc_cut_whole(), &d->wire, &call);
		break;
	}
	free(call.data);
}

static void open_one(struct dribbler *d, unsigned long i, uint16_t port)
{
	int room = READER_BUFFER;

	d->conn = rpc_connect("127.0.0.1", port, 0);
	if (kind_of(i) == READER)
		setsockopt(d->conn.fd, SOL_SOCKET, SO_RCVBUF, &room,
			   sizeof(room));
	prepare(d, i);
}

/* Bytes of @all that should have moved by now. */
static size_t due(size_t all)
{
	double part = (rpc_now() - begin) / SECONDS;

	return part < 1 ? (size_t)(part * (double)all) : all;
}

static void send_due(struct dribbler *d, int kind)
{
	size_t now = kind == READER ? d->wire.len : due(d->wire.len);

	if (kind == ENDLESS)
		now = (size_t)((rpc_now() - begin) * ENDLESS_RATE);
	now = now < d->wire.len ? now : d->wire.len;
	while (d->sent < now && !d->conn.closed) {
		struct rpc_view out = {d->wire.data + d->sent,
				       d->wire.data + now, false};
		size_t before = d->sent;

		d->conn.segment = 1 + (size_t)random() % PIECE_MAX;
		if (kind == READER)
			d->conn.segment = 0;
		if (!rpc_send_some(&d->conn, &out))
			d->conn.closed = true;
		d->sent = (size_t)(out.at - d->wire.data);
		if (d->sent == before)
			return;
	}
}

static void receive_due(struct dribbler *d, int kind)
{
	size_t all = (size_t)READS * (READ_LEN + 256);
	size_t room = kind == READER ? due(all) - d->taken : 4096;
	ssize_t got;

	if (!room)
		return;
	got = recv(d->conn.fd, rpc_buf_add(&d->conn.in, room), room, 0);
	d->conn.in.len -= room - (got > 0 ? (size_t)got : 0);
	d->taken += got > 0 ? (size_t)got : 0;
	if (!got || (got < 0 && errno != EAGAIN && errno != EINTR))
		d->conn.closed = true;
}

static void check(struct dribbler *d, unsigned long i)
{
	struct rpc_reply reply;
	const uint8_t *data;
	uint32_t len;

	if (!rpc_reply_parse(&reply, d->conn.record.data, d->conn.record.len) ||
	    reply.accept_stat || reply.xid >= d->wanted)
		die("connection %lu: not a reply to what it called", i);
	if (rpc_get_u32(&reply.results))
		die("connection %lu: call %u failed", i, reply.xid);
	d->replies++;
	if (kind_of(i) != READER)
		return;
	data = nfs3_read_data(&reply.results, &len);
	if (!data || len != READ_LEN ||
	    memcmp(data, large_data + (size_t)reply.xid * READ_LEN, len) != 0)
		die("connection %lu: READ %u has other bytes", i, reply.xid);
}

static void move(struct dribbler *d, unsigned long i)
{
	int kind = kind_of(i);

	if (d->is_done)
		return;
	send_due(d, kind);
	receive_due(d, kind);
	while (rpc_take_record(&d->conn))
		check(d, i);
	d->is_done = d->conn.closed || (d->wanted && d->replies == d->wanted);
	if (d->is_done)
		left--;
	if (d->is_done &&
	    (kind == ENDLESS) != (d->replies < d->wanted || d->wanted == 0))
		die("connection %lu was closed with %u of %u replies, %zu of %zu bytes sent",
		    i, d->replies, d->wanted, d->sent, d->wire.len);
}

int main(int argc, char **argv)
{
	struct dribbler *all;
	struct rpc_conn conn;
	char path[4096];

	if (argc != 5)
		die("usage: dribblers PORT MOUNT-PORT EXPORT CONNECTIONS");
	rpc_end_with_parent();
	nr = strtoul(argv[4], NULL, 0);
	left = nr - (nr + KINDS - 1 - SILENT) / KINDS;
	conn = rpc_connect("127.0.0.1", (uint16_t)atoi(argv[1]), 0);
	slow = nfs3_find(&conn, (uint16_t)atoi(argv[2]), argv[3], "slow");
	large = nfs3_find(&conn, (uint16_t)atoi(argv[2]), argv[3], "large");
	rpc_disconnect(&conn);
	snprintf(path, sizeof(path), "%s/large", argv[3]);
	large_data = map(path, LARGE_LEN);
	slow_data = map("slow", (nr / KINDS + 1) * WRITE_LEN);

	all = calloc(nr, sizeof(*all));
	for (unsigned long i = 0; i < nr; i++)
		open_one(&all[i], i, (uint16_t)atoi(argv[1]));
	begin = rpc_now();
	printf("connected\n");
	fflush(stdout);
	while (left) {
		for (unsigned long i = 0; i < nr; i++)
			move(&all[i], i);
		if (rpc_now() - begin > PATIENCE)
			die("after %d s, %lu connections have not ended",
			    PATIENCE, left);
		usleep(ROUND_US);
	}
	printf("done after %.1f s\n", rpc_now() - begin);
	return 0;
}
