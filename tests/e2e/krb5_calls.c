/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: calls under krb5, krb5i and krb5p are received completely, whatever
 * their size and however they are cut.
 * Method: over NFSv3 and v4, WRITEs of many sizes in one go, cut in many ways,
 * their replies and then READs checked, byte by byte and each for the context's
 * seal; a REMOVE that is sent again, under a new sequence number, is answered
 * from the duplicate request cache; a call with a broken seal is refused. A
 * second connection is reset while it has unread replies.
 *
 * usage: krb5_calls PORT MOUNT-PORT EXPORT NAME MIRROR krb5|krb5i|krb5p 3|4
 *                   odd|plain
 *
 * The file NAME of the export and MIRROR on this side end with the same bytes;
 * the export holds the file NAME.SERVICE.VERSION, which is removed. With
 * `plain` records are not cut, and the REMOVE is not sent again.
 */
#include <sys/ioctl.h>

#include "gss_call.h"
#include "nfs3_find.h"
#include "nfs4_io.h"

enum {
	MOST = 1 << 20,
	ROUNDS = 3,
	UNREAD = 20
};

static const uint32_t sizes[] = {1,    100,   4096,   8188,   8192,
				 8196, 65536, 100001, 262144, MOST};
#define SIZES (sizeof(sizes) / sizeof(*sizes))

static const char *const cuts[] = {"whole", "random:7", "every:9973",
				   "at:3+tail", "random:3+empty"};
#define CUTS (sizeof(cuts) / sizeof(*cuts))

static struct rpc_conn conn;
static struct gss gss;
static struct nfs_fh root, file;
static struct rpc_buf plain;
static uint32_t xid = 0x100;
static int version;
static bool odd;
static uint8_t mirror[SIZES * MOST];

static struct rpc_reply gss_call(const struct rpc_buf *call)
{
	struct rpc_buf sealed = {0}, wire = {0};
	uint32_t sequence = gss_seal_call(&gss, call, &sealed);
	static unsigned turn;

	rpc_cut_record(rpc_cut_parse(cuts[odd ? turn++ % CUTS : 0]), &wire,
		       &sealed);
	if (!rpc_exchange(&conn, &wire, 1, false, NULL, NULL))
		die("the server closed the connection");
	free(sealed.data);
	free(wire.data);
	return gss_open_reply(&gss, &conn.record, sequence, &plain);
}

/* LOOKUP in the root of the export, which the server allows under krb5 only. */
static struct nfs_fh find(const char *export, const char *name)
{
	struct rpc_buf call = {0};
	struct rpc_reply reply;
	struct nfs_fh fh;

	if (version == 4) {
		char *path;

		if (asprintf(&path, "%s/%s", export, name) < 0)
			die("no memory");
		nfs4_call_lookup(&call, ++xid, path);
		reply = gss_call(&call);
		fh = nfs4_get_lookup(&reply, path);
		free(path);
	} else {
		nfs3_call_name(&call, ++xid, NFS3_LOOKUP, &root, name);
		reply = gss_call(&call);
		if (rpc_get_u32(&reply.results) ||
		    !rpc_get_fh(&reply.results, &fh))
			die("the lookup of %s failed", name);
	}
	free(call.data);
	return fh;
}

/* The sequence numbers of calls in flight, by xid. */
struct flight {
	uint32_t first, count, sequence[SIZES], seen;
};

static void check_write(struct flight *flight)
{
	uint32_t number, i;
	struct rpc_reply reply;

	memcpy(&number, conn.record.data, sizeof(number));
	i = be32toh(number) - flight->first;
	if (i >= flight->count || flight->seen & 1u << i)
		die("a reply to %#x, which is not due", be32toh(number));
	flight->seen |= 1u << i;
	reply = gss_open_reply(&gss, &conn.record, flight->sequence[i], &plain);
	if (version == 3 && rpc_get_u32(&reply.results))
		die("a WRITE of %u bytes failed", sizes[i]);
	if (version == 4) {
		nfs4_get_first(&reply, NFS4_PUTFH);
		nfs4_get_next(&reply, NFS4_WRITE);
	}
}

