/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: while an export hangs, calls into another one are served, also those of
 * the client that has the hung calls, over the same connections and others;
 * each hung call is answered once in the end, those answered "later" after they
 * are sent again.
 * Method: READs that FSAL SLOW holds for as long as the file HOLD exists, and
 * behind them, on each connection, calls into the other export, whose replies
 * the test waits for; then the same on a new connection and from another
 * address. Prints "held", waits for the end of its input, and releases the
 * READs. See usage().
 */
#include "nfs3_find.h"
#include "nfs4_io.h"

#define SLOW_OFFSET (1ull << 40)

enum {
	FAST = 20, /* calls into the other export on a connection */
	SLOTS = 8,
	MOST = 1000,
	FAST_XID = 0x10000,
	AGAIN_XID = 0x100000, /* added each time a call is sent again */
	NFS3_JUKEBOX = 10008,
	NFS4_DELAY = 10008,
};

/* A call that hangs. */
struct slow {
	uint32_t again; /* number of retransmissions */
	bool later;	/* answered "later" */
	bool answered;
};

static unsigned int version, nr_conns, nr_calls, laters;
static struct rpc_conn conns[MOST];
static struct slow slow[MOST];
static struct nfs_fh hung, other;
static struct nfs4_client sessions[MOST / SLOTS + 2]; /* the first is for FAST */
static uint32_t fast_sequence;
static const char *hold;
static uint16_t port;

static void __attribute__((noreturn)) usage(void)
{
	die("usage: hung_calls PORT MOUNT-PORT HUNG OTHER HOLD VERSION CONNS CALLS\n"
	    "  HUNG, OTHER  exports with a file \"file\"\n"
	    "  VERSION      3, 40 or 41");
}

static void put_sequence(struct rpc_buf *call,
			 const struct nfs4_client *session, uint32_t sequence,
			 uint32_t slot)
{
	rpc_put_u32(call, NFS4_SEQUENCE);
	rpc_put(call, session->session, NFS4_SESSION_SIZE);
	rpc_put_u32(call, sequence);
	rpc_put_u32(call, slot);
	rpc_put_u32(call, SLOTS - 1);
	rpc_put_u32(call, 0);
}

static void put_read(struct rpc_buf *call, uint32_t xid,
		     const struct nfs_fh *file, uint64_t offset,
		     const struct nfs4_client *session, uint32_t sequence,
		     uint32_t slot)
{
	if (version == 3) {
		nfs3_call_read(call, xid, file, offset, 4096);
	} else if (version == 40) {
		nfs4_call_read(call, xid, file, offset, 4096);
	} else {
		nfs4_compound(call, xid, 1, 3);
		put_sequence(call, session, sequence, slot);
		rpc_put_u32(call, NFS4_PUTFH);
		rpc_put_fh(call, file);
		rpc_put_u32(call, NFS4_READ);
		nfs4_put_anonymous(call);
		rpc_put_u64(call, offset);
		rpc_put_u32(call, 4096);
	}
}

/* A retransmission has the same slot and sequence number there. */
static void put_slow(struct rpc_buf *wire, unsigned int n)
{
	struct rpc_buf call = {0};

	put_read(&call, n + slow[n].again * AGAIN_XID, &hung, SLOW_OFFSET,
		 &sessions[1 + n / SLOTS], 1, n % SLOTS);
	rpc_cut_record(rpc_cut_whole(), wire, &call);
	free(call.data);
}

static uint32_t status_of(struct rpc_reply *reply)
{
	if (reply->accept_stat)
		die("call %#x was not accepted: %u", reply->xid,
		    reply->accept_stat);
	return rpc_get_u32(&reply->results);
}

/* "Later" has the exact form of the protocol. */
static void check_later(struct rpc_reply *reply)
{
	struct rpc_view *view = &reply->results;
	uint32_t len;

	if (version == 3) {
		if (rpc_get_u32(view))
			die("JUKEBOX with attributes");
	} else {
		rpc_get_opaque(view, &len); /* tag */
		if (len || rpc_get_u32(view) != 1 ||
		    rpc_get_u32(view) !=
			    (version == 41 ? NFS4_SEQUENCE : NFS4_PUTFH) ||
		    rpc_get_u32(view) != NFS4_DELAY)
			die("DELAY of the wrong operation");
	}
	if (view->bad || view->at != view->end)
		die("a reply \"later\" of the wrong length");
}

static void take_slow(struct rpc_reply *reply)
{
	uint32_t n = reply->xid & (FAST_XID - 1), status = status_of(reply);

	if (n >= nr_calls || reply->xid / AGAIN_XID != slow[n].again ||
	    slow[n].answered || slow[n].later)
		die("call %#x is answered twice, or was not sent", reply->xid);
	if (status == NFS4_DELAY) {
		check_later(reply);
		slow[n].later = true;
		laters++;
	} else if (status) {
		die("call %#x: status %u", reply->xid, status);
	} else {
		slow[n].answered = true;
	}
}

/* Takes replies; a call into the other export must succeed. */
static void take(void *nr_fast, struct rpc_reply *reply)
{
	if (!(reply->xid & FAST_XID)) {
		take_slow(reply);
		return;
	}
	if (status_of(reply))
		die("call %#x into the other export failed", reply->xid);
	++*(unsigned int *)nr_fast;
}

