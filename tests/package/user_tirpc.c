/* SPDX-License-Identifier: LGPL-3.0-or-later */
/* A server of a user: built by tests/check-package. */
#include <rpcbuf/tirpc.h>
#include <stdio.h>

int main(void)
{
	SVCXPRT *transp = svc_rpcbuf_create(RPC_ANYSOCK, NULL);

	if (!transp)
		return 1;
	printf("%s\n", transp->xp_port ? "a port" : "no port");
	rpcbuf_svc_exit();
	if (rpcbuf_svc_run(NULL))
		return 1;
	svc_destroy(transp);
	return 0;
}
