/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Asks a server for its largest calls and replies, by every operation of NFS
 * that tells them, and asks for more than that. Prints numbers, a blank between
 * them; the test knows the right ones.
 *
 * usage: nfs_sizes PORT MOUNT_PORT COMMAND ARGUMENT...
 *   fsinfo EXPORT rtmax rtpref wtmax wtpref, over v3
 *   attributes EXPORT maxread maxwrite, over v4
 *   read3 EXPORT NAME COUNT bytes that a READ of COUNT returns
 *   read4 EXPORT NAME COUNT TIMES
 *                            bytes that TIMES READs in a COMPOUND return
 *   session EXPORT NAME SIZE what CREATE_SESSION grants of SIZE as the longest
 *                            request, reply and cached reply, and the replies
 *                            of the back channel; then the status of a WRITE
 *                            whose record is as long as the request granted
 */
#include "nfs3_find.h"
#include "nfs4_io.h"

enum {
	NFS3_FSINFO = 19,
	NFS4_GETATTR = 9,
	NFS4_MAXREAD = 30,
};

static uint16_t port, mount_port;
static uint32_t xid = 0x200;

static struct rpc_reply ask(struct rpc_conn *conn, struct rpc_buf *call)
{
	struct rpc_reply reply = rpc_call(conn, call);

	free(call->data);
	*call = (struct rpc_buf){0};
	return reply;
}

static void fsinfo(struct rpc_conn *conn, char **args)
{
	struct nfs_fh root = nfs3_mount(mount_port, args[0]);
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint32_t value[6];

	nfs3_call(&call, ++xid, NFS3_FSINFO, &root);
	reply = ask(conn, &call);
	if (rpc_get_u32(&reply.results))
		die("FSINFO failed");
	if (rpc_get_u32(&reply.results))
		rpc_get(&reply.results, NFS3_ATTR_SIZE);
	for (int i = 0; i < 6; i++)
		value[i] = rpc_get_u32(&reply.results);
	printf("%u %u %u %u\n", value[0], value[1], value[3], value[4]);
}

static void attributes(struct rpc_conn *conn, char **args)
{
	struct nfs_fh root = nfs4_find(conn, args[0]);
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint64_t most_read, most_write;

	nfs4_compound(&call, ++xid, 0, 2);
	rpc_put_u32(&call, NFS4_PUTFH);
	rpc_put_fh(&call, &root);
	rpc_put_u32(&call, NFS4_GETATTR);
	rpc_put_u32(&call, 1);
	rpc_put_u32(&call, 3u << NFS4_MAXREAD);
	reply = ask(conn, &call);
	nfs4_get_first(&reply, NFS4_PUTFH);
	nfs4_get_next(&reply, NFS4_GETATTR);
	if (rpc_get_u32(&reply.results) != 1 ||
	    rpc_get_u32(&reply.results) != 3u << NFS4_MAXREAD ||
	    rpc_get_u32(&reply.results) != 2 * sizeof(uint64_t))
		die("GETATTR does not give maxread and maxwrite");
	most_read = nfs4_get_u64(&reply.results);
	most_write = nfs4_get_u64(&reply.results);
	printf("%llu %llu\n", (unsigned long long)most_read,
	       (unsigned long long)most_write);
}

static void read3(struct rpc_conn *conn, char **args)
{
	struct nfs_fh file = nfs3_find(conn, mount_port, args[0], args[1]);
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	nfs3_call_read(&call, ++xid, &file, 0, strtoul(args[2], NULL, 0));
	reply = ask(conn, &call);
	if (rpc_get_u32(&reply.results))
		die("READ failed");
	if (rpc_get_u32(&reply.results))
		rpc_get(&reply.results, NFS3_ATTR_SIZE);
	printf("%u\n", rpc_get_u32(&reply.results));
}

static void put_write(struct rpc_buf *call, const struct nfs_fh *file,
		      uint32_t bytes)
{
	rpc_put_u32(call, NFS4_PUTFH);
	rpc_put_fh(call, file);
	rpc_put_u32(call, NFS4_WRITE);
	nfs4_put_anonymous(call);
	rpc_put_u64(call, 0);
	rpc_put_u32(call, NFS4_FILE_SYNC);
	rpc_put_u32(call, bytes);
	memset(rpc_buf_add(call, bytes), 'w', bytes);
}

