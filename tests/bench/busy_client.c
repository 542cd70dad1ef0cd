/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a client with a given address that keeps a server busy at little cost
 * of its own, as its CPU time is missing for the server.
 * Method: READs or WRITEs (UNSTABLE) of one size over some connections, at a
 * fixed depth on each, for some seconds; replies are counted and their status
 * is checked, nothing is copied or compared.
 *
 * usage: busy_client PORT MOUNT-PORT EXPORT NAME SOURCE CONNECTIONS DEPTH
 *                    read|write LENGTH SECONDS
 *
 * Prints calls per second, and its own CPU seconds per second.
 */
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>

#include "../e2e/nfs3_find.h"

enum {
	CONNECTIONS_MOST = 1000,
	LENGTH_MOST = 1 << 20,
	FILE_BYTES = 16 << 20,
	/* of a reply: xid, REPLY, accepted, verifier (2), SUCCESS, status */
	HEAD = 7 * 4,
};

struct client {
	int fd;
	struct rpc_buf call; /* mark, header and arguments, without the data */
	uint32_t xid;
	size_t sent; /* of the current call */
	unsigned in_flight;
	uint8_t head[4 + HEAD];
	size_t nr_head, rest; /* of the current reply: received, missing */
	bool waits_to_send;
};

static struct {
	in_addr_t source;
	uint16_t port;
	unsigned nr, depth;
	bool write;
	uint32_t length;
} opt;

static struct client clients[CONNECTIONS_MOST];
static uint8_t payload[LENGTH_MOST], scratch[1 << 18];
static int epoll;
static uint64_t replies;

static void open_client(struct client *c, const struct nfs_fh *file)
{
	struct sockaddr_in from = {.sin_family = AF_INET,
				   .sin_addr.s_addr = opt.source};
	struct sockaddr_in to = {.sin_family = AF_INET,
				 .sin_port = htons(opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	struct rpc_buf body = {0};
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || bind(c->fd, (void *)&from, sizeof(from)) ||
	    connect(c->fd, (void *)&to, sizeof(to)))
		die("connection: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);

	nfs3_call(&body, 0, opt.write ? NFS3_WRITE : NFS3_READ, file);
	rpc_put_u64(&body, 0);
	rpc_put_u32(&body, opt.length);
	if (opt.write) {
		rpc_put_u32(&body, 0); /* UNSTABLE */
		rpc_put_u32(&body, opt.length);
	}
	rpc_put_u32(&c->call,
		    RPC_LAST | (body.len + (opt.write ? opt.length : 0)));
	rpc_put(&c->call, body.data, body.len);
	free(body.data);
}

/* The next call: another xid, another place in the file. */
static void renew(struct client *c)
{
	size_t behind = opt.write ? 20 : 12;
	uint64_t offset =
		(uint64_t)++c->xid * opt.length % (FILE_BYTES - LENGTH_MOST);
	uint32_t xid = htobe32(c->xid);

	offset = htobe64(offset & ~4095ull);
	memcpy(c->call.data + 4, &xid, sizeof(xid));
	memcpy(c->call.data + c->call.len - behind, &offset, sizeof(offset));
}

static void want_to_send(struct client *c, bool wanted)
{
	struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0),
				    .data.ptr = c};

	if (c->waits_to_send != wanted)
		epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
	c->waits_to_send = wanted;
}

/* Sends calls until the depth is reached or the socket is full. */
static void send_calls(struct client *c)
{
	size_t head = c->call.len, all = head + (opt.write ? opt.length : 0);

	while (c->sent || c->in_flight < opt.depth) {
		size_t at = c->sent > head ? c->sent - head : 0;
		struct iovec iov[2] = {
			{c->call.data + c->sent, head - c->sent},
			{payload + at, all - head - at},
		};
		struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
		ssize_t n;

		if (!c->sent)
			renew(c);
		if (c->sent >= head) {
			msg.msg_iov++;
			msg.msg_iovlen--;
		}
		n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			die("send: %s", strerror(errno));
		if (n > 0)
			c->sent += n;
		if (c->sent < all) {
			want_to_send(c, true);
			return;
		}
		c->sent = 0;
		c->in_flight++;
	}
	want_to_send(c, false);
}

