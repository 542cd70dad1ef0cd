/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * quota.h - pages of partial records: a quota per client, and the over-quota
 * grant.
 *
 * Part of admission (admit.h), which alone calls it.  The owner of the loop
 * only, except where other threads are named.
 */
#ifndef RPCBUF_ENGINE_QUOTA_H
#define RPCBUF_ENGINE_QUOTA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpcbuf/engine/grant.h"

struct rpcbuf_conn;

/* Of an engine.  In pages. */
struct quota {
	uint32_t limit;	     /* of all partial records */
	uint32_t conn_limit; /* of one connection's */
	uint32_t slack;	     /* that a loop need not publish */
	uint32_t partial;    /* of clients, as the loops published it; atomic */
	struct grant_queue over_quota_grants;
};

/* Of a loop. */
struct quota_loop {
	uint32_t partial;   /* pages, of all its connections; os_store() */
	uint32_t published; /* ... in quota->partial, or not clients' */
};

/* Of a connection. */
struct quota_conn {
	uint32_t partial; /* stream pages that are counted; os_store() */
	struct grant_request over_quota_grant;
	uint64_t over_quota_ns; /* since when it has the grant, and pages */
};

/* Pages came to the stream of @conn, or left it. */
void quota_count(struct rpcbuf_conn *conn);

/* Pages that the client of @conn may still take. */
uint32_t quota_room(const struct rpcbuf_conn *conn);

/* Bytes that one receive of @conn may take now; 0: it waits for the grant. */
size_t quota_ask(struct rpcbuf_conn *conn);

/* True when @conn holds the over-quota grant. */
bool quota_may_exceed(const struct rpcbuf_conn *conn);

/* True when another client waits and a record of maximum length does not
 * fit. */
bool quota_wanted(struct rpcbuf_conn *conn);

/* @conn gives up the grant, or its place in the queue for it. */
void quota_release_grant(struct rpcbuf_conn *conn);

/* The peer of @conn is idle, which other threads can see: passes the grant on
 * to another client, if records of others still fit beside what stays behind.
 * So idle peers do not each keep the grant for its whole time. */
void quota_yield(struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_QUOTA_H */
