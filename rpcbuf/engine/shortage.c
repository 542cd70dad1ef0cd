/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/shortage.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/shrink.h"

/* Loops are asked for their unused pages this often. */
#define ASK_NS UINT64_C(4000000)

struct grant_queue *shortage_page_grants(const struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	return conn->loop == engine_replies(engine)
		       ? &engine->admit.shortage.replies_page_grants
		       : &engine->admit.shortage.page_grants;
}

static struct grant_queue *heap_grants(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->admit.shortage.heap_grants;
}

/* Any thread: the connection stays, as its request cannot end meanwhile. */
static void post_page_waiter(struct grant_request *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, admit.page_grant));
}

static void post_heap_waiter(struct grant_request *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, admit.heap_grant));
}

bool shortage_admits(struct rpcbuf_conn *conn)
{
	struct grant_queue *grants = shortage_page_grants(conn);

	return rpcbuf_likely(!grant_queue_busy(grants)) ||
	       conn->intake.stream.nr_spare || conn->outgoing ||
	       grant_request(grants, &conn->admit.page_grant);
}

bool shortage_admits_heap(struct rpcbuf_conn *conn)
{
	struct grant_queue *grants = heap_grants(conn);

	return rpcbuf_likely(!grant_queue_busy(grants)) || conn->outgoing ||
	       grant_request(grants, &conn->admit.heap_grant);
}

/* Other loops may have pages that no bytes have filled yet. */
static void ask_for_pages(struct loop *loop)
{
	struct shortage *shortage = &loop->engine->admit.shortage;

	if (loop->now_ns < os_load(&shortage->asked_ns) + ASK_NS)
		return;
	os_store(&shortage->asked_ns, loop->now_ns);
	shrink_ask(loop->engine);
}

static void log_shortage(struct rpcbuf_conn *conn, enum parked_for what)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	struct rpcbuf_mm_counts counts = RPCBUF_MM_COUNTS_INIT;

	if (!log_parked_due(conn, what))
		return;
	if (what == FOR_HEAP) {
		log_parked(conn, what, "heap bytes of connections and calls",
			   heap_bytes(engine), engine->heap.limit);
		return;
	}
	rpcbuf_mm_counts(engine->mm, &counts);
	log_parked(conn, what, "pages in use", counts.pages_out,
		   counts.pages_total);
}

static void release_page_grant(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (rpcbuf_likely(!grant_requested(shortage_page_grants(conn),
					   &conn->admit.page_grant)))
		return;
	if (loop->admit.page_grantee == conn) {
		loop->admit.page_grantee = NULL;
		rpcbuf_rqst_give_up(loop->rqst);
		/* Its peer did not cause the wait. */
		conn->admit.quota.over_quota_ns = loop->now_ns;
	}
	grant_release(shortage_page_grants(conn), &conn->admit.page_grant,
		      post_page_waiter);
}

static void release_heap_grant(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (rpcbuf_likely(!grant_requested(heap_grants(conn),
					   &conn->admit.heap_grant)))
		return;
	if (loop->admit.heap_grantee == conn) {
		loop->admit.heap_grantee = NULL;
		conn->admit.quota.over_quota_ns = loop->now_ns;
	}
	grant_release(heap_grants(conn), &conn->admit.heap_grant,
		      post_heap_waiter);
}

static void request_page_grant(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (grant_request(shortage_page_grants(conn),
			  &conn->admit.page_grant)) {
		loop->admit.page_grantee = conn;
		ask_for_pages(loop);
	} else if (!loop->admit.page_grantee) {
		/* Another loop gets pages first. */
		rpcbuf_rqst_release(loop->rqst);
	}
}

static void request_heap_grant(struct rpcbuf_conn *conn)
{
	if (grant_request(heap_grants(conn), &conn->admit.heap_grant))
		conn->loop->admit.heap_grantee = conn;
}

void shortage_wait(struct rpcbuf_conn *conn, enum parked_for what)
{
	struct loop *loop = conn->loop;

	if (loop->admit.page_grantee != conn &&
	    loop->admit.heap_grantee != conn) {
		stat_add(loop->stats.parked_pages, 1);
		log_shortage(conn, what);
	}
	if (what == FOR_HEAP)
		request_heap_grant(conn);
	else
		request_page_grant(conn);
}

bool shortage_lasts(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;

	if (conn->reception.parked_for != FOR_PAGES ||
	    !rpcbuf_rqst_is_asleep(loop->rqst))
		return false;
	ask_for_pages(loop);
	return true;
}

void shortage_end(struct rpcbuf_conn *conn, enum parked_for but)
{
	if (but != FOR_PAGES)
		release_page_grant(conn);
	if (but != FOR_HEAP)
		release_heap_grant(conn);
}
