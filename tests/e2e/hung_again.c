/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a REMOVE that its client sends again (same xid) into a hanging export
 * is executed once, and answered with its result: after "later" the client
 * would send it under a new xid, as another call.
 * Method: the original was answered on a closed connection; or runs, of a
 * closed one; or waits for a thread, on the same one. The new connection has
 * the old one's port, by which the server knows the client, and so many hanging
 * READs that further calls are answered "later". A REMOVE that is not sent
 * again is answered so, and so may be the waiting one, once, and is not
 * executed then. When the running one is done, the server closes the connection
 * of the retransmission, as it does not answer it there; calls without an
 * answer are sent again. In the end each name was removed once, or its REMOVE
 * was answered "later". See usage().
 */
#include "nfs3_find.h"
#include "nfs4_io.h"

#define SLOW_OFFSET (1ull << 40)

enum {
	READS = 300,
	FIRST = 63, /* READs that occupy threads, beside a REMOVE */
	NFS4_REMOVE = 28,
	LATER = 10008, /* NFS3ERR_JUKEBOX, NFS4ERR_DELAY */
	NOENT = 2,
};

/* Names, and the first xids of the calls that remove them. */
enum {
	GONE = 0x1000, /* "gone", before anything hangs */
	RUNS,	       /* "slow-runs" */
	WAITS,	       /* "slow-waits" */
	NEW,	       /* "slow-new" */
	NAMES,
	FAST = 0x2000,
	CHECK = 0x10000, /* added, to see what is left */
};

static const char *const names[] = {"gone", "slow-runs", "slow-waits",
				    "slow-new"};

static unsigned int version, laters, nr_fast, nr_taken;
static struct nfs_fh hung, file, other;
static struct rpc_conn conn;
static struct rpc_buf wire;
static unsigned int done[NAMES - GONE], refused[NAMES - GONE];
static bool answered[READS], told[READS];
static uint32_t checked; /* the last status of that kind */
static bool may_close, closed;
static const char *hold;
static uint16_t port, our_port;

static void __attribute__((noreturn)) usage(void)
{
	die("usage: hung_again PORT MOUNT-PORT HUNG OTHER HOLD VERSION\n"
	    "  HUNG, OTHER  exports with a file \"file\", HUNG with those to remove\n"
	    "  VERSION      3 or 40");
}

static void put(struct rpc_buf *call)
{
	rpc_cut_record(rpc_cut_whole(), &wire, call);
	free(call->data);
}

static void put_read(uint32_t xid, const struct nfs_fh *from, uint64_t offset)
{
	struct rpc_buf call = {0};

	if (version == 3)
		nfs3_call_read(&call, xid, from, offset, 4096);
	else
		nfs4_call_read(&call, xid, from, offset, 4096);
	put(&call);
}

static void put_reads(unsigned int first, unsigned int end)
{
	for (unsigned int n = first; n < end; n++)
		put_read(n, &file, SLOW_OFFSET);
}

static void put_remove(uint32_t xid, unsigned int name)
{
	struct rpc_buf call = {0};

	if (version == 3) {
		nfs3_call_name(&call, xid, NFS3_REMOVE, &hung,
			       names[name - GONE]);
	} else {
		nfs4_compound(&call, xid, 0, 2);
		rpc_put_u32(&call, NFS4_PUTFH);
		rpc_put_fh(&call, &hung);
		rpc_put_u32(&call, NFS4_REMOVE);
		rpc_put_name(&call, names[name - GONE]);
	}
	put(&call);
}

static void take(void *opaque, struct rpc_reply *reply)
{
	uint32_t xid = reply->xid, status = rpc_get_u32(&reply->results);

	(void)opaque;
	if (reply->accept_stat)
		die("call %#x was not accepted: %u", xid, reply->accept_stat);
	nr_taken++;
	if (xid >= CHECK)
		checked = status;
	else if (status == LATER && xid < READS)
		laters++, told[xid] = true;
	else if (status == LATER && xid >= GONE && xid < NAMES)
		refused[xid - GONE]++;
	else if (status)
		die("call %#x: status %u", xid, status);
	else if (xid < READS)
		answered[xid] = true;
	else if (xid < NAMES)
		done[xid - GONE]++;
	else
		nr_fast++;
}

/* Sends all queued calls, and takes replies until @nr of those counted came. */
static void exchange(const unsigned int *count, unsigned int nr)
{
	while (*count < nr || wire.len) {
		if (rpc_exchange(&conn, &wire, 1, false, take, NULL) != 1) {
			if (!may_close)
				die("the server closed the connection");
			closed = true;
			return;
		}
		wire.len = 0;
	}
}

/* The connection is read: the server has seen everything before. */
static void serve_fast(void)
{
	put_read(FAST, &other, 0);
	exchange(&nr_fast, nr_fast + 1);
}

/* From the port of the previous one. */
static void connect_again(void)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_port = htons(our_port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)},
			   to = from;
	socklen_t len = sizeof(from);

	to.sin_port = htons(port);
	conn = (struct rpc_conn){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	if (bind(conn.fd, (void *)&from, sizeof(from)) ||
	    connect(conn.fd, (void *)&to, sizeof(to)) ||
	    getsockname(conn.fd, (void *)&from, &len))
		die("connection from port %u: %s", our_port, strerror(errno));
	our_port = ntohs(from.sin_port);
	fcntl(conn.fd, F_SETFL, O_NONBLOCK);
}

