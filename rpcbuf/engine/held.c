/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What unfinished records hold, and who may take more.
 *
 * Every page counts from the receive that filled it until its call runs: one
 * look at many connections that have a little each can take more than there is.
 * A loop knows exactly what its own connections hold, and tells the others when
 * that has changed by held_slack: so the sum is right but for what other loops
 * have not told, which held_limit allows for, and small calls touch nothing
 * that loops share.
 *
 * A client may hold as many pages as all leave: one alone half of held_limit,
 * two a third each (the dynamic threshold of switches; A. Choudhury, E. Hahne,
 * 1998).  So whatever a client does not finish, there is room for the others.
 * Beyond its share it goes on with one record at a time, if it has the turn; of
 * others that hold nothing yet a page is read, within a limit of its own: calls
 * that fit a page pass, whatever large ones wait for.
 *
 * Many silent peers would each be waited for until the time of their turn is
 * over.  So the turn goes on when its holder's peer has to be waited for, as
 * long as what stays behind is little; and when it is not, limits.c ends who
 * sends next to nothing, in all loops within two seconds.
 *
 * The owner of the loop only, but for what is said to run elsewhere.
 */
#include "rpcbuf/engine/engine_private.h"

/* Any thread. */
static uint32_t client_held(const struct rpcbuf_conn *conn)
{
	const struct client *client = conn->part->client;
	uint32_t sum = 0;

	for (unsigned int i = 0; i < conn->loop->engine->nr_loops; i++)
		sum += os_load(&client->parts[i].held);
	return sum;
}

/* Pages that unfinished records hold, of all loops. */
static uint32_t held_by_all(const struct loop *loop)
{
	return os_load(&loop->engine->held_pages) + loop->held -
	       loop->held_told;
}

/* Of @all held pages @own are the client's: how many more it may take, so that it
 * has no more than are left then. */
static uint32_t share_left(const struct rpcbuf_engine *engine, uint32_t all,
			   uint32_t own)
{
	uint32_t left = engine->held_limit - rpcbuf_min(all, engine->held_limit);

	return left > own ? (left - own + 1) / 2 : 0;
}

/* Pages that the client of @conn may still take. */
uint32_t held_room(const struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint32_t all = held_by_all(conn->loop);

	/* While all is little, no need to ask how much of it is the client's. */
	return share_left(engine, all,
			  all < engine->held_limit / 4 ? all
						       : client_held(conn));
}

/* Has @conn the turn to hold more than its share? */
bool held_beyond(const struct rpcbuf_conn *conn)
{
	return turn_held(&conn->loop->engine->beyond, &conn->beyond);
}

/* Any thread, as its turn cannot end meanwhile. */
static void tell(struct turn *next)
{
	conn_post(list_entry(next, struct rpcbuf_conn, beyond));
}

/* Likewise. */
static bool may_go_on(const struct turn *turn)
{
	const struct rpcbuf_conn *conn =
		list_entry(turn, struct rpcbuf_conn, beyond);
	const struct rpcbuf_engine *engine = conn->loop->engine;

	return os_load(&conn->held) < engine->held_conn_limit &&
	       share_left(engine, os_load(&engine->held_pages),
			  client_held(conn));
}

