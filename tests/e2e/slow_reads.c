/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: calls that sleep in the file system delay no other call.
 * Method: READs that FSAL SLOW holds for as long as the file HOLD exists; the
 * file is removed only when the replies to the other calls have come. A server
 * that lets them wait for the slow one never answers. See usage().
 */
#include "nfs3_find.h"

#define SLOW_OFFSET (1ull << 40)

enum {
	ROUNDS = 5,
	FAST = 50,	 /* calls beside a slow one */
	CONNECTIONS = 4, /* number of connections for `many` */
	MOST = 1000,
	BLOCK = 65536,
};

static struct rpc_conn conns[CONNECTIONS];
static struct nfs_fh file;
static const char *hold;
static uint32_t xid;

static void __attribute__((noreturn)) usage(void)
{
	die("usage: slow_reads PORT MOUNT-PORT EXPORT HOLD COMMAND\n"
	    "  beside      others of the same connection and of another one are\n"
	    "              answered beside a slow one, which they overtake\n"
	    "  many N      the same beside N slow ones; says \"held\" and waits\n"
	    "              for the end of its input\n"
	    "  flood N     N slow ones alone, likewise\n"
	    "  reset N     N connections with a slow one and others; says\n"
	    "              \"held\", and resets all at the end of its input");
}

static void hold_reads(void)
{
	int fd = open(hold, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);

	if (fd < 0)
		die("%s: %s", hold, strerror(errno));
	close(fd);
}

static void release_reads(void)
{
	if (unlink(hold))
		die("%s: %s", hold, strerror(errno));
}

static void put_call(struct rpc_buf *wire, const struct rpc_buf *call)
{
	rpc_cut_record(rpc_cut_whole(), wire, call);
}

static void put_slow(struct rpc_buf *wire)
{
	struct rpc_buf call = {0};

	nfs3_call_read(&call, ++xid, &file, SLOW_OFFSET, 4096);
	put_call(wire, &call);
	free(call.data);
}

/* Expects each of the calls FIRST to FIRST + COUNT - 1 once. */
struct expected {
	uint32_t first, count;
	uint8_t seen[MOST];
};

static void check_reply(void *opaque, struct rpc_reply *reply)
{
	struct expected *e = opaque;
	uint32_t i = reply->xid - e->first;

	if (i >= e->count)
		die("call %#x is answered, calls %#x to %#x should be",
		    reply->xid, e->first, e->first + e->count - 1);
	if (e->seen[i]++)
		die("call %#x is answered twice", reply->xid);
	if (reply->accept_stat || rpc_get_u32(&reply->results))
		die("call %#x failed", reply->xid);
}

static void take(struct rpc_conn *conn, const struct rpc_buf *wire,
		 uint32_t first, uint32_t count)
{
	struct expected e = {.first = first, .count = count};

	if (rpc_exchange(conn, wire, count, false, check_reply, &e) != count)
		die("the server closed the connection");
}

/* Sends wire, which may begin with slow calls, and FAST calls behind it. */
static void make_fast_calls(struct rpc_conn *conn, struct rpc_buf *wire)
{
	struct rpc_buf call = {0};
	uint32_t first = xid + 1;

	for (int i = 0; i < FAST; i++) {
		if (i % 2)
			nfs3_call(&call, ++xid, NFS3_GETATTR, &file);
		else
			nfs3_call_read(&call, ++xid, &file, 0, 4096);
		put_call(wire, &call);
	}
	take(conn, wire, first, FAST);
	wire->len = 0;
	free(call.data);
}

static void beside(void)
{
	struct rpc_buf wire = {0};

	for (int round = 0; round < ROUNDS; round++) {
		uint32_t slow = xid + 1;

		hold_reads();
		put_slow(&wire);
		make_fast_calls(&conns[0], &wire); /* in one segment */
		make_fast_calls(&conns[1], &wire);
		make_fast_calls(&conns[0], &wire);
		release_reads();
		take(&conns[0], &wire, slow, 1);
	}
	free(wire.data);
	printf("%d calls overtook %d slow ones\n", 3 * FAST * ROUNDS, ROUNDS);
}

static void announce_and_wait(void)
{
	printf("held\n");
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static void many(unsigned count, bool with_fast)
{
	struct rpc_buf wire = {0};
	uint32_t first[CONNECTIONS];

	hold_reads();
	for (int i = 0; i < CONNECTIONS; i++) {
		first[i] = xid + 1;
		for (unsigned n = 0; n < count / CONNECTIONS; n++)
			put_slow(&wire);
		take(&conns[i], &wire, 0, 0);
		wire.len = 0;
	}
	for (int i = 0; with_fast && i < CONNECTIONS; i++)
		make_fast_calls(&conns[i], &wire);
	announce_and_wait();
	release_reads();
	for (int i = 0; i < CONNECTIONS; i++)
		take(&conns[i], &wire, first[i], count / CONNECTIONS);
	free(wire.data);
	printf("all answered\n");
}

/* A slow call, calls with long replies that are never read, long calls, and one
 * that is cut short. */
static void put_all_kinds(struct rpc_buf *wire)
{
	static const uint8_t data[BLOCK];
	struct rpc_buf call = {0};

	put_slow(wire);
	for (int i = 0; i < 3; i++) {
		nfs3_call_read(&call, ++xid, &file, 0, BLOCK);
		put_call(wire, &call);
		nfs3_call_write(&call, ++xid, &file, 0, data, BLOCK);
		put_call(wire, &call);
	}
	put_call(wire, &call);
	wire->len -= BLOCK / 3;
	free(call.data);
}

/* Sends as much as the server takes now. */
static void send_blindly(struct rpc_conn *conn, const struct rpc_buf *wire)
{
	struct rpc_view out = {wire->data, wire->data + wire->len, false};
	struct pollfd fd = {.fd = conn->fd, .events = POLLOUT};

	while (out.at < out.end && poll(&fd, 1, 20) > 0 &&
	       rpc_send_some(conn, &out))
		;
}

static void reset_all(unsigned count, uint16_t port)
{
	struct linger linger = {.l_onoff = 1, .l_linger = 0};
	struct rpc_conn *many = calloc(count, sizeof(*many));
	struct rpc_buf wire = {0};

	hold_reads();
	for (unsigned i = 0; i < count; i++) {
		many[i] = rpc_connect("127.0.0.1", port, 0);
		wire.len = 0;
		put_all_kinds(&wire);
		send_blindly(&many[i], &wire);
	}
	announce_and_wait();
	for (unsigned i = 0; i < count; i++) {
		setsockopt(many[i].fd, SOL_SOCKET, SO_LINGER, &linger,
			   sizeof(linger));
		rpc_disconnect(&many[i]);
	}
	release_reads();
	free(many);
	free(wire.data);
	printf("%u connections reset\n", count);
}

int main(int argc, char **argv)
{
	unsigned count = argc == 7 ? strtoul(argv[6], NULL, 0) : 0;

	if (argc < 6 || count > MOST)
		usage();
	rpc_end_with_parent();
	hold = argv[4];
	for (int i = 0; i < CONNECTIONS; i++)
		conns[i] =
			rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	file = nfs3_find(&conns[0], strtoul(argv[2], NULL, 0), argv[3], "slow");
	if (!strcmp(argv[5], "beside"))
		beside();
	else if (!strcmp(argv[5], "many") && count)
		many(count, true);
	else if (!strcmp(argv[5], "flood") && count)
		many(count, false);
	else if (!strcmp(argv[5], "reset") && count)
		reset_all(count, strtoul(argv[1], NULL, 0));
	else
		usage();
	return 0;
}
