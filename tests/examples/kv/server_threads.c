/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* The store behind a TCP transport: `diff server_stock.c server_rpcbuf.c`. */
#include <rpc/pmap_clnt.h>
#include <stdio.h>

#include "kv.h"

void kv_prog_1(struct svc_req *rqstp, SVCXPRT *transp);

int main(void)
{
	SVCXPRT *transp;

	pmap_unset(KV_PROG, KV_V1);
	transp = svc_rpcbuf_create(RPC_ANYSOCK, NULL);
	if (!transp) {
		fprintf(stderr, "cannot create a TCP transport\n");
		return 1;
	}
	if (!svc_register(transp, KV_PROG, KV_V1, kv_prog_1, IPPROTO_TCP)) {
		fprintf(stderr, "cannot register with rpcbind\n");
		return 1;
	}
	rpcbuf_svc_run(NULL);
	return 1;
}
