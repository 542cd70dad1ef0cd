/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The state chart of reception: which states a connection can be in, which
 * moves between them are legal, and what each state holds.
 *
 *	adopted ----> watched <===> ready <===> waiting
 *	   |             |            |            |
 *	   '-------------'-----.------'------------'
 *	                       v
 *	                    ending ----> closed
 *
 * adopted  On loop->conns.posted; its socket is not looked at yet.  The owner begins
 *	    to watch it, at once or when the connection that it succeeds is
 *	    closed (successor.c).
 * watched  All that has come was looked at.  The back end watches it; when it
 *	    reports something the connection becomes ready.  A new owner, who
 *	    has another ring, watches it anew.
 * ready    On the list of its client, who takes turns with others (fair.c): a
 *	    step may run a call or receive.  With each call and each receive it
 *	    goes behind the other connections of its client.  The back end may
 *	    still watch it: small calls would pay for every change.  When
 *	    nothing is left it is watched, when it may not go on it waits.
 * waiting  There may be something to do, but not before what it waits for has
 *	    come; until then its socket is not read, and not watched.  It
 *	    becomes ready, and the next step finds out whether that is enough.
 *	    Quota, pages, heap: it keeps its place in the queues for these, and
 *	    their turns, also while it is ready again; who waits for anything
 *	    else has none.  A long record's turn: it is at the gate.  Its own
 *	    calls: one of them tells.  Its reader: its send list tells; a
 *	    handler that sends itself the loop asks again and again.
 * ending   Nothing more is received, it has given up all turns.  When its
 *	    calls are done and its replies are read, or were waited for in
 *	    vain, it closes.  Dropped meanwhile, it ends anew, for that reason.
 * closed   The engine has let go of it: no call is in flight, except when the
 *	    time for a stop is over.
 *
 * The turn to hold more than its share is kept in watched too: its holder's
 * peer is what is waited for (admit_rest()).
 */
#include "rpcbuf/engine/reception.h"

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/assert.h"

#define TO(state) (1u << RECEPTION_##state)

/* The chart: for each state those that can follow. */
static const uint8_t chart[NR_RECEPTION_STATES] = {
	[RECEPTION_ADOPTED] = TO(WATCHED) | TO(ENDING),
	[RECEPTION_WATCHED] = TO(WATCHED) | TO(READY) | TO(ENDING),
	[RECEPTION_READY] = TO(READY) | TO(WATCHED) | TO(WAITING) | TO(ENDING),
	[RECEPTION_WAITING] = TO(READY) | TO(ENDING),
	[RECEPTION_ENDING] = TO(ENDING) | TO(CLOSED),
	[RECEPTION_CLOSED] = 0,
};

const char *reception_name(enum reception_state state)
{
	static const char *const names[NR_RECEPTION_STATES] = {
		[RECEPTION_ADOPTED] = "adopted",
		[RECEPTION_WATCHED] = "watched",
		[RECEPTION_READY] = "ready",
		[RECEPTION_WAITING] = "waiting",
		[RECEPTION_ENDING] = "ending",
		[RECEPTION_CLOSED] = "closed",
	};

	return names[state];
}

const char *waits_for_name(enum waits_for what)
{
	static const char *const names[NR_WAITS_FOR] = {
		[FOR_NOTHING] = "nothing",
		[FOR_QUOTA] = "quota",
		[FOR_PAGES] = "pages",
		[FOR_HEAP] = "heap",
		[FOR_LONG] = "a long record's turn",
		[FOR_CALLS] = "its own calls",
		[FOR_READER] = "its reader",
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
	reception->waits_for = FOR_NOTHING;
}

static void check_move(enum reception_state from, enum reception_state to,
		       enum waits_for what)
{
	if (!reception_may_move(from, to))
		os_panic("a connection cannot move from %s to %s",
			 reception_name(from), reception_name(to));
	if ((to == RECEPTION_WAITING) != (what != FOR_NOTHING))
		os_panic("a connection cannot be %s and wait for %s",
			 reception_name(to), waits_for_name(what));
}

static void check_state(const struct rpcbuf_conn *conn)
{
	const char *wrong = reception_is_valid(conn);

	if (wrong)
		os_panic("a connection is %s: %s",
			 reception_name(conn->reception.state), wrong);
}

/* What it does not need in the state that it comes to, others may have. */
static void give_up(struct rpcbuf_conn *conn, enum reception_state to,
		    enum waits_for what)
{
	if (to == RECEPTION_ENDING)
		admit_gone(conn);
	else if (to != RECEPTION_READY)
		admit_waits(conn, what);
}

int reception_move(struct rpcbuf_conn *conn, enum reception_state to,
		   enum waits_for what)
{
	struct loop *loop = conn->loop;
	int err = 0;

	assert_owner(loop);
	if (RPCBUF_DEBUG)
		check_move(conn->reception.state, to, what);
	give_up(conn, to, what);
	if (conn->reception.state == RECEPTION_READY)
		fair_del(conn);
	if (to != RECEPTION_READY && to != RECEPTION_WATCHED)
		loop->backend->unwatch(loop, conn);
	if (to == RECEPTION_READY)
		fair_add(conn);
	os_store(&conn->reception.waits_for, what);
	os_store(&conn->reception.state, to);
	if (to == RECEPTION_WATCHED)
		err = loop->backend->watch(loop, conn);
	if (RPCBUF_DEBUG && !err)
		check_state(conn);
	return err;
}