static void reset(void)
{
	struct linger hard = {.l_onoff = 1};

	setsockopt(conn.fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	rpc_disconnect(&conn);
}

static void wait_begun(void)
{
	char path[4096];
	double end = rpc_now() + RPC_PATIENCE_S;

	snprintf(path, sizeof(path), "%s-begun", hold);
	while (unlink(path)) {
		if (rpc_now() > end)
			die("the REMOVE has not begun");
		usleep(1000);
	}
}

static struct nfs_fh find(uint16_t mount_port, const char *export,
			  const char *name)
{
	char path[4096];

	if (version == 3 && !name)
		return nfs3_mount(mount_port, export);
	if (version == 3)
		return nfs3_find(&conn, mount_port, export, name);
	snprintf(path, sizeof(path), "%s/%s", export, name ? name : "");
	return nfs4_find(&conn, path);
}

/* The originals of all but one, on a connection that closes. */
static void begin(void)
{
	int fd;

	put_remove(GONE, GONE);
	exchange(&done[0], 1);
	done[0] = 0;
	fd = open(hold, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
	if (fd < 0)
		die("%s: %s", hold, strerror(errno));
	put_remove(RUNS, RUNS);
	serve_fast();
	wait_begun();
	reset();
}

/* Until more calls are answered "later". The waiting one has no place in the
 * share, and few calls are in flight yet. */
static void fill(void)
{
	put_reads(0, FIRST);
	put_remove(WAITS, WAITS);
	put_remove(WAITS, WAITS);
	put_reads(FIRST, READS);
	serve_fast();
	put_remove(NEW, NEW);
	exchange(&refused[NEW - GONE], 1);
	if (!laters)
		die("no READ was told to come later");
}

static void expect(unsigned int name, unsigned int least, unsigned int most)
{
	unsigned int n = name - GONE;

	if (refused[n])
		die("the REMOVE of %s was sent again, and told to come later",
		    names[n]);
	if (done[n] < least || done[n] > most)
		die("the REMOVE of %s was answered %u times, expected %u to %u",
		    names[n], done[n], least, most);
}

/* The retransmissions, while the export hangs. */
static void send_again(void)
{
	put_remove(RUNS, RUNS);
	put_remove(GONE, GONE);
	put_remove(NEW, NEW);
	exchange(&refused[NEW - GONE], 2);
	serve_fast();
	expect(GONE, 1, 1);
	expect(RUNS, 0, 0);
}

/* Until the server closes the connection; then calls without an answer are sent
 * again. */
static void await_close(void)
{
	const unsigned int none = 0;

	may_close = true;
	while (!closed)
		exchange(&none, 1);
	may_close = false;
	reset();
	connect_again();
	put_remove(RUNS, RUNS);
	if (!refused[WAITS - GONE] && !done[WAITS - GONE])
		put_remove(WAITS, WAITS);
	for (unsigned int n = 0; n < READS; n++)
		told[n] = !answered[n];
}

/* All READs, sent again until they are answered. */
static void take_reads(void)
{
	for (unsigned int n = 0; n < READS; n++)
		while (!answered[n]) {
			if (told[n])
				put_read(n, &file, 0);
			told[n] = false;
			exchange(&nr_taken, nr_taken + 1);
		}
}

/* An answer to each, under its xid; names of calls answered "later" must still
 * exist. */
static void check_removed(void)
{
	bool later = refused[WAITS - GONE];

	exchange(&done[RUNS - GONE], 1);
	expect(RUNS, 1, 1);
	if (!later)
		exchange(&done[WAITS - GONE], 1);
	if (refused[WAITS - GONE] > 1 || (later && done[WAITS - GONE]))
		die("the REMOVE that waited was answered in two ways");
	for (unsigned int name = GONE; name < NAMES; name++) {
		put_remove(CHECK + name, name);
		exchange(&nr_taken, nr_taken + 1);
		if (checked !=
		    (name == NEW || (name == WAITS && later) ? 0 : NOENT))
			die("at last the REMOVE of %s has status %u",
			    names[name - GONE], checked);
	}
}

int main(int argc, char **argv)
{
	uint16_t mount_port;

	if (argc != 7)
		usage();
	rpc_end_with_parent();
	port = strtoul(argv[1], NULL, 0);
	mount_port = strtoul(argv[2], NULL, 0);
	hold = argv[5];
	version = strtoul(argv[6], NULL, 0);
	connect_again();
	hung = find(mount_port, argv[3], NULL);
	file = find(mount_port, argv[3], "file");
	other = find(mount_port, argv[4], "file");
	begin();
	connect_again();
	fill();
	send_again();
	if (unlink(hold))
		die("%s: %s", hold, strerror(errno));
	await_close();
	take_reads();
	check_removed();
	printf("%u READs told to come later, no REMOVE that was sent again\n",
	       laters);
	return 0;
}
