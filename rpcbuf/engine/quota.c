/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Every page counts from the receive that filled it until its call runs: one
 * look at many connections that have a little each can take more than there is.
 * A loop knows exactly what its own connections hold, and tells the others when
 * that has changed by quota->slack: so the sum is right but for what other loops
 * have not told, which quota->limit allows for, and small calls touch nothing
 * that loops share.
 *
 * A client may hold as many pages as all leave: one alone half of the limit,
 * two a third each (the dynamic threshold of switches; A. Choudhury, E. Hahne,
 * 1998).  So whatever a client does not finish, there is room for the others.
 * Beyond its share it goes on with one record at a time, if it has the turn; of
 * others that hold nothing yet a page is read, within a limit of its own: calls
 * that fit a page pass, whatever large ones wait for.
 *
 * Many silent peers would each be waited for until the time of their turn is
 * over.  So the turn goes on when its holder's peer has to be waited for, as
 * long as what stays behind is little; and when it is not, limits.c ends who
 * sends next to nothing, in all loops within some seconds.
 */
#include "rpcbuf/engine/quota.h"

#include "rpcbuf/engine/engine_private.h"

static struct quota *quota_of(const struct rpcbuf_conn *conn)
{
	return &conn->loop->engine->admit.quota;
}

/* Any thread. */
static uint32_t client_held(const struct rpcbuf_conn *conn)
{
	const struct client *client = conn->part->client;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < conn->loop->engine->nr_loops; i++)
		sum += os_load(&client->parts[i].held);
	return sum;
}

/* Pages that clients' unfinished records hold, of all loops. */
static uint32_t held_by_all(const struct rpcbuf_conn *conn)
{
	const struct quota_loop *own = &conn->loop->admit.quota;

	return os_load(&quota_of(conn)->held) + own->held - own->told;
}

/* Of @all held pages @own are the client's: how many more it may take, so that
 * it has no more than are left then. */
static uint32_t share_left(const struct quota *quota, uint32_t all,
			   uint32_t own)
{
	uint32_t left = quota->limit - rpcbuf_min(all, quota->limit);

	return left > own ? (left - own + 1) / 2 : 0;
}

uint32_t quota_room(const struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t all = held_by_all(conn);

	/* While all is little, no need to ask how much of it is the client's. */
	return share_left(quota, all,
			  all < quota->limit / 4 ? all : client_held(conn));
}

bool quota_beyond(const struct rpcbuf_conn *conn)
{
	return turn_held(&quota_of(conn)->beyond, &conn->admit.quota.beyond);
}

static struct rpcbuf_conn *conn_of(const struct turn *turn)
{
	return list_entry(turn, struct rpcbuf_conn, admit.quota.beyond);
}

/* Any thread, as its turn cannot end meanwhile. */
static void tell(struct turn *next)
{
	conn_post(conn_of(next));
}

/* Likewise. */
static bool may_go_on(const struct turn *turn)
{
	const struct rpcbuf_conn *conn = conn_of(turn);
	const struct quota *quota = quota_of(conn);

	return os_load(&conn->admit.quota.held) < quota->conn_limit &&
	       share_left(quota, os_load(&quota->held), client_held(conn));
}

/* Likewise: whose peer is waited for already looks again whether to keep it. */
static void tell_holder(struct turn *holder)
{
	struct rpcbuf_conn *conn = conn_of(holder);

	if (os_load(&conn->reception.state) == RECEPTION_WATCHED)
		conn_post(conn);
}

