/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: how one slow call a second affects the others of its connection.
 * Method: READs of 4 KiB at a fixed depth over one connection for some seconds;
 * once a second a READ that FSAL SLOW delays by 200 ms goes between them. The
 * time of each of the others is taken from its send to its reply; the slow ones
 * are not counted, but each must be answered, once.
 *
 * usage: slow_call PORT MOUNT-PORT EXPORT NAME DEPTH SECONDS 0|1
 *
 * The last argument: slow calls a second. Prints calls per second, and the
 * median, the 99th percentile and the longest time in milliseconds.
 */
#include "../e2e/nfs3_find.h"

#define SLOW_OFFSET (1ull << 40)

enum {
	DEPTH_MOST = 256,
	LEN = 4096
};

/* A place for a call in flight; its index is in the xid. */
struct slot {
	double sent;
	uint32_t xid;
	bool slow;
};

static struct rpc_conn conn;
static struct nfs_fh file;
static struct slot slots[DEPTH_MOST];
static double *times;
static size_t nr_times, room;

static void note(double seconds)
{
	if (nr_times == room) {
		room = 2 * room + 4096;
		times = realloc(times, room * sizeof(*times));
		if (!times)
			die("no memory for %zu times", room);
	}
	times[nr_times++] = seconds;
}

static void send_read(struct slot *slot, bool slow)
{
	static struct rpc_buf call, wire;
	struct rpc_view out;

	slot->xid += DEPTH_MOST;
	slot->slow = slow;
	nfs3_call_read(&call, slot->xid, &file, slow ? SLOW_OFFSET : 0, LEN);
	wire.len = 0;
	rpc_cut_record(rpc_cut_whole(), &wire, &call);
	out = (struct rpc_view){wire.data, wire.data + wire.len, false};
	slot->sent = rpc_now();
	while (out.at < out.end)
		if (!rpc_send_some(&conn, &out))
			die("the server closed the connection");
}

static struct slot *take_reply(void)
{
	struct rpc_reply reply;
	struct slot *slot;

	while (!rpc_take_record(&conn)) {
		rpc_poll(&conn, POLLIN, 0, 1);
		rpc_receive_some(&conn);
		if (conn.closed)
			die("the server closed the connection");
	}
	if (!rpc_reply_parse(&reply, conn.record.data, conn.record.len) ||
	    reply.accept_stat || rpc_get_u32(&reply.results))
		die("a READ failed");
	slot = &slots[reply.xid % DEPTH_MOST];
	if (slot->xid != reply.xid || !slot->sent)
		die("a reply to %#x, which is not due", reply.xid);
	if (!slot->slow)
		note(rpc_now() - slot->sent);
	slot->sent = 0;
	return slot;
}

static void run(unsigned depth, double seconds, unsigned per_second)
{
	double now = rpc_now(), end = now + seconds, next = now + 0.5;
	unsigned in_flight = depth;

	for (unsigned i = 0; i < depth; i++) {
		slots[i].xid = i;
		send_read(&slots[i], false);
	}
	while (in_flight) {
		struct slot *slot = take_reply();
		bool slow;

		now = rpc_now();
		slow = per_second && now >= next;
		if (slow)
			next += 1.0 / per_second;
		if (now < end)
			send_read(slot, slow);
		else
			in_flight--;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	double seconds;
	unsigned depth;

	if (argc != 8)
		die("usage: slow_call PORT MOUNT-PORT EXPORT NAME DEPTH SECONDS "
		    "SLOW-CALLS-A-SECOND");
	rpc_end_with_parent();
	depth = strtoul(argv[5], NULL, 0);
	seconds = strtod(argv[6], NULL);
	if (!depth || depth > DEPTH_MOST)
		die("depth %s: 1 to %d", argv[5], DEPTH_MOST);
	conn = rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	file = nfs3_find(&conn, strtoul(argv[2], NULL, 0), argv[3], argv[4]);
	run(depth, seconds, strtoul(argv[7], NULL, 0));
	qsort(times, nr_times, sizeof(*times), compare);
	printf("%.0f %.3f %.3f %.3f\n", nr_times / seconds,
	       times[nr_times / 2] * 1e3, times[nr_times * 99 / 100] * 1e3,
	       times[nr_times - 1] * 1e3);
	return 0;
}