static void exchange_one(struct rpc_conn *conn, struct rpc_buf *wire,
			 unsigned int *nr_fast)
{
	if (rpc_exchange(conn, wire, 1, false, take, nr_fast) != 1)
		die("the server closed the connection");
	wire->len = 0;
}

/* Calls into the other export, one after the other, behind the bytes in
 * @wire. */
static void make_fast_calls(struct rpc_conn *conn, struct rpc_buf *wire)
{
	struct rpc_buf call = {0};

	for (unsigned int i = 0; i < FAST; i++) {
		unsigned int done = 0;

		put_read(&call, FAST_XID + i, &other, 0, &sessions[0],
			 ++fast_sequence, 0);
		rpc_cut_record(rpc_cut_whole(), wire, &call);
		while (!done)
			exchange_one(conn, wire, &done);
	}
	free(call.data);
}

static struct rpc_conn connect_from(const char *address)
{
	struct sockaddr_in from = {.sin_family = AF_INET},
			   to = {.sin_family = AF_INET,
				 .sin_port = htons(port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct rpc_conn conn = {.fd = socket(AF_INET, SOCK_STREAM, 0)};

	inet_pton(AF_INET, address, &from.sin_addr);
	if (bind(conn.fd, (void *)&from, sizeof(from)) ||
	    connect(conn.fd, (void *)&to, sizeof(to)))
		die("connection from %s: %s", address, strerror(errno));
	fcntl(conn.fd, F_SETFL, O_NONBLOCK);
	return conn;
}

static void serve_new(const char *address)
{
	struct rpc_conn conn = connect_from(address);
	struct rpc_buf wire = {0};

	make_fast_calls(&conn, &wire);
	rpc_disconnect(&conn);
	free(wire.data);
}

static void make_sessions(struct rpc_conn *conn)
{
	struct nfs4_client client = {.name = "hung_calls"};
	struct rpc_buf call = {0};
	struct rpc_reply reply;

	nfs4_call_exchange_id(&call, 1, &client);
	reply = rpc_call(conn, &call);
	nfs4_get_exchange_id(&reply, &client);
	for (unsigned int i = 0; i < nr_calls / SLOTS + 2; i++) {
		sessions[i] = client;
		nfs4_call_create_session(&call, 2, &sessions[i], 65536);
		reply = rpc_call(conn, &call);
		nfs4_get_create_session(&reply, &sessions[i]);
		client.sequence++;
	}
	free(call.data);
}

static struct nfs_fh find(struct rpc_conn *conn, uint16_t mount_port,
			  const char *export)
{
	char path[4096];

	if (version == 3)
		return nfs3_find(conn, mount_port, export, "file");
	snprintf(path, sizeof(path), "%s/file", export);
	return nfs4_find(conn, path);
}

static void send_all(void)
{
	struct rpc_buf wire = {0};

	for (unsigned int i = 0; i < nr_conns; i++) {
		for (unsigned int n = i; n < nr_calls; n += nr_conns)
			put_slow(&wire, n);
		make_fast_calls(&conns[i], &wire);
	}
	free(wire.data);
}

/* True while one is not answered; @wire has those that are sent again. */
static bool put_laters(struct rpc_buf *wire, unsigned int conn)
{
	bool open = false;

	for (unsigned int n = conn; n < nr_calls; n += nr_conns) {
		open |= !slow[n].answered;
		if (!slow[n].later)
			continue;
		slow[n].later = false;
		slow[n].again++;
		put_slow(wire, n);
	}
	return open;
}

static void take_all(void)
{
	struct rpc_buf wire = {0};
	unsigned int none = 0;

	for (unsigned int i = 0; i < nr_conns; i++) {
		while (put_laters(&wire, i))
			exchange_one(&conns[i], &wire, &none);
		make_fast_calls(&conns[i], &wire);
	}
	free(wire.data);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc != 9)
		usage();
	rpc_end_with_parent();
	port = strtoul(argv[1], NULL, 0);
	hold = argv[5];
	version = strtoul(argv[6], NULL, 0);
	nr_conns = strtoul(argv[7], NULL, 0);
	nr_calls = strtoul(argv[8], NULL, 0);
	if (nr_conns > MOST || !nr_conns || nr_calls > MOST)
		usage();
	for (unsigned int i = 0; i < nr_conns; i++)
		conns[i] = connect_from("127.0.0.1");
	hung = find(&conns[0], strtoul(argv[2], NULL, 0), argv[3]);
	other = find(&conns[0], strtoul(argv[2], NULL, 0), argv[4]);
	if (version == 41)
		make_sessions(&conns[0]);
	fd = open(hold, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		die("%s: %s", hold, strerror(errno));
	send_all();
	serve_new("127.0.0.1");
	serve_new("127.0.0.2");
	printf("held, %u told to come later\n", laters);
	fflush(stdout);
	while (getchar() != EOF)
		;
	if (unlink(hold))
		die("%s: %s", hold, strerror(errno));
	take_all();
	printf("all answered, %u were told to come later\n", laters);
	return 0;
}
