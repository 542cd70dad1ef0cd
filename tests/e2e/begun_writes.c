/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: data that a client writes to a file are never run as a call.
 * Method: each connection sends the first part of a WRITE whose data contain a
 * whole record, a REMOVE of the file "victim". The rest, which begins with that
 * record, follows when the caller says so: whatever happened to the connection
 * in between, the REMOVE must not be answered. See usage().
 */
#include "nfs3_find.h"

enum {
	MOST = 200,
	FIRST = 20000,	/* bytes of data in the first part */
	DATA = 60000,	/* in all */
	WRITE_XID = 0x1000,
	FORGED_XID = 0xf0f0,
};

static void __attribute__((noreturn)) usage(void)
{
	die("usage: begun_writes PORT MOUNT-PORT EXPORT COUNT [read]\n"
	    "  Says \"ready\", and at a line of input begins COUNT writes to the file\n"
	    "  \"data\", on connections that it tries to make until it can. Says\n"
	    "  \"sent\", with `read` not before the server has read all of it, and at\n"
	    "  a line of input sends the rest. Prints how many were answered.");
}

static void say_and_wait(const char *what)
{
	char line[16];

	printf("%s\n", what);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		exit(1);
}

/* The record on the wire, with the other one in its data. */
static struct rpc_buf make_record(const struct nfs_fh *root,
				  const struct nfs_fh *file, size_t *first)
{
	static uint8_t data[DATA];
	struct rpc_buf remove = {0}, forged = {0}, write = {0}, wire = {0};

	memset(data, 'a', sizeof(data));
	nfs3_call_name(&remove, FORGED_XID, NFS3_REMOVE, root, "victim");
	rpc_cut_record(rpc_cut_whole(), &forged, &remove);
	memcpy(data + FIRST, forged.data, forged.len);
	nfs3_call_write(&write, WRITE_XID, file, 0, data, DATA);
	rpc_cut_record(rpc_cut_whole(), &wire, &write);
	*first = wire.len - DATA + FIRST;
	free(remove.data);
	free(forged.data);
	free(write.data);
	return wire;
}

static void send_part(struct rpc_conn *conn, const uint8_t *from, size_t len)
{
	struct rpc_view out = {from, from + len, false};
	struct pollfd fd = {.fd = conn->fd, .events = POLLOUT};

	while (out.at < out.end && poll(&fd, 1, RPC_PATIENCE_S * 1000) > 0 &&
	       rpc_send_some(conn, &out))
		;
}

static unsigned port_of(const struct rpc_conn *conn)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);

	if (getsockname(conn->fd, (struct sockaddr *)&at, &len))
		die("getsockname: %s", strerror(errno));
	return ntohs(at.sin_port);
}

/* Number of bytes that the server has not read yet; -1: @table lacks the
 * connection. */
static long unread_in(const char *table, unsigned port, unsigned peer)
{
	FILE *file = fopen(table, "re");
	unsigned local, remote, queue;
	char line[256];
	long unread = -1;

	while (file && unread < 0 && fgets(line, sizeof(line), file))
		if (sscanf(line,
			   "%*u: %*[0-9A-F]:%x %*[0-9A-F]:%x %*x %*x:%x",
			   &local, &remote, &queue) == 3 &&
		    local == port && remote == peer)
			unread = queue;
	if (file)
		fclose(file);
	return unread;
}

static unsigned unread(unsigned port, unsigned peer)
{
	long bytes = unread_in("/proc/net/tcp", port, peer);

	if (bytes < 0)
		bytes = unread_in("/proc/net/tcp6", port, peer);
	if (bytes < 0)
		die("no connection from port %u to %u", peer, port);
	return bytes;
}

static void wait_until_read(unsigned port, const struct rpc_conn *conn)
{
	double end = rpc_now() + RPC_PATIENCE_S;

	while (unread(port, port_of(conn)))
		if (rpc_now() > end)
			die("the server does not read");
		else
			usleep(1000);
}

/* Receives until the server closes; true if the WRITE was answered. */
static bool is_answered(struct rpc_conn *conn)
{
	struct pollfd fd = {.fd = conn->fd, .events = POLLIN};
	struct rpc_reply reply;
	bool answered = false;

	while (!conn->closed) {
		while (rpc_take_record(conn)) {
			if (!rpc_reply_parse(&reply, conn->record.data,
					     conn->record.len) ||
			    reply.xid != WRITE_XID)
				die("something in the data was answered");
			answered = true;
		}
		if (poll(&fd, 1, RPC_PATIENCE_S * 1000) != 1)
			die("the server neither answers nor closes");
		rpc_receive_some(conn);
	}
	return answered;
}

int main(int argc, char **argv)
{
	static struct rpc_conn conns[MOST];
	unsigned count = argc >= 5 ? strtoul(argv[4], NULL, 0) : 0;
	unsigned port, answered = 0;
	struct nfs_fh root, file;
	struct rpc_conn conn;
	struct rpc_buf wire;
	size_t first;

	if (!count || count > MOST)
		usage();
	rpc_end_with_parent();
	port = strtoul(argv[1], NULL, 0);
	conn = rpc_connect("127.0.0.1", port, 0);
	root = nfs3_mount(strtoul(argv[2], NULL, 0), argv[3]);
	file = nfs3_lookup(&conn, &root, "data");
	rpc_disconnect(&conn);
	wire = make_record(&root, &file, &first);
	say_and_wait("ready");
	for (unsigned i = 0; i < count; i++) {
		conns[i] = rpc_connect("127.0.0.1", port, RPC_PATIENCE_S);
		send_part(&conns[i], wire.data, first);
	}
	for (unsigned i = 0; i < count && argc == 6; i++)
		wait_until_read(port, &conns[i]);
	say_and_wait("sent");
	for (unsigned i = 0; i < count; i++) {
		send_part(&conns[i], wire.data + first, wire.len - first);
		shutdown(conns[i].fd, SHUT_WR);
	}
	for (unsigned i = 0; i < count; i++)
		answered += is_answered(&conns[i]);
	printf("%u answered\n", answered);
	return 0;
}
