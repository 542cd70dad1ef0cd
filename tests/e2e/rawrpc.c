/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: one RPC call, or many of them, on one TCP connection, with every byte
 * on the wire under the caller's control. Scripts drive it; see usage().
 * Method: paths are resolved on a separate connection without special cuts;
 * only the requested calls use the connection under test.
 *
 * Exit status: 0 all replies came, each exactly once, all with status 0; 1 an
 * error of any kind; 2 an NFS status other than 0, printed; 3 the server closed
 * the connection before all replies came.
 */
#include <getopt.h>

#include "rpc_conn.h"

enum { MAX_CUTS = 16, MAX_BLOCK = 1 << 20 };

struct options {
	const char *host, *export_path;
	unsigned port, mount_port, count, replay, connections, segment, pause;
	unsigned pad, interval, closed_within;
	uint32_t xid;
	double retry;
	bool half_close, wait, leave, expect_close;
	size_t cuts;
	struct rpc_cut cut[MAX_CUTS];
};

struct session {
	const struct options *opt;
	struct nfs_fh root;
	/* Of the calls under test: */
	struct rpc_buf *calls; /* opt->count of them */
	uint32_t first_xid;
	uint8_t *seen;
	bool data_wanted;
	uint32_t worst;
};

static void __attribute__((noreturn)) usage(int status)
{
	fprintf(status ? stderr : stdout,
		"usage: rawrpc [options] command\n"
		"  mount                  print the root's file handle\n"
		"  null                   NFS v3 procedure 0\n"
		"  getattr PATH           PATH is relative to the export\n"
		"  read PATH OFFSET LEN   the data goes to stdout\n"
		"  write PATH OFFSET LEN  of data from stdin\n"
		"  create PATH unchecked|guarded|exclusive\n"
		"  remove PATH\n"
		"  bytes HEX              send just these\n"
		"options:\n"
		"  --port N, --mount-port N, --host ADDRESS, --export PATH\n"
		"  --source ADDRESS (to connect from)\n"
		"  --count N        send N calls in one go, xids counting up;\n"
		"                   read and write advance by LEN each time\n"
		"  --interval US    one by one, each so long after the last reply\n"
		"  --replay N       send the same bytes N times, each after the\n"
		"                   reply to the one before; statuses are printed\n"
		"  --fragment HOW   whole, every:N, at:N, random:SEED, empties:N,\n"
		"                   claim:N; with +empty, +tail. If given more than\n"
		"                   once, calls take them in turn\n"
		"  --pad N          zeroes behind each call, or the bytes, up to N\n"
		"                   bytes in all\n"
		"  --segment N, --pause US   at most N bytes per send, US apart\n"
		"  --half-close     shut the sending side, then expect end of file\n"
		"  --expect-close   0 if the server closes without an answer\n"
		"  --closed-within S  say when the server closed, which it must\n"
		"  --wait           send all that fits, say \"sent\", and take replies\n"
		"                   only when stdin ends; with --half-close, shut the\n"
		"                   sending side first\n"
		"  --leave          send all that fits, then end at once\n"
		"  --connections N  so many of them\n"
		"  --xid N, --retry SECONDS (to connect)\n");
	exit(status);
}

static unsigned number(const char *text, unsigned long max)
{
	char *end;
	unsigned long value = strtoul(text, &end, 0);

	if (*end || end == text || value > max)
		die("%s is not a number from 0 to %lu", text, max);
	return value;
}

static struct options parse(int argc, char **argv)
{
	static const struct option table[] = {
		{ "port", 1, NULL, 'p' },	{ "mount-port", 1, NULL, 'm' },
		{ "host", 1, NULL, 'h' },	{ "export", 1, NULL, 'e' },
		{ "count", 1, NULL, 'n' },	{ "replay", 1, NULL, 'r' },
		{ "fragment", 1, NULL, 'f' },	{ "segment", 1, NULL, 's' },
		{ "pause", 1, NULL, 'u' },	{ "half-close", 0, NULL, 'c' },
		{ "expect-close", 0, NULL, 'x' }, { "wait", 0, NULL, 'w' },
		{ "connections", 1, NULL, 'C' }, { "xid", 1, NULL, 'i' },
		{ "retry", 1, NULL, 't' },	{ "leave", 0, NULL, 'l' },
		{ "pad", 1, NULL, 'P' },	{ "interval", 1, NULL, 'I' },
		{ "closed-within", 1, NULL, 'k' }, { "source", 1, NULL, 'S' },
		{ "help", 0, NULL, 'H' },
		{ 0 },
	};
	struct options opt = { .host = "127.0.0.1", .export_path = "/",
			       .count = 1, .replay = 1, .connections = 1,
			       .cut = { rpc_cut_whole() } };
	int c;

