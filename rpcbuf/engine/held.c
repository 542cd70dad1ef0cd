/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What unfinished records hold.  Every page counts from the receive that filled
 * it until its call runs: one look at many connections that have a little each
 * can take more than there is.
 *
 * A loop knows exactly what its own connections hold, and tells the others when
 * that has changed by held_slack: so the sum is right but for what the other
 * loops have not told, which held_limit allows for, and is touched by none of
 * them for small calls.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"

/* Pages that unfinished records hold, of all loops. */
uint32_t held_pages(const struct loop *loop)
{
	return os_load(&loop->engine->held_pages) + loop->held -
	       loop->held_told;
}

static void tell_others(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	uint32_t more = loop->held - loop->held_told;

	if (more + engine->held_slack <= 2 * engine->held_slack)
		return;
	os_fetch_add(&engine->held_pages, more);
	loop->held_told = loop->held;
}

/* Pages came to the stream of @conn, or left it. */
void held_count(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	uint32_t held = conn->stream.nr_pages + conn->stream.nr_spare;

	os_store(&conn->counts.held_bytes, conn->stream.filled);
	if (held == conn->held)
		return;
	os_store(&loop->held, loop->held + held - conn->held);
	os_store(&conn->held, held);
	tell_others(loop);
}
