/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: READs return what was written, however often connections end while
 * calls are in flight.
 * Method: WRITEs and READs that do not overlap are kept in flight over a
 * connection that is reset or closed after a few of them, in the middle of a
 * call or behind it, and then over another one. Data read must be of the WRITE
 * that was answered last.
 *
 * The WRITEs that were in flight are, by MODE,
 *   forget not sent again, nor is their place used again: in the end they are
 *              there as a whole or not at all
 *   again sent again from another port. Their first copy may run late, over
 *              what was written since: that is counted, and must be the copy
 *              whose connection has ended
 *   same-port sent again from the same port, as kernels do, so that the server
 *              knows them: it must answer, and run them once
 *
 * usage: reconnects MODE PORT MOUNT-PORT EXPORT NAME CONNECTIONS SEED [cut]
 *
 * NAME is a file of zeroes, 4 MiB, or 128 KiB for each of the CONNECTIONS to
 * forget. With cut, records are cut into random fragments.
 */
#include <limits.h>

#include "nfs3_find.h"
#include "tagged.h"

enum {
	DEPTH = 12,
	FILE_UNITS = 4 << 20 >> 4,
	REGION_UNITS = 128 << 10 >> 4, /* of a connection that has its own */
	WRITE_UNITS = 65536,	       /* 1 MiB */
	LIFE_CALLS = 30,
	READ_UNITS = 4096,
	SETTLE_S = 60,
};

struct call {
	uint32_t xid, number; /* number: 0 for a READ */
	uint32_t at, len;     /* units */
};

/* A WRITE, by its number. */
struct written {
	uint32_t at, len;
	uint16_t copies; /* number of earlier retransmissions */
	bool forgotten, late;
	double sent, lost; /* the last copy; when the one before was cut off */
};

static enum {
	FORGET,
	AGAIN,
	SAME_PORT
} mode;
static struct call calls[DEPTH];
static unsigned nr_calls;
static struct written *writes;
static uint32_t nr_writes;
static uint32_t *latest; /* of each unit: the WRITE that was answered last */
static uint32_t base, span, nr_units; /* that this connection uses; of all */
static uint32_t next_xid, owner;
static struct nfs_fh file;
static struct rpc_conn conn;
static uint16_t port, own_port;
static uint64_t seed;
static bool cut;
static unsigned nr_late, nr_reads, nr_again;
static double most_late;

static uint32_t draw(uint32_t below)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (seed >> 33) % below;
}

static bool meet(uint32_t at, uint32_t len, uint32_t other, uint32_t other_len)
{
	return at < other + other_len && other < at + len;
}

/* A unit is not of the WRITE that was answered last. */
static void check_stale(struct tag tag, uint32_t expected)
{
	struct written *old = &writes[tag.number];
	double late = writes[expected].sent - old->lost;

	if (!tag.number || tag.number >= expected || tag.copy >= old->copies)
		die("unit %u is of copy %u of write %u, expected write %u",
		    tag.at, tag.copy, tag.number, expected);
	if (mode == SAME_PORT)
		die("unit %u: write %u was run twice", tag.at, tag.number);
	nr_late += !old->late;
	old->late = true;
	most_late = late > most_late ? late : most_late;
}

static void check_read(uint32_t at, const uint8_t *data, uint32_t len)
{
	for (; len; len--, at++, data += TAGGED_UNIT) {
		struct tag tag = tagged_get(data, owner, at);

		if (tag.number > nr_writes)
			die("unit %u is of write %u, which was not made", at,
			    tag.number);
		if (tag.number != latest[at])
			check_stale(tag, latest[at]);
	}
}

static bool is_used(uint32_t at, uint32_t len)
{
	for (unsigned i = 0; i < nr_calls; i++)
		if (meet(at, len, calls[i].at, calls[i].len))
			return true;
	return false;
}

/* Another call where none is in flight; false if there is no room for it. */
static bool make_call(void)
{
	struct call *call = &calls[nr_calls];
	uint32_t most = span / 2 < WRITE_UNITS ? span / 2 : WRITE_UNITS;
	uint32_t len = 1;

	/* As many small ones as large ones. */
	while (len < most && draw(14))
		len *= 2;
	len = 1 + draw(len);
	*call = (struct call){.at = base + draw(span - len), .len = len};
	if (is_used(call->at, len))
		return false;
	call->xid = next_xid++;
	if (draw(10) < 6) {
		call->number = ++nr_writes;
		writes = realloc(writes, (nr_writes + 1) * sizeof(*writes));
		writes[nr_writes] =
			(struct written){.at = call->at, .len = len};
	}
	nr_calls++;
	return true;
}

