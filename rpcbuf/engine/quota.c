/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A page counts from the receive that fills it until the call runs: otherwise
 * one pass over many small connections could take more than there is.  A loop
 * knows its own number exactly, and publishes it when it has changed by
 * quota->slack (as percpu_counter in Linux).  So the sum is off by the slack of
 * the other loops, which quota->limit allows for, and small calls touch nothing
 * that loops share.
 *
 * A client's quota is as many pages as are left over: one client gets half of
 * the limit, two get a third each (dynamic threshold; A. Choudhury, E. Hahne,
 * 1998).  So there is always room for another client.  Over its quota a client
 * continues with one record at a time, while that connection holds the
 * over-quota grant.  A connection without pages may always take one, within a
 * limit of its own: calls that fit a page proceed whatever large ones wait for.
 *
 * The holder yields the grant while its peer is idle, if little stays behind:
 * otherwise many idle peers would delay others one after the other.  If much
 * stays behind, limits.c closes the connections of idle peers within seconds,
 * in all loops.
 */
#include "rpcbuf/engine/quota.h"

#include "rpcbuf/engine/engine_private.h"

static struct quota *quota_of(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->admit.quota;
}

/* Any thread. */
static uint32_t client_partial(const struct rpcbuf_conn *conn)
{
	const struct client *client = conn->part->client;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < conn->loop->engine->nr_loops; i++)
		sum += os_load(&client->parts[i].partial);
	return sum;
}

/* Pages of clients' partial records in all loops. */
static uint32_t all_partial(const struct rpcbuf_conn *conn)
{
	const struct quota_loop *own = &conn->loop->admit.quota;

	return os_load(&quota_of(conn)->partial) + own->partial - own->published;
}

/* How many more pages a client may take that has @own of @all, so that it has
 * no more than are left then. */
static uint32_t quota_left(const struct quota *quota, uint32_t all,
			   uint32_t own)
{
	uint32_t left = quota->limit - rpcbuf_min(all, quota->limit);

	return left > own ? (left - own + 1) / 2 : 0;
}

uint32_t quota_room(const struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t all = all_partial(conn);

	/* While all is little, no need to ask how much of it is the
	 * client's. */
	return quota_left(quota, all,
			  all < quota->limit / 4 ? all : client_partial(conn));
}

bool quota_may_exceed(const struct rpcbuf_conn *conn)
{
	return grant_held(&quota_of(conn)->over_quota_grants,
			  &conn->admit.quota.over_quota_grant);
}

static struct rpcbuf_conn *requester(const struct grant_request *request)
{
	return list_entry(request, struct rpcbuf_conn,
			  admit.quota.over_quota_grant);
}

/* Any thread: the connection stays, as its request cannot end meanwhile. */
static void post_waiter(struct grant_request *next)
{
	conn_post(requester(next));
}

/* Likewise. */
static bool fits_quota(const struct grant_request *request)
{
	const struct rpcbuf_conn *conn = requester(request);
	const struct quota *quota = quota_of(conn);

	return os_load(&conn->admit.quota.partial) < quota->conn_limit &&
	       quota_left(quota, os_load(&quota->partial),
			  client_partial(conn));
}

/* Likewise.  A holder whose peer is idle may have to yield now. */
static void post_idle_holder(struct grant_request *holder)
{
	struct rpcbuf_conn *conn = requester(holder);

	if (os_load(&conn->reception.state) == RECEPTION_WATCHED)
		conn_post(conn);
}

