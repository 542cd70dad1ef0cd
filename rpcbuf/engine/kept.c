/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/kept.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/os.h"

_Static_assert(SHARE_CLIENT == CLIENT_KEY, "one is a copy of the other");

void kept_init(struct rpcbuf_conn *conn, const uint8_t *client)
{
	memcpy(conn->kept.client, client, SHARE_CLIENT);
	list_init(&conn->kept.later);
}

/* So many in flight that @conn is about not to be read. */
static int excess(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->flight.nr) - conn->loop->engine->flight.resume;
}

/* One more of @pages waits, @by 1, or one less. */
static void count(struct rpcbuf_conn *conn, uint32_t pages, int by)
{
	struct kept_all *all = &conn->loop->engine->kept;

	os_fetch_add(&conn->kept.nr, by);
	os_fetch_add(&all->calls, by);
	os_fetch_add(&all->pages, by * (int)pages);
}

/* Others may lack the memory that all keep. */
static bool holds_much(const struct rpcbuf_engine *engine)
{
	const struct kept_all *all = &engine->kept;
	int64_t bytes = (int64_t)os_load(&all->calls) *
			(int64_t)engine->heap.call_bytes;

	return os_load(&all->pages) > all->most_pages ||
	       bytes > (int64_t)engine->heap.limit / 4;
}

static void delay(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	call->later = true;
	os_fetch_add(&conn->loop->engine->delayed, 1);
}

static uint32_t xid_of(const struct rpcbuf_call *call)
{
	struct rpcbuf_cursor cursor;
	uint32_t xid = 0;

	rpcbuf_cursor_init(&cursor, &call->message);
	/* What is shorter is no call, and is found out to be none. */
	(void)rpcbuf_cursor_read(&cursor, &xid, sizeof(xid));
	return xid;
}

/* Another one waits, and is answered. */
static void drop_repeated(struct rpcbuf_call *call)
{
	os_fetch_add(&call->conn->loop->engine->repeated, 1);
	rpcbuf_call_done(call);
}

bool kept_ask(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct ticket *ticket = call_ticket(call);
	/* When it waits another thread may be done with it. */
	uint32_t pages = call->message.nr_pages;
	int number = engine->handlers.share(call), ret;
	bool too_many;

	if (number < 0 || number >= (int)SHARE_NUMBERS)
		return true;
	call->share = number;
	ticket->owner = conn;
	ticket->name = xid_of(call);
	too_many = excess(conn) > 0 || holds_much(engine);
	ret = share_enter(&engine->shares, (unsigned int)number,
			  conn->kept.client, ticket,
			  too_many ? MAY_UNLESS_HUNG : MAY_WAIT,
			  conn->loop->now_ns);
	if (rpcbuf_likely(ret == 1))
		return true;
	if (ret == 0) {
		count(conn, pages, 1);
		log_share(conn, number, false);
		return false;
	}
	if (ret == -EALREADY) {
		drop_repeated(call);
		return false;
	}
	delay(conn, call);
	log_share(conn, number, true);
	return true;
}

int rpcbuf_call_share(struct rpcbuf_call *call, unsigned int number)
{
	struct rpcbuf_conn *conn = call->conn;
	struct stake **mine = call_stake(call);
	struct ticket ticket;
	int ret;

	if (fork_is_child(conn->loop->engine->mm))
		return -EPERM;
	if (!mine || *mine)
		return 0;
	call->share = (int)number;
	ret = share_enter(&conn->loop->engine->shares, number,
			  conn->kept.client, &ticket, MAY_NOT, 0);
	if (ret < 0) {
		delay(conn, call);
		return -EBUSY;
	}
	*mine = ticket.stake;
	return 0;
}

static bool is_forgotten(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->gone) || os_load(&conn->dropped);
}

struct rpcbuf_call *kept_next(struct rpcbuf_engine *engine, struct stake *stake)
{
	struct ticket *ticket;

	while (stake && (ticket = share_leave(&engine->shares, stake))) {
		struct rpcbuf_call *call = call_of_ticket(ticket);

		count(call->conn, call->message.nr_pages, -1);
		if (!is_forgotten(call->conn))
			return call;
		stake = ticket->stake;
		rpcbuf_call_done(call);
	}
	return NULL;
}

void kept_run(struct rpcbuf_engine *engine, struct rpcbuf_call *call)
{
	while (call)
		call = kept_next(engine, call_dispatch(engine, call));
}

struct rpcbuf_call *kept_later(struct rpcbuf_conn *conn)
{
	struct ticket *ticket;

	if (rpcbuf_likely(list_empty(&conn->kept.later)))
		return NULL;
	ticket = list_first_entry(&conn->kept.later, struct ticket, link);
	list_del(&ticket->link);
	delay(conn, call_of_ticket(ticket));
	return call_of_ticket(ticket);
}

static unsigned int take(struct rpcbuf_conn *conn, unsigned int most, bool hung)
{
	struct loop *loop = conn->loop;
	struct ticket *ticket, *tmp;
	struct list_head taken;
	unsigned int nr;

	assert_owner(loop);
	if (!os_load(&conn->kept.nr))
		return 0;
	list_init(&taken);
	nr = share_take(&loop->engine->shares, conn->kept.client, conn, most,
			hung, loop->now_ns, &taken);
	list_for_each_entry_safe(ticket, tmp, &taken, struct ticket, link)
	{
		count(conn, call_of_ticket(ticket)->message.nr_pages, -1);
		if (!ticket->repeated)
			continue;
		list_del(&ticket->link);
		drop_repeated(call_of_ticket(ticket));
	}
	list_splice_tail(&taken, &conn->kept.later);
	return nr;
}

bool kept_too_many(struct rpcbuf_conn *conn)
{
	int too_many = holds_much(conn->loop->engine) ? INT_MAX : excess(conn);

	return too_many > 0 && take(conn, (unsigned int)too_many, true) > 0;
}

void kept_forget(struct rpcbuf_conn *conn, bool all)
{
	struct ticket *ticket, *tmp;

	if (all)
		take(conn, UINT32_MAX, false);
	list_for_each_entry_safe (ticket, tmp, &conn->kept.later,
				  struct ticket, link) {
		list_del(&ticket->link);
		rpcbuf_call_done(call_of_ticket(ticket));
	}
}