	opt.xid = (uint32_t)(rpc_now() * 1e6) ^ (uint32_t)getpid() << 20;
	while ((c = getopt_long(argc, argv, "+", table, NULL)) != -1) {
		switch (c) {
		case 'p': opt.port = number(optarg, UINT16_MAX); break;
		case 'm': opt.mount_port = number(optarg, UINT16_MAX); break;
		case 'h': opt.host = optarg; break;
		case 'S': rpc_source = optarg; break;
		case 'e': opt.export_path = optarg; break;
		case 'n': opt.count = number(optarg, 1000000); break;
		case 'r': opt.replay = number(optarg, 1000); break;
		case 's': opt.segment = number(optarg, UINT32_MAX); break;
		case 'u': opt.pause = number(optarg, 60000000); break;
		case 'c': opt.half_close = true; break;
		case 'x': opt.expect_close = true; break;
		case 'w': opt.wait = true; break;
		case 'l': opt.leave = true; break;
		case 'I': opt.interval = number(optarg, 60000000); break;
		case 'k': opt.closed_within = number(optarg, 3600); break;
		case 'P': opt.pad = number(optarg, 1 << 30); break;
		case 'C': opt.connections = number(optarg, 10000); break;
		case 'i': opt.xid = number(optarg, UINT32_MAX); break;
		case 't': opt.retry = number(optarg, 3600); break;
		case 'f':
			if (opt.cuts == MAX_CUTS)
				die("more than %d times --fragment", MAX_CUTS);
			opt.cut[opt.cuts++] = rpc_cut_parse(optarg);
			break;
		case 'H': usage(0);
		default: usage(1);
		}
	}
	opt.cuts += !opt.cuts;
	return opt;
}

static struct rpc_conn open_conn(const struct options *opt)
{
	struct rpc_conn conn = rpc_connect(opt->host, opt->port, opt->retry);

	conn.segment = opt->segment;
	conn.pause_us = opt->pause;
	return conn;
}

static void mount_root(struct session *s)
{
	struct rpc_conn conn = rpc_connect(s->opt->host, s->opt->mount_port,
					   s->opt->retry);
	struct rpc_buf call = { 0 };
	struct rpc_reply reply;
	uint32_t status;

	rpc_call_begin(&call, 1, RPC_MOUNT, 3, MOUNT3_MNT);
	rpc_put_name(&call, s->opt->export_path);
	reply = rpc_call(&conn, &call);
	status = rpc_get_u32(&reply.results);
	if (status || !rpc_get_fh(&reply.results, &s->root))
		die("mount of %s: status %u", s->opt->export_path, status);
	free(call.data);
	rpc_disconnect(&conn);
}

/* Walks to path, or to its parent if last is given, which becomes the name. */
static struct nfs_fh resolve(struct session *s, const char *path,
			     const char **last)
{
	struct rpc_conn conn = rpc_connect(s->opt->host, s->opt->port, 0);
	struct rpc_buf call = { 0 };
	struct nfs_fh fh = s->root;
	char *copy = strdup(path), *state = NULL, *name, *next;

	for (name = strtok_r(copy, "/", &state); name; name = next) {
		struct rpc_reply reply;
		uint32_t status;

		next = strtok_r(NULL, "/", &state);
		if (!next && last) {
			*last = path + (name - copy);
			break;
		}
		nfs3_call_name(&call, 1, NFS3_LOOKUP, &fh, name);
		reply = rpc_call(&conn, &call);
		status = rpc_get_u32(&reply.results);
		if (status || !rpc_get_fh(&reply.results, &fh))
			die("lookup of %s in %s: status %u", name, path, status);
	}
	free(copy);
	free(call.data);
	rpc_disconnect(&conn);
	return fh;
}

static void take_reply(void *opaque, struct rpc_reply *reply)
{
	struct session *s = opaque;
	uint32_t i = reply->xid - s->first_xid, status, len;
	const uint8_t *data;

	if (i >= s->opt->count)
		die("a reply to %#x, which was not called", reply->xid);
	if (s->seen[i]++)
		die("a second reply to call %#x", reply->xid);
	if (reply->accept_stat)
		die("call %#x was not accepted: status %u", reply->xid,
		    reply->accept_stat);
	if (reply->results.at == reply->results.end)
		return; /* NULL has no results */
	status = rpc_get_u32(&reply->results);
	if (s->opt->replay > 1)
		printf("%u\n", status);
	if (status > s->worst)
		s->worst = status;
	if (!s->data_wanted || status)
		return;
	data = nfs3_read_data(&reply->results, &len);
	if (!data)
		die("the READ reply to call %#x is cut short", reply->xid);
	fwrite(data, 1, len, stdout);
}

