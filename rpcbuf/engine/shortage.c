/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/shortage.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/shrink.h"

/* Loops are asked for pages that they can spare this often. */
#define SPARE_NS UINT64_C(4000000)

struct turns *shortage_turns(const struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	return conn->loop == engine_replies(engine)
		       ? &engine->admit.shortage.replies
		       : &engine->admit.shortage.turns;
}

static struct turns *heap_of(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->admit.shortage.heap;
}

/* Any thread, as its turn cannot end meanwhile. */
static void tell(struct turn *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, admit.pages));
}

static void tell_heap(struct turn *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, admit.heap));
}

bool shortage_passes(struct rpcbuf_conn *conn)
{
	struct turns *turns = shortage_turns(conn);

	return rpcbuf_likely(!turns_asked(turns)) ||
	       conn->intake.stream.nr_spare || conn->outgoing ||
	       turn_ask(turns, &conn->admit.pages);
}

bool shortage_passes_heap(struct rpcbuf_conn *conn)
{
	struct turns *turns = heap_of(conn);

	return rpcbuf_likely(!turns_asked(turns)) || conn->outgoing ||
	       turn_ask(turns, &conn->admit.heap);
}

/* Pages that wait elsewhere for bytes to come can be spared. */
static void ask_to_spare(struct loop *loop)
{
	struct shortage *shortage = &loop->engine->admit.shortage;

	if (loop->now_ns < os_load(&shortage->spared_ns) + SPARE_NS)
		return;
	os_store(&shortage->spared_ns, loop->now_ns);
	shrink_ask(loop->engine);
}

static void log_waiting(struct rpcbuf_conn *conn, enum waits_for what)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_mm_counts counts;

	if (!log_wait_due(conn, what))
		return;
	if (what == FOR_HEAP) {
		log_wait(conn, what,
			 "bytes of memory for connections and calls",
			 heap_bytes(engine), engine->heap.limit);
		return;
	}
	rpcbuf_mm_counts(engine->mm, &counts);
	log_wait(conn, what, "pages in use", counts.pages_out,
		 counts.pages_total);
}

static void end_pages(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (rpcbuf_likely(!turn_asked(shortage_turns(conn), &conn->admit.pages)))
		return;
	if (loop->admit.starved == conn) {
		loop->admit.starved = NULL;
		rpcbuf_rqst_give_up(loop->rqst);
		/* The wait was not its peer's. */
		conn->admit.quota.beyond_ns = loop->now_ns;
	}
	turn_end(shortage_turns(conn), &conn->admit.pages, tell);
}

static void end_heap(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (rpcbuf_likely(!turn_asked(heap_of(conn), &conn->admit.heap)))
		return;
	if (loop->admit.cramped == conn) {
		loop->admit.cramped = NULL;
		conn->admit.quota.beyond_ns = loop->now_ns;
	}
	turn_end(heap_of(conn), &conn->admit.heap, tell_heap);
}

static void wait_for_pages(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (turn_ask(shortage_turns(conn), &conn->admit.pages)) {
		loop->admit.starved = conn;
		ask_to_spare(loop);
	} else if (!loop->admit.starved) {
		/* Another loop is to be given pages. */
		rpcbuf_rqst_release(loop->rqst);
	}
}

static void wait_for_heap(struct rpcbuf_conn *conn)
{
	if (turn_ask(heap_of(conn), &conn->admit.heap))
		conn->loop->admit.cramped = conn;
}

void shortage_wait(struct rpcbuf_conn *conn, enum waits_for what)
{
	struct loop *loop = conn->loop;

	if (loop->admit.starved != conn && loop->admit.cramped != conn) {
		stat_add(loop->stats.parked_pages, 1);
		log_waiting(conn, what);
	}
	if (what == FOR_HEAP)
		wait_for_heap(conn);
	else
		wait_for_pages(conn);
}

bool shortage_lasts(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (conn->reception.waits_for != FOR_PAGES ||
	    !rpcbuf_rqst_is_asleep(loop->rqst))
		return false;
	ask_to_spare(loop);
	return true;
}

void shortage_end(struct rpcbuf_conn *conn, enum waits_for but)
{
	if (but != FOR_PAGES)
		end_pages(conn);
	if (but != FOR_HEAP)
		end_heap(conn);
}
