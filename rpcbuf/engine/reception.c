/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The state chart of reception: the states of a connection, the legal moves
 * between them, and what each state holds.
 *
 *	adopted ----> watched <===> ready <===> parked
 *	   |             |            |            |
 *	   '-------------'-----.------'------------'
 *	                       v
 *	                    ending ----> closed
 *
 * adopted  On loop->conns.posted; nothing was read from its socket.  The owner
 *	    begins to watch it, at once or when the connection that it succeeds
 *	    is closed (successor.c).
 * watched  Its socket was drained, and the back end watches it.  An event makes
 *	    it ready.  A new owner of the loop has another ring, and watches it
 *	    anew.
 * ready    On the list of its client, which is served round robin with others
 *	    (fair.c).  A step runs a call or receives; then the connection goes
 *	    behind the others of its client.  The back end may still watch it,
 *	    as each change costs a system call.  It becomes watched when nothing
 *	    is left, and parked when it may not go on.
 * parked   Its socket is not read, and not watched, until what it is parked for
 *	    may be there.  Then it becomes ready, and the next step finds out
 *	    whether that is enough.  For quota, pages or heap it keeps its
 *	    position in the queue, or the grant, even while it is ready again;
 *	    for other reasons it has neither.  FOR_GATE: it waits at the gate.
 *	    FOR_CALLS: a completing call posts it.  FOR_UNSENT: the send list
 *	    posts it.
 * ending   Nothing more is received, and it holds no grant.  It closes when its
 *	    calls are done and its replies are read, or the time for that is
 *	    over.  If the adapter drops it meanwhile, it ends anew, for that
 *	    reason.
 * closed   The engine has released it.  No call is in flight, unless the time
 *	    for a stop is over.
 *
 * A watched connection may keep the over-quota grant: others wait for its peer
 * then (admit_yield()).
 */
#include "rpcbuf/engine/reception.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/assert.h"

#define TO(state) (1u << RECEPTION_##state)

/* The chart: the states that can follow each state. */
static const uint8_t chart[NR_RECEPTION_STATES] = {
	[RECEPTION_ADOPTED] = TO(WATCHED) | TO(ENDING),
	[RECEPTION_WATCHED] = TO(WATCHED) | TO(READY) | TO(ENDING),
	[RECEPTION_READY] = TO(READY) | TO(WATCHED) | TO(PARKED) | TO(ENDING),
	[RECEPTION_PARKED] = TO(READY) | TO(ENDING),
	[RECEPTION_ENDING] = TO(ENDING) | TO(CLOSED),
	[RECEPTION_CLOSED] = 0,
};

const char *reception_name(enum reception_state state)
{
	static const char *const names[NR_RECEPTION_STATES] = {
		[RECEPTION_ADOPTED] = "adopted",
		[RECEPTION_WATCHED] = "watched",
		[RECEPTION_READY] = "ready",
		[RECEPTION_PARKED] = "parked",
		[RECEPTION_ENDING] = "ending",
		[RECEPTION_CLOSED] = "closed",
	};

	return names[state];
}

const char *parked_for_name(enum parked_for what)
{
	static const char *const names[NR_PARKED_FOR] = {
		[FOR_NOTHING] = "nothing",
		[FOR_QUOTA] = "quota",
		[FOR_PAGES] = "pages",
		[FOR_HEAP] = "heap",
		[FOR_GATE] = "the gate for long records",
		[FOR_CALLS] = "its own calls",
		[FOR_UNSENT] = "its peer to read",
	};

	return names[what];
}

bool reception_may_move(enum reception_state from, enum reception_state to)
{
	return chart[from] >> to & 1;
}

void reception_init(struct reception *reception)
{
	list_init(&reception->link);
	reception->state = RECEPTION_ADOPTED;
	reception->parked_for = FOR_NOTHING;
}

static void check_move(enum reception_state from, enum reception_state to,
		       enum parked_for what)
{
	if (!reception_may_move(from, to))
		os_panic("a connection cannot move from %s to %s",
			 reception_name(from), reception_name(to));
	if ((to == RECEPTION_PARKED) != (what != FOR_NOTHING))
		os_panic("a connection cannot be %s for %s",
			 reception_name(to), parked_for_name(what));
}

static void check_state(const struct rpcbuf_conn *conn)
{
	const char *wrong = reception_is_valid(conn);

	if (wrong)
		os_panic("a connection is %s: %s",
			 reception_name(conn->reception.state), wrong);
}

static void release_unneeded(struct rpcbuf_conn *conn, enum reception_state to,
			     enum parked_for what)
{
	if (to == RECEPTION_ENDING)
		admit_gone(conn);
	else if (to != RECEPTION_READY)
		admit_parked(conn, what);
}

int reception_move(struct rpcbuf_conn *conn, enum reception_state to,
		   enum parked_for what)
{
	struct loop *loop = conn->loop;
	int err = 0;

	assert_owner(loop);
	if (RPCBUF_DEBUG)
		check_move(conn->reception.state, to, what);
	release_unneeded(conn, to, what);
	if (conn->reception.state == RECEPTION_READY)
		fair_del(conn);
	if (to != RECEPTION_READY && to != RECEPTION_WATCHED)
		loop->backend->unwatch(loop, conn);
	if (to == RECEPTION_READY)
		fair_add(conn);
	os_store(&conn->reception.parked_for, what);
	os_store(&conn->reception.state, to);
	if (to == RECEPTION_WATCHED)
		err = loop->backend->watch(loop, conn);
	if (RPCBUF_DEBUG && !err)
		check_state(conn);
	return err;
}
