/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * facts.h - what this relies on in ntirpc, and Ganesha, beyond their headers, and
 * can be tried when the server starts.
 *
 * Each is in one table (facts.c), with where it was read, and is tried on
 * transports that are made for that, before anything is exchanged for good.  What
 * is computed here is used by the rest.  README.md has the facts that cannot be
 * tried so as well, and what is done about them.
 */
#ifndef FSAL_RPCBUF_FACTS_H
#define FSAL_RPCBUF_FACTS_H

#include <rpc/clnt.h>
#include <rpc/pool_queue.h>

#include "abi.h"

struct facts {
	struct xp_ops *connected; /* of all connected TCP transports */
	struct xp_ops *listening; /* of all TCP listeners */
	struct clnt_ops *clients; /* of all clients over connections */
	size_t queue; /* from a transport to what ntirpc queues to send on it */
};

/*
 * facts_find - try all facts.
 *
 * Returns 0 and fills @facts; or -errno and a sentence in @why.  -ENOTSUP: one
 * does not hold; -EUSERS: the server has all the connections that it may have;
 * -ESHUTDOWN: it stops; else there was too little of something, as descriptors,
 * to try with.  Once the server's RPC is up, before any of its tables was written
 * to.  Waits for threads of ntirpc's, PROBE_WAIT_MS for each at most, and no more
 * when the server stops.
 */
int facts_find(struct facts *facts, char *why, size_t len);

/* What ntirpc has to send on @xprt, first to last. */
static inline struct poolq_head *facts_queue(const struct facts *facts,
					     SVCXPRT *xprt)
{
	return (struct poolq_head *)(void *)((char *)xprt + facts->queue);
}

#endif /* FSAL_RPCBUF_FACTS_H */