/* gss_open_reply() needs the record itself, so this replaces rpc_exchange():
 * the callback finds it in conn. */
static void on_reply(void *opaque, struct rpc_reply *reply)
{
	(void)reply;
	check_write(opaque);
}

/* A WRITE of each size, one behind the other, in one go. */
static void write_all(void)
{
	struct flight flight = {.first = xid + 1, .count = SIZES};
	struct rpc_buf call = {0}, sealed = {0}, wire = {0};
	size_t at = 0;

	for (uint32_t i = 0; i < SIZES; at += sizes[i++]) {
		if (version == 3)
			nfs3_call_write(&call, ++xid, &file, at, mirror + at,
					sizes[i]);
		else
			nfs4_call_write(&call, ++xid, &file, at, mirror + at,
					sizes[i]);
		flight.sequence[i] = gss_seal_call(&gss, &call, &sealed);
		rpc_cut_record(rpc_cut_parse(cuts[odd ? xid % CUTS : 0]), &wire,
			       &sealed);
	}
	if (rpc_exchange(&conn, &wire, SIZES, false, on_reply, &flight) !=
	    SIZES)
		die("the server closed the connection");
	free(call.data);
	free(sealed.data);
	free(wire.data);
}

static void read_all(void)
{
	struct rpc_buf call = {0};
	size_t at = 0;

	for (uint32_t i = 0; i < SIZES; at += sizes[i++]) {
		struct rpc_reply reply;
		const uint8_t *got;
		uint32_t len;

		if (version == 3)
			nfs3_call_read(&call, ++xid, &file, at, sizes[i]);
		else
			nfs4_call_read(&call, ++xid, &file, at, sizes[i]);
		reply = gss_call(&call);
		if (version == 3 && rpc_get_u32(&reply.results))
			die("a READ failed");
		got = version == 3 ? nfs3_read_data(&reply.results, &len)
				   : nfs4_read_data(&reply, &len);
		if (!got || len != sizes[i] || memcmp(got, mirror + at, len))
			die("a READ of %u bytes: other bytes", sizes[i]);
	}
	free(call.data);
}

static void send_sealed(const struct rpc_buf *call)
{
	struct rpc_buf sealed = {0}, wire = {0};

	gss_seal_call(&gss, call, &sealed);
	rpc_cut_record(rpc_cut_parse(cuts[odd ? gss.sequence % CUTS : 0]),
		       &wire, &sealed);
	rpc_exchange(&conn, &wire, 0, false, NULL, NULL);
	free(sealed.data);
	free(wire.data);
}

/* The server may drop a copy that comes while it still runs the first: Ganesha
 * replies before it marks a call as done. A client sends it once more. */
static struct rpc_reply call_again(const struct rpc_buf *call)
{
	const struct rpc_buf nothing = {0};
	struct pollfd fd = {.fd = conn.fd, .events = POLLIN};

	for (int tries = 0; tries < 10; tries++) {
		send_sealed(call);
		if (conn.in.len > conn.taken || poll(&fd, 1, 2000) > 0)
			break;
	}
	if (!rpc_exchange(&conn, &nothing, 1, false, NULL, NULL))
		die("the server closed the connection");
	return gss_open_reply(&gss, &conn.record, 0, &plain);
}

/* Run twice, it would answer NFS3ERR_NOENT the second time. */
static void replay_remove(const char *name)
{
	struct rpc_buf call = {0};

	nfs3_call_name(&call, ++xid, NFS3_REMOVE, &root, name);
	for (int i = 0; i < (odd ? 4 : 1); i++) {
		struct rpc_reply reply = call_again(&call);
		uint32_t status = rpc_get_u32(&reply.results);

		if (reply.xid != xid || status)
			die("REMOVE number %d of %s: status %u", i, name,
			    status);
		usleep(10000);
	}
	free(call.data);
}

