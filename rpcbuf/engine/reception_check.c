/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Checks that a connection holds what its state says, and nothing else.  For
 * debug builds and tests.  The owner of the loop only.
 */
#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/reception.h"

static const char *grants_are_valid(const struct rpcbuf_conn *conn)
{
	const struct admit_engine *engine = &conn->loop->engine->admit;
	const struct reception *reception = &conn->reception;
	bool ready = reception->state == RECEPTION_READY;
	bool parked = parked_for_memory(reception->parked_for);

	if (conn->admit.quota.over_quota_grant.waiting && !ready && !parked)
		return "it waits for the over-quota grant";
	if (grant_requested(&engine->quota.over_quota_grants,
			    &conn->admit.quota.over_quota_grant) &&
	    !ready && !parked && reception->state != RECEPTION_WATCHED)
		return "it holds the over-quota grant";
	if (grant_requested(shortage_page_grants(conn),
			    &conn->admit.page_grant) &&
	    !ready && reception->parked_for != FOR_PAGES)
		return "it holds or waits for the page grant";
	if (grant_requested(&engine->shortage.heap_grants,
			    &conn->admit.heap_grant) &&
	    !ready && reception->parked_for != FOR_HEAP)
		return "it holds or waits for the heap grant";
	if ((conn->admit.gate_entry.state == GATE_WAITING) !=
	    (reception->parked_for == FOR_GATE))
		return "it and the gate differ on whether it waits there";
	if (conn->admit.gate_entry.state != GATE_NONE &&
	    reception->state >= RECEPTION_ENDING)
		return "it has a long record under way";
	return NULL;
}

static const char *calls_are_valid(const struct rpcbuf_conn *conn)
{
	const struct reception *reception = &conn->reception;

	if (reception->parked_for == FOR_CALLS &&
	    os_load(&conn->flight.awaits) != AWAITS_FEWER)
		return "no completing call will post it";
	if (reception->state == RECEPTION_ENDING &&
	    os_load(&conn->flight.awaits) != AWAITS_LAST)
		return "its last call will not post it";
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

	if ((reception->state == RECEPTION_PARKED) !=
	    (reception->parked_for != FOR_NOTHING))
		return "state and reason do not match";
	if (ready == list_empty(&reception->link))
		return ready ? "it is on no list" : "it is on a list";
	if (ready && list_empty(&conn->part->fair.link))
		return "its client is on no list";
	if (watched && !ready && reception->state != RECEPTION_WATCHED)
		return "the back end watches it";
	if (!watched && reception->state == RECEPTION_WATCHED)
		return "the back end does not watch it";
	wrong = grants_are_valid(conn);
	return wrong ? wrong : calls_are_valid(conn);
}

/* The number of ready connections of @part; SIZE_MAX: one on the list is
 * not. */
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

/* Sums over the connections of a loop. */
struct census {
	size_t states[NR_RECEPTION_STATES];
	uint32_t partial; /* pages */
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
		census->partial += conn->admit.quota.partial;
	}
	return NULL;
}

const char *loop_is_valid(struct loop *loop)
{
	struct census census = {0};
	const struct rpcbuf_conn *of_pages = loop->admit.page_grantee;
	const struct rpcbuf_conn *of_heap = loop->admit.heap_grantee;
	const char *wrong;

	pthread_mutex_lock(&loop->conns.lock);
	wrong = take_census(loop, &loop->conns.all, &census);
	if (!wrong)
		wrong = take_census(loop, &loop->conns.in_scan, &census);
	pthread_mutex_unlock(&loop->conns.lock);
	if (wrong)
		return wrong;
	if (count_ready(loop) != census.states[RECEPTION_READY])
		return "the lists of ready connections are wrong";
	if (census.states[RECEPTION_CLOSED])
		return "the loop still has a closed connection";
	if (census.partial != loop->admit.quota.partial)
		return "its pages of partial records are counted wrongly";
	if (of_pages && !grant_held(shortage_page_grants(of_pages),
				    &of_pages->admit.page_grant))
		return "its page grantee does not hold the grant";
	if (of_heap && !grant_held(&loop->engine->admit.shortage.heap_grants,
				   &of_heap->admit.heap_grant))
		return "its heap grantee does not hold the grant";
	return NULL;
}