/* There may be room for those that wait for the turn. */
static void offer_room(struct rpcbuf_engine *engine)
{
	/* Pairs with held_may_receive(): either it sees the room, or we see that
	 * it waits. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (turns_asked(&engine->beyond))
		turn_offer(&engine->beyond, may_go_on, tell);
}

/* Does another client wait, while a record of the longest has no room? */
bool held_wanted(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	return share_left(engine, held_by_all(conn->loop), 0) <
		       rpcbuf_rqst_maxpages(conn->loop->rqst) &&
	       turn_others_wait(&engine->beyond, &conn->beyond);
}

/* Likewise: whose peer is waited for already looks again whether to keep it. */
static void tell_holder(struct turn *holder)
{
	struct rpcbuf_conn *conn =
		list_entry(holder, struct rpcbuf_conn, beyond);

	if (os_load(&conn->reception.state) == RECEPTION_WATCHED)
		conn_post(conn);
}

/* It needs no turn to go on, or does not go on: others may. */
void held_end_turn(struct rpcbuf_conn *conn)
{
	struct turns *turns = &conn->loop->engine->beyond;

	if (turn_asked(turns, &conn->beyond))
		turn_end(turns, &conn->beyond, tell);
}

/* All that has come was taken: the turn goes to other clients, as long as what
 * stays behind leaves room for records of theirs.  So peers that stop do not
 * each have the turn until its time is over. */
void held_rest(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;

	if (held_beyond(conn) &&
	    held_by_all(conn->loop) <
		    engine->held_limit + engine->held_limit / 2 &&
	    turn_others_wait(&engine->beyond, &conn->beyond))
		held_end_turn(conn);
}

static void tell_others(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	uint32_t more = loop->held - loop->held_told;

	if (more + engine->held_slack <= 2 * engine->held_slack)
		return;
	os_fetch_add(&engine->held_pages, more);
	loop->held_told = loop->held;
	if ((int32_t)more < 0)
		offer_room(engine);
}

/* Pages came to the stream of @conn, or left it. */
void held_count(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	uint32_t held = conn->stream.nr_pages + conn->stream.nr_spare;
	uint32_t more = held - conn->held;

	os_store(&conn->counts.held_bytes, conn->stream.filled);
	if (!more)
		return;
	os_store(&conn->held, held);
	os_store(&conn->part->held, conn->part->held + more);
	os_store(&loop->held, loop->held + more);
	tell_others(loop);
}

/* What finishes the record under way, and no byte of the next: it would be
 * held by somebody whose turn is over. */
static size_t rest_of_record(const struct rpcbuf_conn *conn)
{
	return rpcbuf_stream_empty(&conn->stream)
		       ? RPCBUF_PAGE_SIZE
		       : rpcbuf_stream_wanted(&conn->stream);
}

/* For others to finish theirs: counted, and said which bound it is. */
static void tell_waiting(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t held = held_by_all(conn->loop);

	stat_add(conn->loop->stats.parked_pages, 1);
	stat_add(conn->loop->stats.parked_partial, 1);
	if (conn->held >= engine->held_conn_limit)
		log_wait(conn, WAIT_PARTIAL, conn->held * RPCBUF_PAGE_SIZE,
			 engine->held_conn_limit * RPCBUF_PAGE_SIZE);
	else if (held >= engine->held_limit)
		log_wait(conn, WAIT_PARTIAL_ALL, held * RPCBUF_PAGE_SIZE,
			 engine->held_limit * RPCBUF_PAGE_SIZE);
	else
		log_wait(conn, WAIT_PARTIAL_CLIENT,
			 client_held(conn) * RPCBUF_PAGE_SIZE,
			 (engine->held_limit - held) * RPCBUF_PAGE_SIZE);
}

/* How many bytes @conn may take without the turn. */
static size_t within_share(struct rpcbuf_conn *conn)
{
	const struct rpcbuf_engine *engine = conn->loop->engine;
	uint32_t room = held_room(conn);

	if (conn->stream.nr_pages >= engine->held_conn_limit)
		return 0;
	return rpcbuf_min(room,
			  engine->held_conn_limit - conn->stream.nr_pages) *
	       RPCBUF_PAGE_SIZE;
}

/* It need not wait any more, nor need others that there is room for. */
static void go_on(struct rpcbuf_conn *conn)
{
	if (!conn->beyond.waiting)
		return;
	held_end_turn(conn);
	offer_room(conn->loop->engine);
}

/* How many bytes one receive of @conn may take now; 0: it waits for the turn. */
size_t held_may_receive(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	uint64_t at_most = 2 * (uint64_t)engine->held_limit +
			   rpcbuf_rqst_maxpages(conn->loop->rqst);
	size_t bytes;

	/* The pages for the rest of its record are counted already. */
	if (conn->outgoing || conn->stream.nr_spare)
		return SIZE_MAX;
	if (held_beyond(conn))
		return rest_of_record(conn);
	bytes = within_share(conn);
	if (!bytes && rpcbuf_stream_empty(&conn->stream) &&
	    held_by_all(conn->loop) < at_most)
		return RPCBUF_PAGE_SIZE;
	if (!bytes && turn_ask(&engine->beyond, &conn->beyond)) {
		conn->beyond_ns = conn->loop->now_ns;
		return rest_of_record(conn);
	}
	/* Pairs with offer_room(). */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (!bytes)
		bytes = within_share(conn);
	if (bytes) {
		go_on(conn);
	} else {
		turn_remind(&engine->beyond, tell_holder);
		tell_waiting(conn);
	}
	return bytes;
}