/* A retransmission must be the same in all by which the server recognises a
 * call. */
static void put_write(struct rpc_buf *record, const struct call *call)
{
	struct written *written = &writes[call->number];
	struct tag tag = {
		.owner = owner, .at = call->at, .number = call->number};
	void *data = malloc(call->len * TAGGED_UNIT);

	tag.copy = mode == AGAIN ? written->copies : 0;
	tagged_put(data, tag, call->len);
	nfs3_call_write(record, call->xid, &file,
			(uint64_t)call->at * TAGGED_UNIT, data,
			call->len * TAGGED_UNIT);
	free(data);
	written->sent = rpc_now();
}

static void put_call(struct rpc_buf *wire, const struct call *call)
{
	struct rpc_cut how = rpc_cut_whole();
	struct rpc_buf record = {0};

	if (call->number)
		put_write(&record, call);
	else
		nfs3_call_read(&record, call->xid, &file,
			       (uint64_t)call->at * TAGGED_UNIT,
			       call->len * TAGGED_UNIT);
	if (cut && !draw(3))
		how = (struct rpc_cut){.kind = RPC_CUT_RANDOM, .size = seed};
	rpc_cut_record(how, wire, &record);
	free(record.data);
}

static void take_reply(void)
{
	struct rpc_reply reply;
	const uint8_t *data;
	uint32_t len, i = 0;

	if (!rpc_reply_parse(&reply, conn.record.data, conn.record.len))
		die("not an RPC reply");
	while (i < nr_calls && calls[i].xid != reply.xid)
		i++;
	if (i == nr_calls)
		die("a reply to %#x, which is not in flight", reply.xid);
	if (reply.accept_stat || rpc_get_u32(&reply.results))
		die("call %#x failed", reply.xid);
	if (calls[i].number) {
		for (uint32_t k = 0; k < calls[i].len; k++)
			latest[calls[i].at + k] = calls[i].number;
	} else {
		data = nfs3_read_data(&reply.results, &len);
		if (!data || len != calls[i].len * TAGGED_UNIT)
			die("a READ of %u units is cut short", calls[i].len);
		check_read(calls[i].at, data, calls[i].len);
		nr_reads++;
	}
	calls[i] = calls[--nr_calls];
}

