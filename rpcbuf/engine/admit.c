/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Admission.  Long records: of many peers that send them at once some are read
 * to the end of theirs while the others wait in their sockets, unread: each
 * record under way takes pages for as long as it is, and what was received
 * lately is still in the CPU's cache when its call runs.
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
	turns_init(&admit->quota.beyond);
	turns_init(&admit->shortage.turns);
	turns_init(&admit->shortage.replies);
	turns_init(&admit->shortage.heap);
}

void admit_exit(struct admit_engine *admit)
{
	turns_exit(&admit->quota.beyond);
	turns_exit(&admit->shortage.turns);
	turns_exit(&admit->shortage.replies);
	turns_exit(&admit->shortage.heap);
}

void admit_init_loop(struct admit_loop *admit, uint64_t receiving)
{
	gate_init(&admit->gate, receiving ? receiving : UINT64_MAX);
}

void admit_init_client(struct admit_client *admit)
{
	rota_client_init(&admit->beyond);
	rota_client_init(&admit->pages);
	rota_client_init(&admit->heap);
}

void admit_init_conn(struct admission *admit, struct admit_client *client,
		     struct gate_client *part)
{
	turn_init(&admit->quota.beyond, &client->beyond);
	turn_init(&admit->pages, &client->pages);
	turn_init(&admit->heap, &client->heap);
	pass_init(&admit->pass, part);
}

static bool passes_gate(struct rpcbuf_conn *conn, uint32_t record)
{
	struct gate *gate = &conn->loop->admit.gate;
	struct pass *pass = &conn->admit.pass;

	if (pass->state != PASS_NONE || record < ADMIT_LONG_RECORD ||
	    conn->outgoing || quota_beyond(conn) ||
	    gate_enter(gate, pass, record))
		return true;
	stat_add(conn->loop->stats.parked_long, 1);
	log_wait(conn, FOR_LONG, "bytes of long records under way", gate->used,
		 gate->limit);
	return false;
}

size_t admit_ask(struct rpcbuf_conn *conn, uint32_t record,
		 enum waits_for *what)
{
	size_t most;

	assert_owner(conn->loop);
	most = quota_ask(conn);
	*what = FOR_QUOTA;
	if (!most)
		return 0;
	*what = FOR_LONG;
	if (!passes_gate(conn, record))
		return 0;
	*what = FOR_NOTHING;
	if (rpcbuf_likely(shortage_passes(conn)))
		return most;
	*what = FOR_PAGES;
	admit_lacks(conn, FOR_PAGES);
	return 0;
}

bool admit_wants_length(const struct rpcbuf_conn *conn)
{
	return conn->admit.pass.state == PASS_NONE && !conn->outgoing &&
	       !quota_beyond(conn);
}

bool admit_may_reserve(const struct rpcbuf_conn *conn, uint32_t pages)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return conn->admit.pass.state != PASS_NONE &&
	       !rpcbuf_wait_pending(engine->mm) &&
	       pages <= engine->admit.quota.conn_limit &&
	       pages <= quota_room(conn);
}

void admit_lacks(struct rpcbuf_conn *conn, enum waits_for what)
{
	shortage_wait(conn, what);
}

void admit_count(struct rpcbuf_conn *conn)
{
	assert_owner(conn->loop);
	os_store(&conn->counts.held_bytes, conn->intake.stream.filled);
	quota_count(conn);
}

void admit_done(struct rpcbuf_conn *conn)
{
	admit_count(conn);
	quota_end_turn(conn);
	gate_leave(&conn->loop->admit.gate, &conn->admit.pass);
}

void admit_empty(struct rpcbuf_conn *conn)
{
	if (quota_beyond(conn))
		quota_end_turn(conn);
}

void admit_waits(struct rpcbuf_conn *conn, enum waits_for what)
{
	struct pass *pass = &conn->admit.pass;

	if (pass->state == PASS_IN && !pass->idle_ns)
		pass_idle(pass, os_now());
	/* Who waits for something else must not keep others from going on; behind
	 * others for its share, pages are of no use to it yet. */
	shortage_end(conn, what);
	if (what == FOR_PAGES || what == FOR_HEAP)
		return;
	if (what != FOR_QUOTA && conn->admit.quota.beyond.waiting)
		quota_end_turn(conn);
}

void admit_forgo(struct rpcbuf_conn *conn)
{
	if (conn->admit.pass.state == PASS_WAITS)
		gate_leave(&conn->loop->admit.gate, &conn->admit.pass);
}

void admit_gone(struct rpcbuf_conn *conn)
{
	quota_end_turn(conn);
	shortage_end(conn, FOR_NOTHING);
	gate_leave(&conn->loop->admit.gate, &conn->admit.pass);
}

struct rpcbuf_conn *admit_next(struct loop *loop)
{
	struct pass *pass = gate_next(&loop->admit.gate, loop->now_ns);

	return pass ? list_entry(pass, struct rpcbuf_conn, admit.pass) : NULL;
}

struct rpcbuf_conn *admit_starved(struct loop *loop)
{
	struct rpcbuf_conn *conn = loop->admit.cramped;

	if (conn && conn->reception.state == RECEPTION_WAITING)
		return conn;
	conn = loop->admit.starved;
	if (!conn || conn->reception.state != RECEPTION_WAITING)
		return NULL;
	return shortage_lasts(conn) ? NULL : conn;
}

bool admit_looks(const struct loop *loop)
{
	return loop->admit.starved || loop->admit.cramped ||
	       gate_waited_for(&loop->admit.gate);
}
