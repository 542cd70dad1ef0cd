/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The facts, in the order in which they are tried: one may need those before it.
 * README.md has them all, and those that cannot be tried.
 *
 * A probe has connections of its own within this host, and transports at their
 * accepted ends.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "facts_probe.h"
#include "rpcbuf/os/plain.h"

static const struct {
	const char *what;  /* that does not hold then */
	const char *where; /* it was read */
	bool (*holds)(struct probe *probe);
} facts_table[] = {
	{"connected transports share one table of functions that can be written to",
	 "svc_vc.c, svc_vc_override_ops()", probe_connected_table},
	{"listeners share another table that can be written to",
	 "svc_vc.c, svc_vc_rendezvous_ops()", probe_listening_table},
	{"a new transport has no xp_p1, xp_parent and xp_fd_send, and room for addresses",
	 "svc_vc.c, svc_fd_ncreatef()", probe_fresh},
	{"a reply that is sent heads the queue of its transport",
	 "svc_ioq.c, svc_ioq_write_now()", probe_queue},
	{"a transport that is registered keeps what calls are given to when a client is made of it",
	 "clnt_vc.c, clnt_vc_ncreatef()", probe_registration},
	{"clients over connections share one table that can be written to",
	 "clnt_vc.c, clnt_vc_ops()", probe_clients_table},
	{"what is exchanged in these tables stays when more are made",
	 "svc_vc.c, svc_vc_override_ops(); clnt_vc.c, clnt_vc_ops()",
	 probe_exchanges},
	{"what is sent behind an entry of another's is queued whole, and no more",
	 "svc_ioq.c, svc_ioq_write_now() and svc_ioq_write_submit()",
	 probe_token},
	{"a call is decoded on the thread that asks for it, up to its arguments",
	 "svc_vc.c, svc_vc_decode()", probe_decode},
	{"xp_p1 of a transport is left alone", "svc.h, struct svc_xprt",
	 probe_left_alone},
	{"a transport has one reference for its table, one for its creator, and one for a client",
	 "svc_xprt.c, svc_xprt_lookup()", probe_references},
	{"xp_recv alone reads, and asks for the next event",
	 "svc_rqst.c, svc_rqst_xprt_task_recv()", probe_event},
	{"a resumed request ends once, a transport with its last reference, whatever is queued, and its socket then",
	 "svc_rqst.c, svc_resume(); svc.h, svc_destroy_it(); svc_vc.c, svc_vc_destroy_task(); nfs_rpc_dispatcher_thread.c, free_nfs_request()",
	 probe_end},
	{"counted bytes are decoded from the window to a block that is asked for behind their count, and freed as one",
	 "xdr_inline.h, xdr_bytes_decode() and xdr_bytes_free()",
	 probe_payload},
	{"a call's checksum is asked for where its arguments begin, before their decoder is looked up",
	 "svc_auth_none.c, svcauth_none_checksum()", probe_checksum},
	{"a reply goes to xp_reply, and its results are asked for last",
	 "svc.c, svc_sendreply(); rpc_prot.c, xdr_nreplymsg(); svc_auth_none.c, svcauth_none_wrap()",
	 probe_results},
	{"a reply refers to the data of a READ in the block that they were read into, padded, until it is freed",
	 "nfs4_op_read.c, xdr_READ4res_uio_setup()", probe_data},
};

static int try_all(struct probe *probe, char *why, size_t len)
{
	for (size_t i = 0; i < sizeof(facts_table) / sizeof(*facts_table); i++)
		if (!facts_table[i].holds(probe)) {
			if (probe->err)
				return probe->err;
			snprintf(
				why, len,
				"the server differs from what this was built for (%s): it does not hold that %s",
				facts_table[i].where, facts_table[i].what);
			return -ENOTSUP;
		}
	return 0;
}

static int open_probe(struct probe *probe)
{
	int err = loopback_open(&probe->pair, AF_INET);

	if (!err)
		err = loopback_open(&probe->second, AF_INET);
	if (err)
		return err;
	probe->xprt = probe_make(probe, svc_fd_ncreatef, probe->pair.accepted);
	probe->listener =
		probe_make(probe, svc_vc_ncreatef, probe->pair.listening);
	return probe->err;
}

/* try_all() has written its sentence. */
static void explain(int err, char *why, size_t len)
{
	if (err == -ESHUTDOWN)
		snprintf(why, len, "the server stops");
	else if (err == -EUSERS)
		snprintf(
			why, len,
			"no transport can be made, there are %u connections at most (RPC_Max_Connections)",
			nfs_param.core_param.rpc.max_connections);
	else if (err && err != -ENOTSUP)
		snprintf(why, len,
			 "cannot create a transport to probe ntirpc: %s",
			 strerror(-err));
}

int facts_find(struct facts *facts, char *why, size_t len)
{
	/* Static: after the timeout of a probe ntirpc may still use it. */
	static struct probe probe;
	const struct loopback none = {-1, -1, -1};
	int err;

	probe = (struct probe){.facts = facts, .pair = none, .second = none};
	err = open_probe(&probe);
	if (!err)
		err = try_all(&probe, why, len);
	/* A stopping server ends transports and threads, so probes fail. */
	if (err && os_load(&admin_shutdown))
		err = -ESHUTDOWN;
	explain(err, why, len);
	if (probe.client)
		CLNT_DESTROY(probe.client);
	probe_drop(probe.xprt, &probe.pair.accepted);
	probe_drop(probe.listener, &probe.pair.listening);
	probe_drop(probe.other, &probe.second.accepted);
	loopback_close(&probe.pair);
	loopback_close(&probe.second);
	return err;
}