static enum nfs3_createmode create_mode(const char *name)
{
	if (!strcmp(name, "unchecked"))
		return NFS3_UNCHECKED;
	if (!strcmp(name, "guarded"))
		return NFS3_GUARDED;
	if (!strcmp(name, "exclusive"))
		return NFS3_EXCLUSIVE;
	die("%s: neither unchecked, guarded nor exclusive", name);
}

/* read, write: one record after another, at rising offsets of the file. */
static void build_io(struct session *s, char **argv)
{
	static uint8_t block[MAX_BLOCK];
	struct nfs_fh fh = resolve(s, argv[1], NULL);
	uint64_t offset = strtoull(argv[2], NULL, 0);
	uint32_t len = number(argv[3], MAX_BLOCK);

	s->data_wanted = *argv[0] == 'r';
	for (uint32_t i = 0; i < s->opt->count; i++, offset += len) {
		uint32_t xid = s->first_xid + i;

		if (s->data_wanted) {
			nfs3_call_read(&s->calls[i], xid, &fh, offset, len);
			continue;
		}
		if (fread(block, 1, len, stdin) != len)
			die("stdin has less than the %u bytes to write", len);
		nfs3_call_write(&s->calls[i], xid, &fh, offset, block, len);
	}
}

static void build(struct session *s, int argc, char **argv)
{
	const char *name = NULL;
	bool null = !strcmp(argv[0], "null"), get = !strcmp(argv[0], "getattr");
	bool make = !strcmp(argv[0], "create");
	struct nfs_fh fh = { 0 };

	if (!null && argc > 1)
		fh = resolve(s, argv[1], get ? NULL : &name);
	if (!null && !(get && argc == 2) &&
	    !(name && !strcmp(argv[0], "remove") && argc == 2) &&
	    !(name && make && argc == 3))
		usage(1);
	for (uint32_t i = 0; i < s->opt->count; i++) {
		struct rpc_buf *call = &s->calls[i];
		uint32_t xid = s->first_xid + i;

		if (null)
			nfs3_call(call, xid, 0, NULL);
		else if (get)
			nfs3_call(call, xid, NFS3_GETATTR, &fh);
		else if (make)
			nfs3_call_create(call, xid, &fh, name,
					 create_mode(argv[2]));
		else
			nfs3_call_name(call, xid, NFS3_REMOVE, &fh, name);
	}
}

static void build_bytes(struct rpc_buf *wire, const char *hex)
{
	unsigned byte;

	for (; *hex; hex += 2) {
		if (sscanf(hex, "%2x", &byte) != 1 || !hex[1])
			die("%s: not pairs of hex digits", hex);
		*rpc_buf_add(wire, 1) = byte;
	}
}

/* Sends on every connection as much as it takes, without reading. */
static size_t send_without_reading(struct rpc_conn *conn, size_t n,
				   const struct rpc_buf *wire)
{
	size_t least = wire->len;

	for (size_t i = 0; i < n; i++) {
		struct rpc_view out = { wire->data, wire->data + wire->len,
					false };
		struct pollfd fd = { .fd = conn[i].fd, .events = POLLOUT };

		while (out.at < out.end && poll(&fd, 1, 1000) > 0 &&
		       rpc_send_some(&conn[i], &out))
			;
		if ((size_t)(out.at - wire->data) < least)
			least = out.at - wire->data;
	}
	return least;
}

/* Prints its progress, then waits until the script closes our stdin. */
static void announce_and_wait(const struct rpc_buf *wire, size_t sent)
{
	fprintf(stderr, "sent %zu of %zu\n", sent, wire->len);
	while (getchar() != EOF)
		;
}

static void add_padding(const struct session *s, struct rpc_buf *to)
{
	size_t pad = s->opt->pad > to->len ? s->opt->pad - to->len : 0;

	memset(rpc_buf_add(to, pad), 0, pad);
}

/* One call, cut in another way each time. */
static void cut_call(const struct session *s, struct rpc_buf *wire, unsigned i,
		     unsigned turn)
{
	struct rpc_buf *call = &s->calls[i];

	add_padding(s, call);
	rpc_cut_record(s->opt->cut[(i + turn) % s->opt->cuts], wire, call);
}

