/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Preloaded into ganesha.nfsd by test_callbacks.sh, which compiles it: as soon
 * as the server has made a back channel for a session, calls CB_NULL over it,
 * RPCBUF_CB_COUNT times in a row, and writes the status of each to the file
 * RPCBUF_CB_STATUS. The channel, the call and the receiver of the reply are the
 * server's and ntirpc's own; only the decision to call is new.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <rpc/rpc.h>

static void call(CLIENT *client, AUTH *auth, FILE *to)
{
	const struct timespec timeout = {.tv_sec = 3};
	struct clnt_req *req = calloc(1, sizeof(*req));
	enum clnt_stat status;

	clnt_req_fill(req, client, auth, 0, (xdrproc_t)xdr_void, NULL,
		      (xdrproc_t)xdr_void, NULL);
	status = clnt_req_setup(req, timeout);
	if (status == RPC_SUCCESS) {
		req->cc_refreshes = 0;
		status = CLNT_CALL_WAIT(req);
	}
	clnt_req_release(req);
	fprintf(to, "%d\n", (int)status);
	fflush(to);
}

static void *calls(void *arg)
{
	CLIENT *client = arg;
	AUTH *auth = authnone_ncreate();
	FILE *to = fopen(getenv("RPCBUF_CB_STATUS"), "a");
	int count = atoi(getenv("RPCBUF_CB_COUNT"));

	while (to && count--)
		call(client, auth, to);
	if (to)
		fclose(to);
	CLNT_RELEASE(client, CLNT_RELEASE_FLAG_NONE);
	return NULL;
}

CLIENT *clnt_vc_ncreate_svc(const SVCXPRT *xprt, const rpcprog_t prog,
			    const rpcvers_t vers, const uint32_t flags)
{
	CLIENT *(*stock)(const SVCXPRT *, rpcprog_t, rpcvers_t, uint32_t);
	CLIENT *client;
	pthread_t thread;

	*(void **)&stock = dlsym(RTLD_NEXT, "clnt_vc_ncreate_svc");
	client = stock(xprt, prog, vers, flags);
	if (CLNT_FAILURE(client))
		return client;
	CLNT_REF(client, CLNT_REF_FLAG_NONE);
	if (pthread_create(&thread, NULL, calls, client))
		abort();
	pthread_detach(thread);
	return client;
}