static void check_head(const struct client *c)
{
	struct rpc_reply reply;

	if (!rpc_reply_parse(&reply, c->head + 4, HEAD) || reply.accept_stat ||
	    rpc_get_u32(&reply.results))
		die("a call failed");
}

static void take(struct client *c, const uint8_t *at, size_t len)
{
	while (len) {
		size_t some = sizeof(c->head) - c->nr_head;
		uint32_t mark;

		if (c->rest && c->nr_head == sizeof(c->head)) {
			some = c->rest < len ? c->rest : len;
			c->rest -= some;
		} else {
			some = some < len ? some : len;
			memcpy(c->head + c->nr_head, at, some);
			c->nr_head += some;
			if (c->nr_head < sizeof(c->head))
				return;
			memcpy(&mark, c->head, sizeof(mark));
			mark = be32toh(mark);
			if (!(mark & RPC_LAST) || (mark & ~RPC_LAST) < HEAD)
				die("a reply of another form");
			check_head(c);
			c->rest = (mark & ~RPC_LAST) - HEAD;
		}
		at += some;
		len -= some;
		if (!c->rest) {
			c->nr_head = 0;
			c->in_flight--;
			replies++;
		}
	}
}

static void receive(struct client *c)
{
	ssize_t n = recv(c->fd, scratch, sizeof(scratch), MSG_DONTWAIT);

	if (!n || (n < 0 && errno != EAGAIN))
		die("the server closed a connection");
	if (n > 0)
		take(c, scratch, n);
}

static void run(double seconds)
{
	double end = rpc_now() + seconds;
	struct epoll_event events[64];

	for (unsigned i = 0; i < opt.nr; i++)
		send_calls(&clients[i]);
	while (rpc_now() < end) {
		int n = epoll_wait(epoll, events, 64, 1000);

		for (int i = 0; i < n; i++) {
			struct client *c = events[i].data.ptr;

			if (events[i].events & ~EPOLLOUT)
				receive(c);
			send_calls(c);
		}
	}
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_utime.tv_sec + usage.ru_stime.tv_sec +
	       (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv)
{
	struct nfs_fh file;
	struct rpc_conn conn;
	double seconds, cpu;

	if (argc != 11)
		die("usage: busy_client PORT MOUNT-PORT EXPORT NAME SOURCE "
		    "CONNECTIONS DEPTH read|write LENGTH SECONDS");
	rpc_end_with_parent();
	opt.port = strtoul(argv[1], NULL, 0);
	opt.nr = strtoul(argv[6], NULL, 0);
	opt.depth = strtoul(argv[7], NULL, 0);
	opt.write = !strcmp(argv[8], "write");
	opt.length = strtoul(argv[9], NULL, 0);
	seconds = strtod(argv[10], NULL);
	if (!opt.nr || opt.nr > CONNECTIONS_MOST || !opt.depth || !opt.length ||
	    opt.length > LENGTH_MOST || opt.length % 4 ||
	    inet_pton(AF_INET, argv[5], &opt.source) != 1)
		die("an argument is out of its range");
	conn = rpc_connect("127.0.0.1", opt.port, 0);
	file = nfs3_find(&conn, strtoul(argv[2], NULL, 0), argv[3], argv[4]);
	rpc_disconnect(&conn);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned i = 0; i < opt.nr; i++)
		open_client(&clients[i], &file);
	cpu = cpu_seconds();
	run(seconds);
	printf("%.1f %.3f\n", replies / seconds,
	       (cpu_seconds() - cpu) / seconds);
	return 0;
}
