/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/queued.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/os.h"

_Static_assert(SHARE_ADDRESS == CLIENT_KEY, "one is a copy of the other");

void queued_init(struct rpcbuf_conn *conn, const uint8_t *address)
{
	memcpy(conn->queued.address, address, SHARE_ADDRESS);
	list_init(&conn->queued.delayed);
}

/* Calls of @conn in flight above the level at which reading resumes. */
static int excess_in_flight(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->flight.nr) - conn->loop->engine->flight.resume;
}

/* @by 1: one more call with @pages is queued; -1: one less. */
static void count_queued(struct rpcbuf_conn *conn, uint32_t pages, int by)
{
	struct queued_all *all = &conn->loop->engine->queued;

	os_fetch_add(&conn->queued.nr, by);
	os_fetch_add(&all->calls, by);
	os_fetch_add(&all->pages, by * (int)pages);
}

/* True when the queued calls pin more than their part of the memory. */
static bool pins_too_much(const struct rpcbuf_engine *engine)
{
	const struct queued_all *all = &engine->queued;
	int64_t bytes = (int64_t)os_load(&all->calls) *
			(int64_t)engine->heap.call_bytes;

	return os_load(&all->pages) > all->most_pages ||
	       bytes > (int64_t)engine->heap.limit / 4;
}

static void delay(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	call->later = true;
	os_fetch_add(&conn->loop->engine->stats.delayed, 1);
}

static uint32_t xid_of(const struct rpcbuf_call *call)
{
	struct rpcbuf_cursor cursor;
	uint32_t xid = 0;

	rpcbuf_cursor_init(&cursor, &call->message);
	/* A shorter message is no call; the adapter rejects it. */
	(void)rpcbuf_cursor_read(&cursor, &xid, sizeof(xid));
	return xid;
}

/* The original is still queued, and will be answered. */
static void drop_repeated(struct rpcbuf_call *call)
{
	os_fetch_add(&call->conn->loop->engine->stats.repeated, 1);
	rpcbuf_call_done(call);
}

bool queued_may_run(struct rpcbuf_conn *conn, struct rpcbuf_call *call)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	struct share_waiter *waiter = call_waiter(call);
	/* Once it is queued, another thread may complete the call. */
	uint32_t pages = call->message.nr_pages;
	int number = engine->handlers.share(call), ret;
	bool too_many;

	if (number < 0 || number >= (int)SHARE_NUMBERS)
		return true;
	call->share = number;
	waiter->owner = conn;
	waiter->id = xid_of(call);
	too_many = excess_in_flight(conn) > 0 || pins_too_much(engine);
	ret = share_enter(&engine->shares, (unsigned int)number,
			  conn->queued.address, waiter,
			  too_many ? MAY_UNLESS_HUNG : MAY_WAIT,
			  conn->loop->now_ns);
	if (rpcbuf_likely(ret == 1))
		return true;
	if (ret == 0) {
		count_queued(conn, pages, 1);
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
	struct share_client **mine = call_share_client(call);
	struct share_waiter waiter;
	int ret;

	if (fork_is_child(conn->loop->engine->mm))
		return -EPERM;
	if (!mine || *mine)
		return 0;
	call->share = (int)number;
	ret = share_enter(&conn->loop->engine->shares, number,
			  conn->queued.address, &waiter, MAY_NOT, 0);
	if (ret < 0) {
		delay(conn, call);
		return -EBUSY;
	}
	*mine = waiter.client;
	return 0;
}

static bool is_unreachable(const struct rpcbuf_conn *conn)
{
	return os_load(&conn->gone) || os_load(&conn->dropped);
}

struct rpcbuf_call *queued_next(struct rpcbuf_engine *engine,
				struct share_client *client)
{
	struct share_waiter *waiter;

	while (client && (waiter = share_leave(&engine->shares, client))) {
		struct rpcbuf_call *call = call_of_waiter(waiter);

		count_queued(call->conn, call->message.nr_pages, -1);
		if (!is_unreachable(call->conn))
			return call;
		client = waiter->client;
		rpcbuf_call_done(call);
	}
	return NULL;
}

void queued_dispatch(struct rpcbuf_engine *engine, struct rpcbuf_call *call)
{
	while (call)
		call = queued_next(engine, call_dispatch(engine, call));
}

struct rpcbuf_call *queued_next_delayed(struct rpcbuf_conn *conn)
{
	struct share_waiter *waiter;

	if (rpcbuf_likely(list_empty(&conn->queued.delayed)))
		return NULL;
	waiter = list_first_entry(&conn->queued.delayed, struct share_waiter,
				  link);
	list_del(&waiter->link);
	delay(conn, call_of_waiter(waiter));
	return call_of_waiter(waiter);
}

static unsigned int withdraw(struct rpcbuf_conn *conn, unsigned int most,
			     bool hung)
{
	struct loop *loop = conn->loop;
	struct share_waiter *waiter, *tmp;
	struct list_head withdrawn;
	unsigned int nr;

	assert_owner(loop);
	if (!os_load(&conn->queued.nr))
		return 0;
	list_init(&withdrawn);
	nr = share_withdraw(&loop->engine->shares, conn->queued.address, conn,
			    most, hung, loop->now_ns, &withdrawn);
	list_for_each_entry_safe(waiter, tmp, &withdrawn, struct share_waiter,
				 link)
	{
		count_queued(conn, call_of_waiter(waiter)->message.nr_pages,
			     -1);
		if (!waiter->repeated)
			continue;
		list_del(&waiter->link);
		drop_repeated(call_of_waiter(waiter));
	}
	list_splice_tail(&withdrawn, &conn->queued.delayed);
	return nr;
}

bool queued_withdraw_excess(struct rpcbuf_conn *conn)
{
	int too_many = pins_too_much(conn->loop->engine)
			       ? INT_MAX
			       : excess_in_flight(conn);

	return too_many > 0 && withdraw(conn, (unsigned int)too_many, true) > 0;
}

void queued_end(struct rpcbuf_conn *conn, bool all)
{
	struct share_waiter *waiter, *tmp;

	if (all)
		withdraw(conn, UINT32_MAX, false);
	list_for_each_entry_safe(waiter, tmp, &conn->queued.delayed,
				 struct share_waiter, link)
	{
		list_del(&waiter->link);
		rpcbuf_call_done(call_of_waiter(waiter));
	}
}