static size_t one_by_one(struct session *s, struct rpc_conn *conn)
{
	struct rpc_buf wire = { 0 };
	unsigned i;

	for (i = 0; i < s->opt->count; i++) {
		wire.len = 0;
		cut_call(s, &wire, i, 0);
		if (!rpc_exchange(conn, &wire, 1, false, take_reply, s))
			break;
		if (i + 1 < s->opt->count)
			usleep(s->opt->interval);
	}
	free(wire.data);
	return i;
}

/*
 * The server may drop a copy that comes while it still runs the first: Ganesha
 * sends the reply before it marks the call as done. A client sends it again.
 */
static size_t replay(struct session *s, struct rpc_conn *conn, unsigned turn)
{
	struct rpc_buf wire = { 0 };
	struct pollfd fd = { .fd = conn->fd, .events = POLLIN };

	cut_call(s, &wire, 0, turn);
	for (int tries = 0; tries < 10; tries++) {
		usleep(10000);
		rpc_exchange(conn, &wire, 0, false, NULL, NULL);
		if (conn->closed || conn->in.len > conn->taken ||
		    poll(&fd, 1, 2000) > 0)
			break;
	}
	wire.len = 0;
	return rpc_exchange(conn, &wire, s->opt->count, false, take_reply, s);
}

static void say_when_closed(struct rpc_conn *conn, unsigned patience)
{
	double begin = rpc_now();

	if (!rpc_closed_within(conn, patience))
		die("the server has not closed after %u s", patience);
	printf("%.1f\n", rpc_now() - begin);
}

static int run(struct session *s, struct rpc_buf wire)
{
	const struct options *opt = s->opt;
	struct rpc_conn *conn = calloc(opt->connections, sizeof(*conn));
	size_t got = 0, sent = 0;

	for (unsigned i = 0; i < opt->connections; i++)
		conn[i] = open_conn(opt);
	for (unsigned i = 0; !opt->interval && s->calls[i].len; i++)
		cut_call(s, &wire, i, 0);
	if (opt->wait || opt->leave) {
		sent = send_without_reading(conn, opt->connections, &wire);
		if (opt->leave)
			return 0;
		if (opt->half_close && sent == wire.len)
			shutdown(conn->fd, SHUT_WR);
		announce_and_wait(&wire, sent);
		if (opt->connections > 1)
			return 0;
		wire.data += sent;
		wire.len -= sent;
	}
	if (opt->interval)
		got = one_by_one(s, conn);
	else
		got = rpc_exchange(conn, &wire, opt->count, opt->half_close,
				   take_reply, s);
	for (unsigned i = 1; i < opt->replay && got == opt->count; i++) {
		memset(s->seen, 0, opt->count);
		got = replay(s, conn, i);
	}
	if (got < opt->count) {
		fprintf(stderr, "closed after %zu of %u replies\n", got,
			opt->count);
		return opt->expect_close && !got ? 0 : 3;
	}
	if (opt->expect_close)
		die("the server answered, it should have closed");
	if (opt->half_close &&
	    (!rpc_closed_within(conn, 10) || conn->in.len > conn->taken))
		die("no clean end of file behind the last reply");
	if (opt->closed_within)
		say_when_closed(conn, opt->closed_within);
	return s->worst ? 2 : 0;
}

int main(int argc, char **argv)
{
	struct options opt = parse(argc, argv);
	struct session s = { .opt = &opt, .first_xid = opt.xid };
	struct rpc_buf wire = { 0 };
	int status;

	rpc_end_with_parent();
	argv += optind;
	argc -= optind;
	if (!argc || !opt.port)
		usage(1);
	if (opt.replay > 1 && opt.count > 1)
		die("--replay goes with one call only");
	if (opt.connections > 1 && !opt.wait)
		die("more than one connection goes with --wait only");
	s.seen = calloc(opt.count + 1, 1);
	s.calls = calloc(opt.count + 1, sizeof(*s.calls));
	if (strcmp(argv[0], "null") && strcmp(argv[0], "bytes"))
		mount_root(&s);
	if (!strcmp(argv[0], "mount")) {
		for (uint32_t i = 0; i < s.root.len; i++)
			printf("%02x", s.root.data[i]);
		putchar('\n');
		return 0;
	}
	if (!strcmp(argv[0], "bytes") && argc == 2) {
		build_bytes(&wire, argv[1]);
		add_padding(&s, &wire);
	} else if ((!strcmp(argv[0], "read") || !strcmp(argv[0], "write")) &&
		   argc == 4) {
		build_io(&s, argv);
	} else {
		build(&s, argc, argv);
	}
	status = run(&s, wire);
	if (s.worst && opt.replay == 1)
		fprintf(stderr, "status %u\n", s.worst);
	return status;
}
