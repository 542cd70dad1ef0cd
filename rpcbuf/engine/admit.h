/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * admit.h - how much a connection may receive.
 *
 * Whoever would receive asks once, before each receive: the answer is bytes, or
 * what the connection has to wait for.  Then he says what became of it: bytes
 * came, its record is complete, there were no pages after all, its peer is
 * waited for, it is gone.  Of three things there may be too little, and each
 * has a file of its own that only this one calls:
 *
 *   quota.c     what unfinished records hold: a share for each client, and one
 *		 connection at a time beyond it
 *   gate.c      long records under way in a loop
 *   shortage.c  pages, or heap, when there are none
 *
 * No connection is moved here (reception.h).  What may go on is named: those of
 * the gate by admit_next(), for the loop to ask after each step; the one that
 * pages or heap are looked for by admit_starved(), for when the loop looks
 * around; and any other, which may be of another loop, is posted to its loop,
 * which lets it go on if it still waits for memory.  It has to ask again.
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

/* Where more than so many bytes are still to come, a record is long. */
#define ADMIT_LONG_RECORD (128u << 10)

/* Of an engine. */
struct admit_engine {
	struct quota quota;
	struct shortage shortage;
};

/* Of a loop. */
struct admit_loop {
	struct quota_loop quota;
	struct gate gate;	     /* for long records */
	struct rpcbuf_conn *starved; /* has the turn to be given pages */
	struct rpcbuf_conn *cramped; /* ... heap */
};

/* Of a client. */
struct admit_client {
	struct rota_client beyond, pages, heap; /* of the engine's turns */
};

/* Of a connection. */
struct admission {
	struct quota_conn quota;
	struct pass pass;  /* of the long record under way */
	struct turn pages; /* to be given pages */
	struct turn heap;  /* ... heap */
};

/* Pages that unfinished records may hold, all of them and one connection's; and
 * how many of a loop's the others need not know of. */
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
 * @record: bytes that are still to come of the record that is to be received
 * from, as far as they are known; less than ADMIT_LONG_RECORD is as good as 0.
 *
 * Returns the bytes that one receive may take, SIZE_MAX being any number, and
 * sets *@what to FOR_NOTHING; or 0, and what @conn has to wait for: its quota,
 * its turn to begin a long record, or its turn for pages.  That is counted and
 * logged, and its place in the queue is kept while it waits for that.
 */
size_t admit_ask(struct rpcbuf_conn *conn, uint32_t record,
		 enum waits_for *what);

/* Is the length of the next record wanted, or is it known, or does not matter?
 * To find out costs a system call. */
bool admit_wants_length(const struct rpcbuf_conn *conn);

/* May the stream of @conn take @pages now, for the rest of a long record, before
 * they are filled?  What is taken so is of the share of its client: marks that
 * claim much and bring little do not keep others from going on. */
bool admit_may_reserve(const struct rpcbuf_conn *conn, uint32_t pages);

/* May @conn look for heap now?  Else it has to wait FOR_HEAP. */
static inline bool admit_heap(struct rpcbuf_conn *conn)
{
	return shortage_passes_heap(conn);
}

/* What was admitted found no pages, or no heap: @what.  It has to wait for
 * these. */
void admit_lacks(struct rpcbuf_conn *conn, enum waits_for what);

/* @conn was given what it needed of these. */
static inline void admit_given(struct rpcbuf_conn *conn)
{
	shortage_end(conn, FOR_NOTHING);
}

/* Pages came to the stream of @conn, or left it. */
void admit_count(struct rpcbuf_conn *conn);

/* More of its record has come: it does not keep others waiting for nothing. */
static inline void admit_woken(struct admission *conn)
{
	pass_busy(&conn->pass);
}

/* Its record is complete, and its pages are its call's. */
void admit_done(struct rpcbuf_conn *conn);

/* It holds nothing any more, for now. */
void admit_empty(struct rpcbuf_conn *conn);

/* @conn waits for @what, or with FOR_NOTHING for its peer: others have what it
 * does not need for that.  And: it ends, and needs nothing any more.  Both are
 * for reception_move(). */
void admit_waits(struct rpcbuf_conn *conn, enum waits_for what);
void admit_gone(struct rpcbuf_conn *conn);

/* @conn goes on with something else than what it waits for: it has to ask again. */
void admit_forgo(struct rpcbuf_conn *conn);

/* Its peer is waited for, and it can be seen that it is. */
static inline void admit_rest(struct rpcbuf_conn *conn)
{
	quota_rest(conn);
}

/* Has admit_next() to be asked?  Then the next one of @loop that need not wait
 * any more, or NULL. */
static inline bool admit_may_name(const struct admit_loop *loop)
{
	return gate_waited_for(&loop->gate);
}
struct rpcbuf_conn *admit_next(struct loop *loop);

/* The next one that waits for pages or heap and has to look for them again, or NULL:
 * pages tell that they have come, the heap does not. */
struct rpcbuf_conn *admit_starved(struct loop *loop);

/* Does any of @loop wait for something that nobody tells of? */
bool admit_looks(const struct loop *loop);

/* Has @conn the turn to hold more than its share?  Other connections wait for
 * that. */
static inline bool admit_favours(const struct admit_engine *engine,
				 const struct admission *conn)
{
	return turn_held(&engine->quota.beyond, &conn->quota.beyond);
}

/* Do other clients wait for what @conn keeps? */
static inline bool admit_wanted(struct rpcbuf_conn *conn)
{
	return quota_wanted(conn);
}

#endif /* RPCBUF_ENGINE_ADMIT_H */