static struct nfs_fh find_file(struct rpc_conn *conn, char **args)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", args[0], args[1]);
	return nfs4_find(conn, path);
}

static void read4(struct rpc_conn *conn, char **args)
{
	struct nfs_fh file = find_file(conn, args);
	uint32_t times = strtoul(args[3], NULL, 0), len;
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint64_t sum = 0;

	nfs4_compound(&call, ++xid, 0, 1 + times);
	rpc_put_u32(&call, NFS4_PUTFH);
	rpc_put_fh(&call, &file);
	for (uint32_t i = 0; i < times; i++) {
		rpc_put_u32(&call, NFS4_READ);
		nfs4_put_anonymous(&call);
		rpc_put_u64(&call, 0);
		rpc_put_u32(&call, strtoul(args[2], NULL, 0));
	}
	reply = ask(conn, &call);
	nfs4_get_first(&reply, NFS4_PUTFH);
	for (uint32_t i = 0; i < times; i++) {
		nfs4_get_next(&reply, NFS4_READ);
		rpc_get_u32(&reply.results); /* end of file */
		if (!rpc_get_opaque(&reply.results, &len) || !len)
			die("READ %u of %u returns nothing", i, times);
		sum += len;
	}
	printf("%llu\n", (unsigned long long)sum);
}

/* Prints the granted sizes; returns the longest request. */
static uint32_t create_session(struct rpc_conn *conn,
			       struct nfs4_client *client, uint32_t size)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint32_t channel[2][7];

	snprintf(client->name, sizeof(client->name), "sizes %d", getpid());
	nfs4_call_exchange_id(&call, ++xid, client);
	reply = ask(conn, &call);
	nfs4_get_exchange_id(&reply, client);
	nfs4_call_create_session(&call, ++xid, client, size);
	reply = ask(conn, &call);
	nfs4_get_create_session(&reply, client);
	for (int i = 0; i < 2; i++) {
		for (int j = 0; j < 6; j++)
			channel[i][j] = rpc_get_u32(&reply.results);
		if (rpc_get_u32(&reply.results)) /* RDMA */
			rpc_get_u32(&reply.results);
	}
	printf("%u %u %u %u", channel[0][1], channel[0][2], channel[0][3],
	       channel[1][2]);
	return channel[0][1];
}

static void put_sequence(struct rpc_buf *call, const struct nfs4_client *client)
{
	rpc_put_u32(call, NFS4_SEQUENCE);
	rpc_put(call, client->session, NFS4_SESSION_SIZE);
	rpc_put_u32(call, 1);
	for (int i = 0; i < 3; i++) /* slot, highest slot, keep no reply */
		rpc_put_u32(call, 0);
}

static void session(struct rpc_conn *conn, char **args)
{
	struct nfs_fh file = find_file(conn, args);
	struct nfs4_client client = {0};
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	uint32_t granted, head;

	granted = create_session(conn, &client, strtoul(args[2], NULL, 0));
	nfs4_compound(&call, ++xid, 1, 3);
	put_sequence(&call, &client);
	head = call.len;
	put_write(&call, &file, 0);
	if (granted % 4 || granted <= call.len)
		die("a request of %u bytes is granted", granted);
	granted -= call.len;
	call.len = head;
	put_write(&call, &file, granted);
	reply = ask(conn, &call);
	printf(" %u\n", reply.accept_stat ? UINT32_MAX
					  : rpc_get_u32(&reply.results));
}

static const struct {
	const char *name;
	void (*run)(struct rpc_conn *conn, char **args);
	int nr_args;
} commands[] = {
	{"fsinfo", fsinfo, 1}, {"attributes", attributes, 1},
	{"read3", read3, 3},   {"read4", read4, 4},
	{"session", session, 3},
};

int main(int argc, char **argv)
{
	struct rpc_conn conn;

	rpc_end_with_parent();
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		if (argc != 4 + commands[i].nr_args ||
		    strcmp(argv[3], commands[i].name) != 0)
			continue;
		port = strtoul(argv[1], NULL, 0);
		mount_port = strtoul(argv[2], NULL, 0);
		conn = rpc_connect("127.0.0.1", port, 0);
		commands[i].run(&conn, argv + 4);
		rpc_disconnect(&conn);
		return 0;
	}
	die("see the top of the source for how to use it");
}
