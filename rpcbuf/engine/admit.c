/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Long records: of many peers that send them at once, a loop reads a few to
 * their ends, while the others stay unread in their sockets.  A record under
 * way pins pages, and one that is received without a break is still in the
 * CPU's cache when its call runs.
 */
#include "rpcbuf/engine/admit.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

void admit_init(struct admit_engine *admit, uint32_t limit, uint32_t conn_limit,
		uint32_t slack)
{
	*admit = (struct admit_engine){
		.quota.limit = limit,
		.quota.conn_limit = conn_limit,
		.quota.slack = slack,
	};
	grant_queue_init(&admit->quota.over_quota_grants);
	grant_queue_init(&admit->shortage.page_grants);
	grant_queue_init(&admit->shortage.replies_page_grants);
	grant_queue_init(&admit->shortage.heap_grants);
}

void admit_exit(struct admit_engine *admit)
{
	grant_queue_exit(&admit->quota.over_quota_grants);
	grant_queue_exit(&admit->shortage.page_grants);
	grant_queue_exit(&admit->shortage.replies_page_grants);
	grant_queue_exit(&admit->shortage.heap_grants);
}

void admit_init_loop(struct admit_loop *admit, uint64_t receiving)
{
	gate_init(&admit->gate, receiving ? receiving : UINT64_MAX);
}

void admit_init_client(struct admit_client *admit)
{
	rota_client_init(&admit->over_quota_waiters);
	rota_client_init(&admit->page_waiters);
	rota_client_init(&admit->heap_waiters);
}

void admit_init_conn(struct admission *admit, struct admit_client *client,
		     struct gate_client *part)
{
	grant_request_init(&admit->quota.over_quota_grant,
			   &client->over_quota_waiters);
	grant_request_init(&admit->page_grant, &client->page_waiters);
	grant_request_init(&admit->heap_grant, &client->heap_waiters);
	gate_entry_init(&admit->gate_entry, part);
}

static bool enters_gate(struct rpcbuf_conn *conn, uint32_t record)
{
	struct gate *gate = &conn->loop->admit.gate;
	struct gate_entry *entry = &conn->admit.gate_entry;

	if (entry->state != GATE_NONE || record < ADMIT_LONG_RECORD ||
	    conn->outgoing || quota_may_exceed(conn) ||
	    gate_enter(gate, entry, record))
		return true;
	stat_add(conn->loop->stats.parked_long, 1);
	log_parked(conn, FOR_GATE, "bytes of long records being received",
		   gate->used, gate->limit);
	return false;
}

size_t admit_ask(struct rpcbuf_conn *conn, uint32_t record,
		 enum parked_for *what)
{
	size_t most;

	assert_owner(conn->loop);
	most = quota_ask(conn);
	*what = FOR_QUOTA;
	if (!most)
		return 0;
	*what = FOR_GATE;
	if (!enters_gate(conn, record))
		return 0;
	*what = FOR_NOTHING;
	if (rpcbuf_likely(shortage_admits(conn)))
		return most;
	*what = FOR_PAGES;
	admit_lacks(conn, FOR_PAGES);
	return 0;
}

bool admit_wants_length(const struct rpcbuf_conn *conn)
{
	return conn->admit.gate_entry.state == GATE_NONE && !conn->outgoing &&
	       !quota_may_exceed(conn);
}

bool admit_may_prealloc(const struct rpcbuf_conn *conn, uint32_t pages)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return conn->admit.gate_entry.state != GATE_NONE &&
	       !rpcbuf_wait_pending(engine->mm) &&
	       pages <= engine->admit.quota.conn_limit &&
	       pages <= quota_room(conn);
}

void admit_lacks(struct rpcbuf_conn *conn, enum parked_for what)
{
	shortage_wait(conn, what);
}

void admit_count(struct rpcbuf_conn *conn)
{
	assert_owner(conn->loop);
	os_store(&conn->counts.partial_bytes, conn->intake.stream.filled);
	quota_count(conn);
}

void admit_done(struct rpcbuf_conn *conn)
{
	admit_count(conn);
	quota_release_grant(conn);
	gate_leave(&conn->loop->admit.gate, &conn->admit.gate_entry);
}

void admit_empty(struct rpcbuf_conn *conn)
{
	if (quota_may_exceed(conn))
		quota_release_grant(conn);
}

void admit_parked(struct rpcbuf_conn *conn, enum parked_for what)
{
	struct gate_entry *entry = &conn->admit.gate_entry;

	if (entry->state == GATE_INSIDE && !entry->idle_ns)
		gate_entry_idle(entry, os_now());
	/* A grant that it does not need now would delay others.  While it waits
	 * for the over-quota grant it cannot use pages. */
	shortage_end(conn, what);
	if (what == FOR_PAGES || what == FOR_HEAP)
		return;
	if (what != FOR_QUOTA && conn->admit.quota.over_quota_grant.waiting)
		quota_release_grant(conn);
}

void admit_forgo(struct rpcbuf_conn *conn)
{
	if (conn->admit.gate_entry.state == GATE_WAITING)
		gate_leave(&conn->loop->admit.gate, &conn->admit.gate_entry);
}

void admit_gone(struct rpcbuf_conn *conn)
{
	quota_release_grant(conn);
	shortage_end(conn, FOR_NOTHING);
	gate_leave(&conn->loop->admit.gate, &conn->admit.gate_entry);
}

struct rpcbuf_conn *admit_next(struct loop *loop)
{
	struct gate_entry *entry = gate_next(&loop->admit.gate, loop->now_ns);

	return entry ? list_entry(entry, struct rpcbuf_conn, admit.gate_entry)
		     : NULL;
}

struct rpcbuf_conn *admit_next_grantee(struct loop *loop)
{
	struct rpcbuf_conn *conn = loop->admit.heap_grantee;

	if (conn && conn->reception.state == RECEPTION_PARKED)
		return conn;
	conn = loop->admit.page_grantee;
	if (!conn || conn->reception.state != RECEPTION_PARKED)
		return NULL;
	return shortage_lasts(conn) ? NULL : conn;
}

bool admit_must_poll(const struct loop *loop)
{
	return loop->admit.page_grantee || loop->admit.heap_grantee ||
	       gate_has_waiters(&loop->admit.gate);
}
