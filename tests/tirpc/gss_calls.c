/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: RPCSEC_GSS works on transports of librpcbuf_tirpc as on libtirpc's:
 * authentication only, with integrity, with privacy.
 * Method: the service of the other tests, served in each way; clients of
 * libtirpc with Kerberos contexts call it with arguments and results of many
 * lengths.  Then many clients at the same time make contexts, call, destroy
 * them, and close, with and without destroying: state that libtirpc keeps for a
 * connection must not be found by the next one, nor freed while another uses
 * it.
 *
 * usage: gss_calls stock | run | threads (tests/e2e/test_tirpc_krb5.sh)
 */
#include <rpc/auth_gss.h>
#include <rpc/rpcsec_gss.h>
#include <signal.h>

#include "tests/tirpc/tirpc_util.h"

#define ROUNDS 15

static char principal[] = "nfs@localhost", mechanism[] = "kerberos_v5";

static const rpc_gss_service_t services[] = {
	rpcsec_gss_svc_none,
	rpcsec_gss_svc_integrity,
	rpcsec_gss_svc_privacy,
};

static bool sealed_client(CLIENT *client, rpc_gss_service_t service)
{
	AUTH *auth = rpc_gss_seccreate(client, principal, mechanism, service,
				       NULL, NULL, NULL);

	if (!auth)
		return false;
	auth_destroy(client->cl_auth);
	client->cl_auth = auth;
	return true;
}

static void calls(rpc_gss_service_t service, u_int most)
{
	CLIENT *client = client_open();

	must(sealed_client(client, service));
	for (quad_t i = 0; i < 20; i++)
		client_add(client, i);
	for (u_int length = 0; length <= most; length = length * 3 + 1) {
		client_blob(client, COPY, length);
		client_blob(client, REFER, length);
	}
	/* Without, and again with a context of the same connection. */
	auth_destroy(client->cl_auth);
	client->cl_auth = authnone_create();
	client_add(client, 1);
	must(sealed_client(client, service));
	client_add(client, 2);
	auth_destroy(client->cl_auth);
	client->cl_auth = authnone_create();
	client_close(client);
}

/* Some close without destroying their context. */
static void *come_and_go(void *arg)
{
	uintptr_t number = (uintptr_t)arg;

	for (unsigned int i = 0; i < ROUNDS; i++) {
		CLIENT *client = client_open();

		must(sealed_client(client, services[(number + i) % 3]));
		client_add(client, i);
		client_blob(client, REFER, (i * 1000 + 4) & ~3u);
		if (i % 2) {
			int fd = -1;

			must(clnt_control(client, CLGET_FD, (void *)&fd));
			shutdown(fd, SHUT_RDWR);
		}
		auth_destroy(client->cl_auth);
		client->cl_auth = authnone_create();
		client_close(client);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	enum mode mode = argc > 1 && !strcmp(argv[1], "threads") ? ENGINE
			 : argc > 1 && !strcmp(argv[1], "run")	 ? SINGLE
								 : STOCK;
	pthread_t threads[8];

	/* libtirpc's clients write to closed connections. */
	signal(SIGPIPE, SIG_IGN);
	must(rpc_gss_set_svc_name(principal, mechanism, 0, PROG, VERS));
	server_start(mode);
	for (unsigned int i = 0; i < WIRE_NR(services); i++)
		calls(services[i], mode == STOCK ? 5000 : 40000);
	/* libtirpc's own server does not survive this. */
	if (mode != STOCK) {
		for (uintptr_t i = 0; i < WIRE_NR(threads); i++)
			must(!pthread_create(&threads[i], NULL, come_and_go,
					     (void *)i));
		for (unsigned int i = 0; i < WIRE_NR(threads); i++)
			pthread_join(threads[i], NULL);
		eventually(stats().connections == 0);
	}
	server_stop();
	printf("gss_calls: %s is well\n", argc > 1 ? argv[1] : "stock");
	return 0;
}