static void break_seal(void)
{
	struct rpc_buf call = {0}, sealed = {0}, wire = {0};
	struct rpc_reply reply = {0};

	nfs3_call(&call, ++xid, NFS3_GETATTR, &root);
	gss_seal_call(&gss, &call, &sealed);
	sealed.data[7 * 4 + 4 + 5 * 4 + ((gss.handle_len + 3) & ~3u) + 12] ^= 1;
	rpc_cut_record(rpc_cut_whole(), &wire, &sealed);
	if (!rpc_exchange(&conn, &wire, 1, false, NULL, NULL))
		die("the server closed after a broken seal");
	rpc_reply_parse(&reply, conn.record.data, conn.record.len);
	if (reply.xid != xid || !reply.accept_stat)
		die("a call with a broken seal is accepted");
	free(call.data);
	free(sealed.data);
	free(wire.data);
}

/* Until no more comes: the rest waits on the other side. */
static void wait_for_silence(int fd)
{
	int before, now = 0;

	do {
		before = now;
		usleep(100000);
		ioctl(fd, FIONREAD, &now);
	} while (!now || now != before);
}

/* Requests much, reads nothing, and ends: the kernel sends a reset. */
static void leave_unread(uint16_t port)
{
	struct rpc_conn other = rpc_connect("127.0.0.1", port, 0);
	struct rpc_buf call = {0}, sealed = {0}, wire = {0};
	struct rpc_view out;

	for (int i = 0; i < UNREAD; i++) {
		if (version == 3)
			nfs3_call_read(&call, ++xid, &file, 0, MOST);
		else
			nfs4_call_read(&call, ++xid, &file, 0, MOST);
		gss_seal_call(&gss, &call, &sealed);
		rpc_cut_record(rpc_cut_whole(), &wire, &sealed);
	}
	out = (struct rpc_view){wire.data, wire.data + wire.len, false};
	while (out.at < out.end)
		if (!rpc_send_some(&other, &out))
			die("closed by the server");
	wait_for_silence(other.fd);
	rpc_disconnect(&other);
	free(call.data);
	free(sealed.data);
	free(wire.data);
}

static void save_mirror(const char *path, size_t len)
{
	FILE *out = fopen(path, "w");

	if (!out || fwrite(mirror, 1, len, out) != len || fclose(out))
		die("%s: %s", path, strerror(errno));
}

static size_t total(void)
{
	size_t len = 0;

	for (size_t i = 0; i < SIZES; i++)
		len += sizes[i];
	return len;
}

int main(int argc, char **argv)
{
	uint64_t state = getpid();
	enum gss_service service;
	char *victim;

	if (argc != 9)
		die("usage: krb5_calls PORT MOUNT-PORT EXPORT NAME MIRROR "
		    "krb5|krb5i|krb5p 3|4 odd|plain");
	rpc_end_with_parent();
	service = argv[6][4] == 'p'   ? GSS_PRIVACY
		  : argv[6][4] == 'i' ? GSS_INTEGRITY
				      : GSS_NONE;
	version = atoi(argv[7]);
	odd = !strcmp(argv[8], "odd");
	root = nfs3_mount(strtoul(argv[2], NULL, 0), argv[3]);
	*rpc_flavor() = RPC_AUTH_NONE; /* types of seals */
	conn = rpc_connect("127.0.0.1", strtoul(argv[1], NULL, 0), 0);
	gss_establish(&gss, &conn, "nfs@localhost", service);
	file = find(argv[3], argv[4]);
	for (int round = 0; round < ROUNDS; round++) {
		for (size_t i = 0; i < total(); i++) {
			state = state * 6364136223846793005u +
				1442695040888963407u;
			mirror[i] = state >> 56;
		}
		write_all();
		read_all();
	}
	if (asprintf(&victim, "%s.%s.%s", argv[4], argv[6], argv[7]) < 0)
		die("no memory");
	replay_remove(victim);
	break_seal();
	leave_unread(strtoul(argv[1], NULL, 0));
	read_all();
	save_mirror(argv[5], total());
	gss_destroy(&gss, &conn);
	rpc_disconnect(&conn);
	free(victim);
	return 0;
}