/* Room appeared: wakes a waiter that fits its quota now. */
static void offer_room(struct quota *quota)
{
	/* Pairs with quota_ask(): either it sees the room, or we see that it
	 * waits. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (grant_queue_busy(&quota->over_quota_grants))
		grant_offer(&quota->over_quota_grants, fits_quota, post_waiter);
}

bool quota_wanted(struct rpcbuf_conn *conn)
{
	struct quota *quota = quota_of(conn);

	return quota_left(quota, all_partial(conn), 0) <
		       rpcbuf_rqst_maxpages(conn->loop->rqst) &&
	       grant_others_wait(&quota->over_quota_grants,
				 &conn->admit.quota.over_quota_grant);
}

void quota_release_grant(struct rpcbuf_conn *conn)
{
	struct grant_queue *grants = &quota_of(conn)->over_quota_grants;

	if (grant_requested(grants, &conn->admit.quota.over_quota_grant))
		grant_release(grants, &conn->admit.quota.over_quota_grant,
			      post_waiter);
}

void quota_yield(struct rpcbuf_conn *conn)
{
	struct quota *quota = quota_of(conn);

	if (quota_may_exceed(conn) &&
	    all_partial(conn) < quota->limit + quota->limit / 2 &&
	    grant_others_wait(&quota->over_quota_grants,
			      &conn->admit.quota.over_quota_grant))
		quota_release_grant(conn);
}

static void publish_partial(struct loop *loop)
{
	struct quota *quota = &loop->engine->admit.quota;
	struct quota_loop *own = &loop->admit.quota;
	uint32_t more = own->partial - own->published;

	if (more + quota->slack <= 2 * quota->slack)
		return;
	os_fetch_add(&quota->partial, more);
	own->published = own->partial;
	if ((int32_t)more < 0)
		offer_room(quota);
}

void quota_count(struct rpcbuf_conn *conn)
{
	struct quota_loop *own = &conn->loop->admit.quota;
	uint32_t partial =
		conn->intake.stream.nr_pages + conn->intake.stream.nr_spare;
	uint32_t more = partial - conn->admit.quota.partial;

	if (!more)
		return;
	os_store(&conn->admit.quota.partial, partial);
	os_store(&conn->part->partial, conn->part->partial + more);
	os_store(&own->partial, own->partial + more);
	/* An outgoing connection is never parked for quota, so its pages stay out
	 * of quota->partial, from which clients' quotas follow. */
	if (conn->outgoing)
		own->published += more;
	publish_partial(conn->loop);
}

/* Bytes up to the end of the record: bytes of the next one would stay after the
 * grant ends. */
static size_t rest_of_record(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->intake.stream)
		       ? RPCBUF_PAGE_SIZE
		       : rpcbuf_stream_wanted(&conn->intake.stream);
}

/* Counts @conn as parked, and logs the bound that it met. */
static void count_parked(struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t all = all_partial(conn);

	stat_add(conn->loop->stats.parked_pages, 1);
	stat_add(conn->loop->stats.parked_partial, 1);
	if (conn->admit.quota.partial >= quota->conn_limit)
		log_parked(conn, FOR_QUOTA, "bytes of its partial record",
			 conn->admit.quota.partial * RPCBUF_PAGE_SIZE,
			 quota->conn_limit * RPCBUF_PAGE_SIZE);
	else if (all >= quota->limit)
		log_parked(conn, FOR_QUOTA, "bytes of all partial records",
			 all * RPCBUF_PAGE_SIZE,
			 quota->limit * RPCBUF_PAGE_SIZE);
	else
		log_parked(
			conn, FOR_QUOTA,
			"bytes of its client's partial records (limit: what all clients leave)",
			client_partial(conn) * RPCBUF_PAGE_SIZE,
			(quota->limit - all) * RPCBUF_PAGE_SIZE);
}

/* How many bytes @conn may take without the grant. */
static size_t within_quota(struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t room = quota_room(conn);

	if (conn->intake.stream.nr_pages >= quota->conn_limit)
		return 0;
	return rpcbuf_min(room,
			  quota->conn_limit - conn->intake.stream.nr_pages) *
	       RPCBUF_PAGE_SIZE;
}

/* Leaves the grant queue, and wakes another waiter that fits its quota. */
static void drop_grant_request(struct rpcbuf_conn *conn)
{
	if (!conn->admit.quota.over_quota_grant.waiting)
		return;
	quota_release_grant(conn);
	offer_room(quota_of(conn));
}

/* True when @conn has no pages and may take the first one. */
static bool may_take_first_page(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->intake.stream) &&
	       all_partial(conn) <
		       2 * (uint64_t)quota_of(conn)->limit +
			       rpcbuf_rqst_maxpages(conn->loop->rqst);
}

size_t quota_ask(struct rpcbuf_conn *conn)
{
	struct quota *quota = quota_of(conn);
	size_t bytes;

	/* The pages for the rest of its record are counted already. */
	if (conn->outgoing || conn->intake.stream.nr_spare)
		return SIZE_MAX;
	if (quota_may_exceed(conn))
		return rest_of_record(conn);
	bytes = within_quota(conn);
	if (!bytes && may_take_first_page(conn))
		return RPCBUF_PAGE_SIZE;
	if (!bytes && grant_request(&quota->over_quota_grants,
				    &conn->admit.quota.over_quota_grant)) {
		conn->admit.quota.over_quota_ns = conn->loop->now_ns;
		return rest_of_record(conn);
	}
	/* Pairs with offer_room(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!bytes)
		bytes = within_quota(conn);
	if (bytes) {
		drop_grant_request(conn);
	} else {
		grant_notify_holder(&quota->over_quota_grants, post_idle_holder);
		count_parked(conn);
	}
	return bytes;
}
