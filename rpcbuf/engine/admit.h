/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * admit.h - how much a connection may receive.
 *
 * The loop calls admit_ask() before each receive, and gets a number of bytes,
 * or the reason to park the connection.  Afterwards it reports the outcome:
 * bytes came, the record is complete, there were no pages, the peer is idle,
 * the connection is gone.  Three resources can run out; each has a file of its
 * own that only this one calls:
 *
 *   quota.c     pages of partial records: a quota for each client; one
 *		 connection at a time may exceed it
 *   gate.c      long records that a loop receives at a time
 *   shortage.c  pages, or heap, when there are none
 *
 * No connection changes its state here (reception.h).  admit_next() returns the
 * next connection that the gate admits; the loop calls it after each step.
 * admit_next_grantee() returns the connection that holds the page or the heap
 * grant and has to try again; the loop calls it when it polls.  Any other
 * connection, which may belong to another loop, is posted to its loop, which
 * makes it ready if it is still parked for memory.  It must ask again.
 *
 * Nothing here knows a socket.  The owner of the loop only.
 */
#ifndef RPCBUF_ENGINE_ADMIT_H
#define RPCBUF_ENGINE_ADMIT_H

#include "rpcbuf/engine/gate.h"
#include "rpcbuf/engine/quota.h"
#include "rpcbuf/engine/reception.h"
#include "rpcbuf/engine/shortage.h"

struct client;
struct loop;
struct rpcbuf_conn;

/* A record is long while more than this many bytes of it are still to come. */
#define ADMIT_LONG_RECORD (128u << 10)

/* Of an engine. */
struct admit_engine {
	struct quota quota;
	struct shortage shortage;
};

/* Of a loop. */
struct admit_loop {
	struct quota_loop quota;
	struct gate gate;		  /* for long records */
	struct rpcbuf_conn *page_grantee; /* holds the page grant */
	struct rpcbuf_conn *heap_grantee; /* ... the heap grant */
};

/* Of a client: the requests that wait in the engine's queues. */
struct admit_client {
	struct rota_client over_quota_waiters, page_waiters, heap_waiters;
};

/* Of a connection. */
struct admission {
	struct quota_conn quota;
	struct gate_entry gate_entry; /* of the long record under way */
	struct grant_request page_grant, heap_grant;
};

/* @limit, @conn_limit: pages of all partial records, and of one connection's.
 * @slack: pages that a loop may have before it updates the engine's counter. */
void admit_init(struct admit_engine *admit, uint32_t limit, uint32_t conn_limit,
		uint32_t slack);
void admit_exit(struct admit_engine *admit);
/* @receiving: bytes of long records that a loop receives at a time; 0: all. */
void admit_init_loop(struct admit_loop *admit, uint64_t receiving);
void admit_init_client(struct admit_client *admit);
void admit_init_conn(struct admission *admit, struct admit_client *client,
		     struct gate_client *part);

/*
 * admit_ask - how much may @conn receive now?
 *
 * @record: bytes that are still to come of the record to receive, as far as
 * they are known; less than ADMIT_LONG_RECORD is as good as 0.
 *
 * Returns the bytes that one receive may take, SIZE_MAX being any number, and
 * sets *@what to FOR_NOTHING.  Or returns 0, and what @conn must be parked for:
 * quota, the gate, or pages.  That is counted and logged, and @conn keeps its
 * place in the queue while it is parked for that.
 */
size_t admit_ask(struct rpcbuf_conn *conn, uint32_t record,
		 enum parked_for *what);

/* True when the length of the next record decides about admission.  Reading it
 * costs a system call. */
bool admit_wants_length(const struct rpcbuf_conn *conn);

/* True when the stream of @conn may take @pages now, for the rest of a long
 * record, before they are filled.  They count in the client's quota, so marks
 * that claim much and bring little do not delay other clients. */
bool admit_may_prealloc(const struct rpcbuf_conn *conn, uint32_t pages);

/* True when @conn may try to get heap now; else park it FOR_HEAP. */
static inline bool admit_heap(struct rpcbuf_conn *conn)
{
	return shortage_admits_heap(conn);
}

/* @conn was admitted, and there was no @what, pages or heap: park it for
 * that. */
void admit_lacks(struct rpcbuf_conn *conn, enum parked_for what);

/* @conn got the pages and the heap that it needed. */
static inline void admit_given(struct rpcbuf_conn *conn)
{
	shortage_end(conn, FOR_NOTHING);
}

/* Pages came to the stream of @conn, or left it. */
void admit_count(struct rpcbuf_conn *conn);

/* Bytes came: stops the idle timer of the gate. */
static inline void admit_woken(struct admission *conn)
{
	gate_entry_busy(&conn->gate_entry);
}

/* Its record is complete, and the pages belong to its call. */
void admit_done(struct rpcbuf_conn *conn);

/* Its stream has no pages for now. */
void admit_empty(struct rpcbuf_conn *conn);

/* @conn is parked for @what, or waits for its peer, with FOR_NOTHING: gives up
 * the grants that it does not need meanwhile.  admit_gone(): @conn ends, and
 * gives up all.  Both are for reception_move(). */
void admit_parked(struct rpcbuf_conn *conn, enum parked_for what);
void admit_gone(struct rpcbuf_conn *conn);

/* @conn, which is parked, has something else to do: leaves the gate, so it must
 * ask again. */
void admit_forgo(struct rpcbuf_conn *conn);

/* @conn is watched, and its peer is idle: the over-quota grant may pass on. */
static inline void admit_yield(struct rpcbuf_conn *conn)
{
	quota_yield(conn);
}

/* True when admit_next() must be called: it returns the next connection of
 * @loop that the gate admits, or NULL. */
static inline bool admit_next_due(const struct admit_loop *loop)
{
	return gate_has_waiters(&loop->gate);
}
struct rpcbuf_conn *admit_next(struct loop *loop);

/* The next connection that is parked for pages or heap and has to try again, or
 * NULL.  The queue of pages notifies its waiters, the heap does not. */
struct rpcbuf_conn *admit_next_grantee(struct loop *loop);

/* True when a connection of @loop is parked for something that no thread
 * signals: the loop must poll for it. */
bool admit_must_poll(const struct loop *loop);

/* True when @conn holds the over-quota grant, for which others may wait. */
static inline bool admit_over_quota(const struct admit_engine *engine,
				    const struct admission *conn)
{
	return grant_held(&engine->quota.over_quota_grants,
			  &conn->quota.over_quota_grant);
}

/* True when other clients wait for the pages of @conn. */
static inline bool admit_wanted(struct rpcbuf_conn *conn)
{
	return quota_wanted(conn);
}

#endif /* RPCBUF_ENGINE_ADMIT_H */
