/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Does a connection hold what its state says, and nothing else?  For debug
 * builds and tests.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/reception.h"

static const char *turns_are_valid(const struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	const struct reception *reception = &conn->reception;
	bool ready = reception->state == RECEPTION_READY;
	bool waits = waits_for_memory(reception->waits_for);

	if (conn->admit.quota.beyond.waiting && !ready && !waits)
		return "it waits for the turn to hold more than its share";
	if (turn_asked(&engine->admit.quota.beyond, &conn->admit.quota.beyond) && !ready && !waits &&
	    reception->state != RECEPTION_WATCHED)
		return "it has the turn to hold more than its share";
	if (turn_asked(shortage_turns(conn), &conn->admit.pages) && !ready &&
	    reception->waits_for != FOR_PAGES)
		return "it has the turn to be given pages, or waits for it";
	if (turn_asked(&engine->admit.shortage.heap, &conn->admit.heap) &&
	    !ready && reception->waits_for != FOR_HEAP)
		return "it has the turn to be given heap, or waits for it";
	if ((conn->admit.pass.state == PASS_WAITS) !=
	    (reception->waits_for == FOR_LONG))
		return "it and the gate differ on whether it waits there";
	if (conn->admit.pass.state != PASS_NONE &&
	    reception->state >= RECEPTION_ENDING)
		return "it has a long record under way";
	return NULL;
}

static const char *calls_are_valid(const struct rpcbuf_conn *conn)
{
	const struct reception *reception = &conn->reception;

	if (reception->waits_for == FOR_CALLS &&
	    os_load(&conn->flight.awaits) != AWAITS_FEWER)
		return "none of its calls will tell that they are fewer";
	if (reception->state == RECEPTION_ENDING &&
	    os_load(&conn->flight.awaits) != AWAITS_LAST)
		return "its last call will not tell";
	if (reception->state == RECEPTION_CLOSED && os_load(&conn->flight.nr) &&
	    !engine_stopping(conn->loop->engine))
		return "a call is in flight";
	return NULL;
}

const char *reception_is_valid(const struct rpcbuf_conn *conn)
{
	const struct reception *reception = &conn->reception;
	bool watched = conn->watched || conn->arm;
	bool ready = reception->state == RECEPTION_READY;
	const char *wrong;

	if ((reception->state == RECEPTION_WAITING) !=
	    (reception->waits_for != FOR_NOTHING))
		return "that and what it waits for do not go together";
	if (ready == list_empty(&reception->link))
		return ready ? "it is on no list" : "it is on a list";
	if (ready && list_empty(&conn->part->fair.link))
		return "its client is not";
	if (watched && !ready && reception->state != RECEPTION_WATCHED)
		return "the back end watches it";
	if (!watched && reception->state == RECEPTION_WATCHED)
		return "the back end does not watch it";
	wrong = turns_are_valid(conn);
	return wrong ? wrong : calls_are_valid(conn);
}

/* How many connections of @part are ready; SIZE_MAX: one of these is not. */
static size_t count_ready_of(struct client_part *part)
{
	struct rpcbuf_conn *conn, *tmp;
	size_t nr = 0;

	list_for_each_entry_safe(conn, tmp, &part->fair.ready,
				 struct rpcbuf_conn, reception.link)
	{
		if (conn->reception.state != RECEPTION_READY)
			return SIZE_MAX;
		nr++;
	}
	return nr;
}

static size_t count_ready(const struct loop *loop)
{
	struct client_part *part;
	size_t nr = 0, of_client;

	for (struct list_head *link = loop->fair.ready.next;
	     link != &loop->fair.ready; link = link->next) {
		part = list_entry(link, struct client_part, fair.link);
		of_client = count_ready_of(part);
		if (!of_client || of_client == SIZE_MAX)
			return SIZE_MAX;
		nr += of_client;
	}
	return nr;
}

/* Of the connections of a loop. */
struct census {
	size_t states[NR_RECEPTION_STATES];
	uint32_t held;
};

static const char *take_census(const struct loop *loop, struct list_head *conns,
			       struct census *census)
{
	struct rpcbuf_conn *conn, *tmp;
	const char *wrong;

	list_for_each_entry_safe(conn, tmp, conns, struct rpcbuf_conn,
				 member.link)
	{
		if (conn->loop != loop)
			return "a connection is of another loop";
		wrong = reception_is_valid(conn);
		if (wrong)
			return wrong;
		census->states[conn->reception.state]++;
		census->held += conn->admit.quota.held;
	}
	return NULL;
}

const char *loop_is_valid(struct loop *loop)
{
	struct census census = {0};
	const struct rpcbuf_conn *starved = loop->admit.starved;
	const struct rpcbuf_conn *cramped = loop->admit.cramped;
	const char *wrong;

	pthread_mutex_lock(&loop->conns.lock);
	wrong = take_census(loop, &loop->conns.all, &census);
	if (!wrong)
		wrong = take_census(loop, &loop->conns.looked_at, &census);
	pthread_mutex_unlock(&loop->conns.lock);
	if (wrong)
		return wrong;
	if (count_ready(loop) != census.states[RECEPTION_READY])
		return "the lists of ready connections are not those";
	if (census.states[RECEPTION_CLOSED])
		return "a closed connection is still the loop's";
	if (census.held != loop->admit.quota.held)
		return "its connections do not hold what is counted";
	if (starved && !turn_held(shortage_turns(starved), &starved->admit.pages))
		return "its starved connection has no turn";
	if (cramped && !turn_held(&loop->engine->admit.shortage.heap,
				  &cramped->admit.heap))
		return "its cramped connection has no turn";
	return NULL;
}