/* There may be room for those that wait for the turn. */
static void offer_room(struct quota *quota)
{
	/* Pairs with quota_ask(): either it sees the room, or we see that it
	 * waits. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (turns_asked(&quota->beyond))
		turn_offer(&quota->beyond, may_go_on, tell);
}

bool quota_wanted(struct rpcbuf_conn *conn)
{
	struct quota *quota = quota_of(conn);

	return share_left(quota, held_by_all(conn), 0) <
		       rpcbuf_rqst_maxpages(conn->loop->rqst) &&
	       turn_others_wait(&quota->beyond, &conn->admit.quota.beyond);
}

void quota_end_turn(struct rpcbuf_conn *conn)
{
	struct turns *turns = &quota_of(conn)->beyond;

	if (turn_asked(turns, &conn->admit.quota.beyond))
		turn_end(turns, &conn->admit.quota.beyond, tell);
}

void quota_rest(struct rpcbuf_conn *conn)
{
	struct quota *quota = quota_of(conn);

	if (quota_beyond(conn) &&
	    held_by_all(conn) < quota->limit + quota->limit / 2 &&
	    turn_others_wait(&quota->beyond, &conn->admit.quota.beyond))
		quota_end_turn(conn);
}

static void tell_other_loops(struct loop *loop)
{
	struct quota *quota = &loop->engine->admit.quota;
	struct quota_loop *own = &loop->admit.quota;
	uint32_t more = own->held - own->told;

	if (more + quota->slack <= 2 * quota->slack)
		return;
	os_fetch_add(&quota->held, more);
	own->told = own->held;
	if ((int32_t)more < 0)
		offer_room(quota);
}

void quota_count(struct rpcbuf_conn *conn)
{
	struct quota_loop *own = &conn->loop->admit.quota;
	uint32_t held =
		conn->intake.stream.nr_pages + conn->intake.stream.nr_spare;
	uint32_t more = held - conn->admit.quota.held;

	if (!more)
		return;
	os_store(&conn->admit.quota.held, held);
	os_store(&conn->part->held, conn->part->held + more);
	os_store(&own->held, own->held + more);
	/* It waits for nobody, so nobody has less for it. */
	if (conn->outgoing)
		own->told += more;
	tell_other_loops(conn->loop);
}

/* What finishes the record under way, and no byte of the next: it would be
 * held by somebody whose turn is over. */
static size_t rest_of_record(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->intake.stream)
		       ? RPCBUF_PAGE_SIZE
		       : rpcbuf_stream_wanted(&conn->intake.stream);
}

/* For others to finish theirs: counted, and said which bound it is. */
static void tell_waiting(struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t all = held_by_all(conn);

	stat_add(conn->loop->stats.parked_pages, 1);
	stat_add(conn->loop->stats.parked_partial, 1);
	if (conn->admit.quota.held >= quota->conn_limit)
		log_wait(conn, FOR_QUOTA, "bytes of its unfinished record",
			 conn->admit.quota.held * RPCBUF_PAGE_SIZE,
			 quota->conn_limit * RPCBUF_PAGE_SIZE);
	else if (all >= quota->limit)
		log_wait(conn, FOR_QUOTA, "bytes of unfinished records of all",
			 all * RPCBUF_PAGE_SIZE,
			 quota->limit * RPCBUF_PAGE_SIZE);
	else
		log_wait(
			conn, FOR_QUOTA,
			"bytes of unfinished records of its address, of which all leave as many",
			client_held(conn) * RPCBUF_PAGE_SIZE,
			(quota->limit - all) * RPCBUF_PAGE_SIZE);
}

/* How many bytes @conn may take without the turn. */
static size_t within_share(struct rpcbuf_conn *conn)
{
	const struct quota *quota = quota_of(conn);
	uint32_t room = quota_room(conn);

	if (conn->intake.stream.nr_pages >= quota->conn_limit)
		return 0;
	return rpcbuf_min(room,
			  quota->conn_limit - conn->intake.stream.nr_pages) *
	       RPCBUF_PAGE_SIZE;
}

/* It need not wait any more, nor need others that there is room for. */
static void go_on(struct rpcbuf_conn *conn)
{
	if (!conn->admit.quota.beyond.waiting)
		return;
	quota_end_turn(conn);
	offer_room(quota_of(conn));
}

/* May it take the page that those take who hold nothing, whatever others do? */
static bool may_begin(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->intake.stream) &&
	       held_by_all(conn) <
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
	if (quota_beyond(conn))
		return rest_of_record(conn);
	bytes = within_share(conn);
	if (!bytes && may_begin(conn))
		return RPCBUF_PAGE_SIZE;
	if (!bytes && turn_ask(&quota->beyond, &conn->admit.quota.beyond)) {
		conn->admit.quota.beyond_ns = conn->loop->now_ns;
		return rest_of_record(conn);
	}
	/* Pairs with offer_room(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!bytes)
		bytes = within_share(conn);
	if (bytes) {
		go_on(conn);
	} else {
		turn_remind(&quota->beyond, tell_holder);
		tell_waiting(conn);
	}
	return bytes;
}