static void open_conn(void)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = port};
	struct sockaddr_in from = {.sin_family = AF_INET};
	socklen_t len = sizeof(from);
	int one = 1;

	to.sin_addr.s_addr = from.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (mode == SAME_PORT) {
		/* An address of its own: on a shared one another client may be
		 * given the port between its two connections. */
		from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + owner);
		from.sin_port = own_port;
	}
	conn.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	conn.in.len = conn.taken = 0;
	setsockopt(conn.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	setsockopt(conn.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (bind(conn.fd, (void *)&from, sizeof(from)) ||
	    connect(conn.fd, (void *)&to, sizeof(to)) ||
	    getsockname(conn.fd, (void *)&from, &len))
		die("connect: %s", strerror(errno));
	own_port = from.sin_port;
	fcntl(conn.fd, F_SETFL, O_NONBLOCK);
}

/* From here on calls in flight belong to no connection. */
static void end_conn(void)
{
	const struct linger now = {.l_onoff = 1};

	if (mode == SAME_PORT || draw(3))
		setsockopt(conn.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(conn.fd);
	for (unsigned i = 0; i < nr_calls; i++) {
		struct written *written = &writes[calls[i].number];

		written->lost = rpc_now();
		written->copies++;
		written->forgotten = mode == FORGET && calls[i].number;
	}
	if (mode == FORGET) {
		nr_calls = 0;
		base += span;
	}
}

/* As many calls in flight as there may be. */
static void fill(struct rpc_buf *wire)
{
	for (int tries = 4; nr_calls < DEPTH && tries;)
		if (make_call())
			put_call(wire, &calls[nr_calls - 1]);
		else
			tries--;
}

/* Sends, takes replies and makes calls until so many replies have come. */
static void run_calls(struct rpc_buf *wire, size_t *sent, unsigned left,
		      bool more)
{
	while (left && (more || nr_calls)) {
		struct rpc_view out;

		if (more)
			fill(wire);
		out = (struct rpc_view){wire->data + *sent,
					wire->data + wire->len, false};
		if (out.at < out.end && !rpc_send_some(&conn, &out))
			die("the server closed the connection");
		*sent = out.at - wire->data;
		rpc_poll(&conn, POLLIN | (*sent < wire->len ? POLLOUT : 0), 0,
			 nr_calls);
		rpc_receive_some(&conn);
		for (; left && rpc_take_record(&conn); left--)
			take_reply();
		if (conn.closed)
			die("the server closed the connection");
	}
}

/* A connection from its beginning to its cut. */
static void run_conn(bool last)
{
	struct rpc_buf wire = {0};
	size_t sent = 0;

	nr_again += nr_calls;
	for (unsigned i = 0; i < nr_calls; i++)
		put_call(&wire, &calls[i]);
	run_calls(&wire, &sent, last ? UINT_MAX : draw(LIFE_CALLS), !last);
	if (!last) {
		fill(&wire);
		if (draw(4) && wire.len > sent)
			(void)!send(conn.fd, wire.data + sent,
				    draw(wire.len - sent + 1), MSG_NOSIGNAL);
	}
	free(wire.data);
}

/* Forgotten WRITEs that were run count as answered; false if one is not
 * whole. */
static bool settle(const uint8_t *data, uint32_t first, uint32_t len)
{
	for (uint32_t at = first; at < first + len; at++) {
		struct tag tag = tagged_get(data + (at - first) * TAGGED_UNIT,
					    owner, at);
		const struct written *written;

		if (tag.number == latest[at])
			continue;
		if (writes[latest[at]].forgotten)
			return false;
		written = &writes[tag.number];
		if (tag.number > nr_writes || !written->forgotten)
			die("unit %u is of write %u, expected %u", at,
			    tag.number, latest[at]);
		if (at != written->at)
			return false;
		for (uint32_t k = 0; k < written->len; k++)
			latest[at + k] = tag.number;
	}
	return true;
}

/* The whole file; false if some WRITE seems to run still. */
static bool read_all(void)
{
	struct rpc_conn over = rpc_connect("127.0.0.1", ntohs(port), 0);
	struct rpc_buf record = {0};
	bool whole = true;

	for (uint32_t at = 0; whole && at < nr_units; at += READ_UNITS) {
		struct rpc_reply reply;
		const uint8_t *data;
		uint32_t len = 0;

		nfs3_call_read(&record, next_xid++, &file,
			       (uint64_t)at * TAGGED_UNIT,
			       READ_UNITS * TAGGED_UNIT);
		reply = rpc_call(&over, &record);
		data = rpc_get_u32(&reply.results)
			       ? NULL
			       : nfs3_read_data(&reply.results, &len);
		if (!data || len != READ_UNITS * TAGGED_UNIT)
			die("the file cannot be read at unit %u", at);
		if (mode == FORGET)
			whole = settle(data, at, READ_UNITS);
		else
			check_read(at, data, READ_UNITS);
	}
	rpc_disconnect(&over);
	free(record.data);
	return whole;
}

static void start(char **argv)
{
	static const char *const modes[] = {"forget", "again", "same-port"};

	while (strcmp(argv[1], modes[mode]))
		if (++mode > SAME_PORT)
			die("%s: no such mode", argv[1]);
	port = htons(atoi(argv[2]));
	owner = atoi(argv[7]);
	cut = argv[8];
	seed = owner * 0x9e3779b97f4a7c15u;
	next_xid = owner << 20;
	span = mode == FORGET ? REGION_UNITS : FILE_UNITS;
	nr_units = mode == FORGET ? span * atoi(argv[6]) : span;
	latest = calloc(nr_units, sizeof(*latest));
	writes = calloc(1, sizeof(*writes));
	open_conn();
	file = nfs3_find(&conn, atoi(argv[3]), argv[4], argv[5]);
}

int main(int argc, char **argv)
{
	double end;

	if (argc < 8)
		die("usage: reconnects MODE PORT MOUNT-PORT EXPORT NAME CONNECTIONS SEED [cut]");
	rpc_end_with_parent();
	start(argv);
	for (int left = atoi(argv[6]); left; left--) {
		run_conn(false);
		end_conn();
		open_conn();
	}
	run_conn(true);
	for (end = rpc_now() + SETTLE_S; !read_all(); usleep(100000))
		if (rpc_now() > end)
			die("a WRITE is there in part only");
	printf("%s: %u writes, %u reads, %u calls sent again, %u first copies ran late, up to %.1f ms\n",
	       argv[1], nr_writes, nr_reads, nr_again, nr_late,
	       most_late * 1e3);
	return 0;
}
