/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * facts_probe.h - the probes of the table in facts.c, which is in their order.
 *
 * Each tries one fact, or several that one call shows, on transports of its own.  It
 * returns whether the fact holds; a shortage is in @err.  None waits longer than
 * PROBE_WAIT_MS, or after the stop of the server.
 */
#ifndef FSAL_RPCBUF_FACTS_PROBE_H
#define FSAL_RPCBUF_FACTS_PROBE_H

#include "facts.h"
#include "rpcbuf/engine/loopback.h"

/* Longest wait for a thread of ntirpc, or the system.  No server is that slow, unless
 * all of its threads hang. */
#define PROBE_WAIT_MS 20000u

struct probe {
	struct facts *facts;
	int err; /* of a shortage, for which nothing was tried; -EUSERS: transports */
	struct loopback pair, second;
	SVCXPRT *xprt, *listener; /* of `pair` */
	SVCXPRT *other; /* of `second`, with `ops` in the place of its table */
	CLIENT *client;
	struct poolq_entry token;
	struct xp_ops ops;
	unsigned int events, unlinked, destroyed; /* of `other`; atomic */
	XDR stream;		     /* of a request that is resumed */
	unsigned int resumed, ended; /* it, and its stream; atomic */
};

/* On no event of their sockets. */
#define PROBE_FLAGS (SVC_CREATE_FLAG_XPRT_NOREG | SVC_CREATE_FLAG_CLOSE)

/* A transport that @make makes on @fd, and ntirpc's reaper leaves alone; or NULL,
 * which is in @probe->err then. */
SVCXPRT *probe_make(struct probe *probe,
		    SVCXPRT *(*make)(const int fd, const u_int sendsize,
				     const u_int recvsize,
				     const uint32_t flags),
		    int fd);

/* Waits until @happened: false after PROBE_WAIT_MS, or when the server stops. */
bool probe_wait(struct probe *probe, bool (*happened)(struct probe *probe));

/* There is something to read from @fd, or its end. */
bool probe_came(int fd);

/* Ends @xprt, or NULL, which closes @fd. */
void probe_drop(SVCXPRT *xprt, int *fd);

/* facts_xprt.c */
bool probe_connected_table(struct probe *probe);
bool probe_listening_table(struct probe *probe);
bool probe_fresh(struct probe *probe);
bool probe_registration(struct probe *probe);
bool probe_clients_table(struct probe *probe);
bool probe_exchanges(struct probe *probe);
bool probe_left_alone(struct probe *probe);
bool probe_references(struct probe *probe);
bool probe_event(struct probe *probe);
bool probe_end(struct probe *probe);

/* facts_queue.c */
bool probe_queue(struct probe *probe);
bool probe_token(struct probe *probe);

/* facts_xdr.c */
bool probe_decode(struct probe *probe);
bool probe_payload(struct probe *probe);
bool probe_checksum(struct probe *probe);
bool probe_results(struct probe *probe);
bool probe_data(struct probe *probe);

#endif /* FSAL_RPCBUF_FACTS_PROBE_H */
