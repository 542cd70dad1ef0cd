/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The server of tests/bench/tirpc: one service behind libtirpc's transport or
 * ours.  Prints its port, serves until it is killed.
 *
 *	tirpc_server stock | run | threads  [MIB [RECEIVERS]]
 *
 * stock: svc_vc_create() and svc_run(); run: svc_rpcbuf_create() and svc_run();
 * threads: with rpcbuf_svc_run().  MIB is the page budget.
 */
#include <rpcbuf/tirpc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define PROG 0x20000bf3u

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

static int listening(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	socklen_t len = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (void *)&address, len) || listen(fd, 1024) ||
	    getsockname(fd, (void *)&address, &len)) {
		perror("tirpc_server");
		exit(1);
	}
	printf("%d\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

int main(int argc, char **argv)
{
	struct rpcbuf_engine_options engine = RPCBUF_ENGINE_OPTIONS_INIT;
	struct rpcbuf_svc_options options = RPCBUF_SVC_OPTIONS_INIT;
	const char *mode = argc > 1 ? argv[1] : "";
	SVCXPRT *xprt;

	if (argc > 2)
		options.memory = strtoull(argv[2], NULL, 10) << 20;
	if (argc > 3)
		engine.receivers = (unsigned int)atoi(argv[3]);
	xprt = strcmp(mode, "stock") ? svc_rpcbuf_create(listening(), &options)
				     : svc_vc_create(listening(), 0, 0);
	if (!xprt || !svc_reg(xprt, PROG, 1, dispatch, NULL))
		return 1;
	if (strcmp(mode, "threads"))
		svc_run();
	else
		rpcbuf_svc_run(&engine);
	return 1;
}
