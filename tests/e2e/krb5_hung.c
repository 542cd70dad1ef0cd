/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: calls under krb5, krb5i and krb5p for a hanging export are answered
 * "later" above its share, under their own seals, and served in the end; others
 * over the same connection are served meanwhile.
 * Method: READs that FSAL SLOW holds for as long as the file HOLD exists.
 * LATERS of them must be answered "later" while it does; then GETATTRs of the
 * root of the server are served, HOLD is removed, and all are sent again until
 * they are answered.
 *
 * usage: krb5_hung PORT MOUNT-PORT EXPORT HOLD krb5|krb5i|krb5p 3|4 CALLS
 * LATERS
 *
 * The export has a file "file".
 */
#include "gss_call.h"
#include "nfs3_find.h"
#include "nfs4_io.h"

#define SLOW_OFFSET (1ull << 40)

enum {
	MOST = 100,
	LATER = 10008
};

static struct rpc_conn conn;
static struct gss gss;
static struct nfs_fh file;
static struct rpc_buf plain;
static int version;
static uint32_t sequences[MOST]; /* of calls, by xid */
static bool later[MOST], answered[MOST];
static unsigned int nr_calls, nr_later, nr_answered;

static void put_sealed(struct rpc_buf *wire, const struct rpc_buf *call,
		       uint32_t *sequence)
{
	struct rpc_buf sealed = {0};

	*sequence = gss_seal_call(&gss, call, &sealed);
	rpc_cut_record(rpc_cut_whole(), wire, &sealed);
	free(sealed.data);
}

static void put_slow(struct rpc_buf *wire, uint32_t xid)
{
	struct rpc_buf call = {0};

	if (version == 3)
		nfs3_call_read(&call, xid, &file, SLOW_OFFSET, 4096);
	else
		nfs4_call_read(&call, xid, &file, SLOW_OFFSET, 4096);
	put_sealed(wire, &call, &sequences[xid]);
	later[xid] = false;
	free(call.data);
}

/* The record is in conn: see krb5_calls.c. */
static void on_reply(void *opaque, struct rpc_reply *reply)
{
	uint32_t xid = reply->xid, status;
	struct rpc_reply opened;

	(void)opaque;
	if (xid >= nr_calls || answered[xid] || later[xid])
		die("call %#x is answered twice", xid);
	opened = gss_open_reply(&gss, &conn.record, sequences[xid], &plain);
	status = rpc_get_u32(&opened.results);
	if (status && status != LATER)
		die("call %#x: status %u", xid, status);
	later[xid] = status;
	answered[xid] = !status;
	nr_later += later[xid];
	nr_answered += answered[xid];
}

static struct rpc_reply call_sealed(const struct rpc_buf *call)
{
	struct rpc_buf wire = {0};
	uint32_t sequence;

	put_sealed(&wire, call, &sequence);
	if (!rpc_exchange(&conn, &wire, 1, false, NULL, NULL))
		die("the server closed the connection");
	free(wire.data);
	return gss_open_reply(&gss, &conn.record, sequence, &plain);
}

static void find(const struct nfs_fh *root, const char *export)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	char path[4096];

	snprintf(path, sizeof(path), "%s/file", export);
	if (version == 4)
		nfs4_call_lookup(&call, 1, path);
	else
		nfs3_call_name(&call, 1, NFS3_LOOKUP, root, "file");
	reply = call_sealed(&call);
	if (version == 4)
		file = nfs4_get_lookup(&reply, path);
	else if (rpc_get_u32(&reply.results) ||
		 !rpc_get_fh(&reply.results, &file))
		die("the lookup failed");
	free(call.data);
}

static void serve_others(void)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	for (int i = 0; i < 10; i++) {
		nfs4_call_root(&call, 0x1000 + i);
		reply = call_sealed(&call);
		nfs4_get_first(&reply, NFS4_PUTROOTFH);
	}
	free(call.data);
}

static void exchange_one(struct rpc_buf *wire)
{
	if (!rpc_exchange(&conn, wire, 1, false, on_reply, NULL))
		die("the server closed the connection");
	wire->len = 0;
}

int main(int argc, char **argv)
{
	struct rpc_buf wire = {0};
	enum gss_service service;
	struct nfs_fh root;
	unsigned int laters;
	int fd;

	if (argc != 9)
		die("usage: krb5_hung PORT MOUNT-PORT EXPORT HOLD "
		    "krb5|krb5i|krb5p 3|4 CALLS LATERS");
	rpc_end_with_parent();
	service = argv[5][4] == 'p'   ? GSS_PRIVACY
		  : argv[5][4] == 'i' ? GSS_INTEGRITY
				      : GSS_NONE;
	version = atoi(argv[6]);
	nr_calls = strtoul(argv[7], NULL, 0);
	laters = strtoul(argv[8], NULL, 0);
	if (nr_calls > MOST)
		die("%u calls, %u at most", nr_calls, MOST);
	root = nfs3_mount(strtoul(argv[2], NULL, 0), argv[3]);
	*rpc_flavor() = RPC_AUTH_NONE; /* types of seals */
	conn = rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	gss_establish(&gss, &conn, "nfs@localhost", service);
	find(&root, argv[3]);
	fd = open(argv[4], O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		die("%s: %s", argv[4], strerror(errno));
	for (uint32_t xid = 0; xid < nr_calls; xid++)
		put_slow(&wire, xid);
	while (nr_later < laters)
		exchange_one(&wire);
	serve_others();
	if (nr_answered || nr_later != laters)
		die("%u calls were told to come later, %u expected", nr_later,
		    laters);
	if (unlink(argv[4]))
		die("%s: %s", argv[4], strerror(errno));
	while (nr_answered < nr_calls) {
		/* As clients do: otherwise the sequence number of a delayed
		 * call would leave the server's window. */
		usleep(50000);
		for (uint32_t xid = 0; xid < nr_calls; xid++)
			if (later[xid])
				put_slow(&wire, xid);
		do
			exchange_one(&wire);
		while (conn.in.len > conn.taken);
	}
	gss_destroy(&gss, &conn);
	rpc_disconnect(&conn);
	return 0;
}
