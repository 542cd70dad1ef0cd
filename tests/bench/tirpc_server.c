/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The server of tests/bench/tirpc: one service behind libtirpc's transport or
 * librpcbuf_tirpc's.  Prints its port, serves until it is killed.
 *
 * tirpc_server ADDRESS stock | run | threads | bare [MIB [RECEIVERS]]
 *
 * stock: svc_vc_create() and svc_run(); run: svc_rpcbuf_create() and svc_run();
 * threads: with rpcbuf_svc_run().  MIB is the page budget.  bare: no RPC at
 * all: one thread receives into one buffer, counts records, and answers with
 * constant bytes; this is the unavoidable cost of the kernel, and the highest
 * rate of the client.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <rpcbuf/tirpc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define PROG	    0x20000bf3u
#define BARE_BUFFER (256u << 10)
#define BARE_CONNS  1024

enum {
	NUL,
	EIGHT,
	OPAQUE,
	REFER
};

struct blob {
	char *data;
	u_int length;
};

static bool_t xdr_blob(XDR *xdrs, struct blob *blob)
{
	return xdr_bytes(xdrs, &blob->data, &blob->length, ~0u);
}

static void serve(SVCXPRT *xprt, void *proc, void *args, u_int *length)
{
	if (!svc_getargs(xprt, (xdrproc_t)proc, args))
		svcerr_decode(xprt);
	else
		svc_sendreply(xprt, (xdrproc_t)(void *)xdr_u_int, length);
	svc_freeargs(xprt, (xdrproc_t)proc, args);
}

static void dispatch(struct svc_req *req, SVCXPRT *xprt)
{
	rpcbuf_bytes_ref ref = {0};
	struct blob blob = {0};
	quad_t value;

	switch (req->rq_proc) {
	case EIGHT:
		if (svc_getargs(xprt, (xdrproc_t)(void *)xdr_hyper, &value))
			svc_sendreply(xprt, (xdrproc_t)(void *)xdr_hyper,
				      &value);
		break;
	case OPAQUE:
		serve(xprt, (void *)xdr_blob, &blob, &blob.length);
		break;
	case REFER:
		serve(xprt, (void *)xdr_rpcbuf_bytes_ref, &ref, &ref.length);
		break;
	default:
		svc_sendreply(xprt, (xdrproc_t)(void *)xdr_void, NULL);
	}
}

static int listening(const char *ip)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = inet_addr(ip);
	if (fd < 0 || bind(fd, (void *)&address, len) || listen(fd, 1024) ||
	    getsockname(fd, (void *)&address, &len)) {
		perror("tirpc_server");
		exit(1);
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

/* ------------------------------------------------------------------- bare */

struct bare {
	uint32_t mark, left; /* bytes of the mark so far; of the record */
	unsigned int nr_mark;
};

/* Accepted, of 8 bytes, to the xid that the client has. */
static const uint8_t bare_reply[36] = {0x80, 0, 0, 32, 0, 0, 0, 0, 0, 0, 0, 1};

/* Number of records that end in @len bytes. */
static unsigned int bare_records(struct bare *b, const uint8_t *at, size_t len)
{
	unsigned int nr = 0;

	while (len) {
		size_t n = len < b->left ? len : b->left;

		if (b->nr_mark < 4) {
			b->mark = b->mark << 8 | *at++;
			b->left = b->mark & 0x7fffffff;
			b->nr_mark++;
			len--;
			continue;
		}
		at += n;
		len -= n;
		b->left -= (uint32_t)n;
		if (!b->left) {
			nr++;
			b->nr_mark = 0;
		}
	}
	return nr;
}

static void bare_serve(int fd, struct bare *b)
{
	static uint8_t buffer[BARE_BUFFER];
	static uint8_t replies[64 * sizeof(bare_reply)];
	ssize_t n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT);
	unsigned int nr;

	if (n <= 0) {
		close(fd);
		return;
	}
	nr = bare_records(b, buffer, (size_t)n);
	for (unsigned int i = 0; i < nr && i < 64; i++)
		memcpy(replies + i * sizeof(bare_reply), bare_reply,
		       sizeof(bare_reply));
	if (nr && send(fd, replies, nr * sizeof(bare_reply), MSG_NOSIGNAL) < 0)
		close(fd);
}

static int bare_run(int listener)
{
	static struct bare conns[BARE_CONNS];
	struct epoll_event events[64], event = {.events = EPOLLIN};
	int epoll = epoll_create1(0), one = 1;

	event.data.fd = listener;
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		int nr = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < nr; i++) {
			int fd = events[i].data.fd;

			if (fd != listener) {
				bare_serve(fd, &conns[fd]);
				continue;
			}
			fd = accept(listener, NULL, NULL);
			if (fd < 0 || fd >= BARE_CONNS)
				return 1;
			setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				   sizeof(one));
			conns[fd] = (struct bare){0};
			event.data.fd = fd;
			epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
		}
	}
}

int main(int argc, char **argv)
{
	struct rpcbuf_engine_options engine = RPCBUF_ENGINE_OPTIONS_INIT;
	struct rpcbuf_svc_options options = RPCBUF_SVC_OPTIONS_INIT;
	const char *mode = argc > 2 ? argv[2] : "";
	SVCXPRT *xprt;

	if (argc < 3) {
		fprintf(stderr, "usage: tirpc_server ADDRESS MODE "
				"[MIB [RECEIVERS]]\n");
		return 64;
	}
	/* Clients close with replies in flight, which ends libtirpc's
	 * servers. */
	signal(SIGPIPE, SIG_IGN);
	if (!strcmp(mode, "bare"))
		return bare_run(listening(argv[1]));
	if (argc > 3)
		options.memory = strtoull(argv[3], NULL, 10) << 20;
	if (argc > 4)
		engine.receivers = (unsigned int)atoi(argv[4]);
	xprt = strcmp(mode, "stock")
		       ? svc_rpcbuf_create(listening(argv[1]), &options)
		       : svc_vc_create(listening(argv[1]), 0, 0);
	if (!xprt || !svc_reg(xprt, PROG, 1, dispatch, NULL))
		return 1;
	if (strcmp(mode, "threads"))
		svc_run();
	else
		rpcbuf_svc_run(argc > 4 ? &engine : NULL);
	return 1;
}
