/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client that executes a script, a step at a time.
 * Method: each line of its input is a command; it prints "ok" when that is
 * done, and ends with a sentence where the server did not do what it should
 * have.
 *
 * usage: step_client PORT MOUNT-PORT EXPORT: the export is a folder of this
 * host, with the file "file" of LARGE bytes or more
 *
 * 
 *   call connects, and sends a READ
 *   batch ... some in one piece
 *   large ... some with long replies, of which it reads nothing
 *   half ... one without its last bytes
 *   last ... one, and that is the last: it closes its sending side
 *   read ... one, takes the reply, and closes its sending side
 *   more continues: the missing bytes, and one call more
 *   finish takes all replies, checks their contents, and closes
 *   reset resets the connection
 */
#include "nfs3_find.h"

enum {
	SMALL = 4096,
	LARGE = 1048576,
	BATCH = 16,
	LARGES = 32,
	MOST = 64,
	LEFT_OUT = 10, /* bytes */
};

static uint16_t port;
static struct nfs_fh file;
static uint8_t content[LARGE];

static struct {
	struct rpc_conn conn;
	struct rpc_buf unsent;
	uint32_t first, count, len;
	uint8_t seen[MOST];
	bool closes; /* it has sent its last call */
} now;

static void read_content(const char *export)
{
	char path[512];
	FILE *from;

	snprintf(path, sizeof(path), "%s/file", export);
	from = fopen(path, "rb");
	if (!from || fread(content, 1, LARGE, from) != LARGE)
		die("%s: not so many bytes as %d", path, LARGE);
	fclose(from);
}

static void check_reply(void *opaque, struct rpc_reply *reply)
{
	uint32_t i = reply->xid - now.first, len = 0;
	const uint8_t *data;

	(void)opaque;
	if (i >= now.count || now.seen[i]++)
		die("a reply to call %#x, which waits for none", reply->xid);
	if (reply->accept_stat || rpc_get_u32(&reply->results))
		die("call %#x failed", reply->xid);
	data = nfs3_read_data(&reply->results, &len);
	if (!data || len != now.len || memcmp(data, content, len))
		die("wrong bytes in the reply to call %#x", reply->xid);
}

static void take_replies(uint32_t count)
{
	struct rpc_buf nothing = {0};

	if (rpc_exchange(&now.conn, &nothing, count, false, check_reply,
			 NULL) != count)
		die("the server closed instead of a reply");
}

static void add_calls(unsigned int count)
{
	struct rpc_buf call = {0};

	while (count--) {
		nfs3_call_read(&call, now.first + now.count++, &file, 0,
			       now.len);
		rpc_cut_record(rpc_cut_whole(), &now.unsent, &call);
	}
	free(call.data);
}

/* All but the last @left bytes. */
static void send_calls(size_t left)
{
	struct rpc_buf *unsent = &now.unsent;
	struct rpc_buf wire = {unsent->data, unsent->len - left, 0};

	rpc_exchange(&now.conn, &wire, 0, false, NULL, NULL);
	memmove(unsent->data, unsent->data + wire.len, left);
	unsent->len = left;
}

static void begin(uint32_t len, unsigned int count, size_t left)
{
	static uint32_t first = 0x1000;

	now.conn = rpc_connect("127.0.0.1", port, 0);
	now.first = first += 0x1000;
	now.count = 0;
	now.len = len;
	now.closes = false;
	memset(now.seen, 0, sizeof(now.seen));
	add_calls(count);
	send_calls(left);
}

static void close_sending(void)
{
	shutdown(now.conn.fd, SHUT_WR);
	now.closes = true;
}

static void go_on(void)
{
	if (now.closes)
		return;
	add_calls(1);
	send_calls(0);
}

static uint32_t missing(void)
{
	uint32_t nr = 0;

	for (uint32_t i = 0; i < now.count; i++)
		nr += !now.seen[i];
	return nr;
}

static void finish(void)
{
	send_calls(0);
	take_replies(missing());
	if (now.closes && (!rpc_closed_within(&now.conn, RPC_PATIENCE_S) ||
			   now.conn.in.len > now.conn.taken))
		die("no clean end of file behind the last reply");
	go_on();
	take_replies(missing());
	rpc_disconnect(&now.conn);
}

static void reset(void)
{
	const struct linger linger = {.l_onoff = 1};

	setsockopt(now.conn.fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	rpc_disconnect(&now.conn);
	now.unsent.len = 0;
}

static void obey(const char *command)
{
	if (!strcmp(command, "call"))
		begin(SMALL, 1, 0);
	else if (!strcmp(command, "batch"))
		begin(SMALL, BATCH, 0);
	else if (!strcmp(command, "large"))
		begin(LARGE, LARGES, 0);
	else if (!strcmp(command, "half"))
		begin(SMALL, 1, LEFT_OUT);
	else if (!strcmp(command, "last") || !strcmp(command, "read"))
		begin(SMALL, 1, 0);
	else if (!strcmp(command, "more"))
		go_on();
	else if (!strcmp(command, "finish"))
		finish();
	else if (!strcmp(command, "reset"))
		reset();
	else
		die("%s: not a command", command);
	if (!strcmp(command, "read"))
		take_replies(1);
	if (!strcmp(command, "last") || !strcmp(command, "read"))
		close_sending();
}

int main(int argc, char **argv)
{
	struct rpc_conn conn;
	char command[32];

	if (argc != 4)
		die("usage: step_client PORT MOUNT-PORT EXPORT");
	rpc_end_with_parent();
	port = (uint16_t)strtoul(argv[1], NULL, 0);
	conn = rpc_connect("127.0.0.1", port, 0);
	file = nfs3_find(&conn, (uint16_t)strtoul(argv[2], NULL, 0), argv[3],
			 "file");
	rpc_disconnect(&conn);
	read_content(argv[3]);
	setvbuf(stdout, NULL, _IOLBF, 0);
	puts("ok");
	while (scanf("%31s", command) == 1) {
		obey(command);
		puts("ok");
	}
	return 0;
}
