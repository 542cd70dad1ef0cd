/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Who is given pages, or heap, while there are none.  One connection of all
 * loops has the turn: its loop waits in the queue of the allocator, and has the
 * reserve.  Whoever needs pages while somebody waits comes behind, in the order
 * of turns: clients in turn, of a client the one that waited longest.  A turn
 * is a receive, with one page at least, so small calls go on between large
 * ones.
 *
 * The owner of the loop only, but for tell().
 */
#include "rpcbuf/engine/engine_private.h"

/* Loops are asked for pages that they can spare this often. */
#define SPARE_NS UINT64_C(4000000)

/* Any thread, as its turn cannot end meanwhile. */
static void tell(struct turn *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, pages));
}

/* May @conn look for pages now?  Else it waits. */
bool shortage_passes(struct rpcbuf_conn *conn)
{
	struct turns *turns = &conn->loop->engine->pages;

	return rpcbuf_likely(!turns_asked(turns)) || conn->stream.nr_spare ||
	       turn_ask(turns, &conn->pages);
}

/* Pages that wait elsewhere for bytes to come can be spared. */
static void ask_to_spare(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;

	if (loop->now_ns < os_load(&engine->spared_ns) + SPARE_NS)
		return;
	os_store(&engine->spared_ns, loop->now_ns);
	limits_spare(engine);
}

static void log_waiting(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t heap = engine_heap_bytes(engine);
	struct rpcbuf_mm_counts counts;

	if (heap > engine->heap_limit) {
		log_wait(conn, WAIT_HEAP, heap, engine->heap_limit);
		return;
	}
	if (!log_wait_due(conn, WAIT_PAGES))
		return;
	rpcbuf_mm_counts(engine->mm, &counts);
	log_wait(conn, WAIT_PAGES, counts.pages_out, counts.pages_total);
}

/* There is nothing for @conn now. */
void shortage_wait(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (loop->starved != conn) {
		stat_add(loop->stats.parked_pages, 1);
		log_waiting(conn);
	}
	if (turn_ask(&loop->engine->pages, &conn->pages)) {
		loop->starved = conn;
		ask_to_spare(loop);
	} else if (!loop->starved) {
		/* Another loop is to be given pages. */
		rpcbuf_rqst_release(loop->rqst);
	}
}

/* @conn has what it needed, or needs nothing any more. */
void shortage_end(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	struct turns *turns = &loop->engine->pages;

	if (rpcbuf_likely(!turn_asked(turns, &conn->pages)))
		return;
	if (loop->starved == conn) {
		loop->starved = NULL;
		rpcbuf_rqst_give_up(loop->rqst);
		/* The wait was not its peer's. */
		conn->beyond_ns = loop->now_ns;
	}
	turn_end(turns, &conn->pages, tell);
}

/* Looks again for the one of this loop whose turn it is: pages tell that they
 * have come, the heap does not. */
void shortage_retry(struct loop *loop)
{
	struct rpcbuf_conn *conn = loop->starved;

	if (conn && conn->reception.state == RECEPTION_WAITING)
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}
