/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: in a forked child the engine does nothing: functions that need its
 * threads fail, or return at once, whatever locks were held.  The parent is not
 * affected: its connections, its calls in flight, and its unsent replies stay
 * its own.
 * Method: forks while the calling thread holds every lock of the engine, so
 * that a child that takes one hangs; the child calls every function.  Meanwhile
 * calls are in flight, and a peer has not read its replies; the parent answers,
 * and the peer gets each reply once.
 */
#include <rpcbuf/publish.h>

#include "engine_util.h"
#include "fork_util.h"
#include "reply_util.h"
#include "rpcbuf/engine/engine_private.h"

#define CALLS 4u

/* More than sockets take. */
static const struct shape large = {100, 4096, 1 << 20, 1 << 14};

static struct peer talker, mute;
static struct rpcbuf_call *call; /* in flight */
static struct rpcbuf_reply *replies[2];
static struct rpcbuf_publisher *publisher;

static void hold_locks(struct rpcbuf_engine *engine,
		       int (*op)(pthread_mutex_t *))
{
	op(&engine->clients.lock);
	for (unsigned int i = 0; i < engine->nr_loops; i++)
		op(&engine->loops[i].conns.lock);
	op(&engine->workers.lock);
	op(&engine->monitor.lock);
	op(&engine->log.limit.lock);
	op(&engine->admit.quota.over_quota_grants.lock);
	op(&talker.conn->sending.out.lock);
	op(&mute.conn->sending.out.lock);
}

static int child_replies(void)
{
	uint8_t bytes[REPLY_BYTES] = {0};

	if (rpcbuf_call_reply(call, replies[0]) != -EPERM)
		return 10;
	if (rpcbuf_conn_send(mute.conn, replies[1]) != -EPERM)
		return 11;
	if (rpcbuf_call_reply_join(call, bytes, sizeof(bytes)) != -EPERM)
		return 12;
	if (rpcbuf_conn_flush(mute.conn, UINT64_MAX) != -EPERM ||
	    rpcbuf_conn_flush(mute.conn, 0) != -EPERM)
		return 13;
	rpcbuf_conn_set_send_timeout(mute.conn, 1);
	if (rpcbuf_call_share(call, 7) != -EPERM)
		return 14;
	rpcbuf_call_done(call);
	return 0;
}

static int child_connections(void)
{
	struct rpcbuf_conn *conn = talker.conn;
	int err;

	if (rpcbuf_engine_adopt(server.engine, talker.fd, NULL, false, &conn) !=
		    -EPERM ||
	    rpcbuf_engine_adopt(server.engine, talker.fd, NULL, true, &conn) !=
		    -EPERM)
		return 20;
	if (conn != talker.conn)
		return 21;
	err = child_replies();
	rpcbuf_conn_drop(talker.conn);
	for (int i = 0; i < 4; i++)
		rpcbuf_conn_put(talker.conn);
	return err;
}

static int child(void)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_engine *engine = server.engine;
	struct rpcbuf_engine_stats s = RPCBUF_ENGINE_STATS_INIT;
	int err = child_connections();

	if (err)
		return err;
	rpcbuf_engine_stats(server.engine, &s);
	if (s.connections != 2 || s.threads || !*rpcbuf_engine_backend(engine))
		return 30;
	if (rpcbuf_engine_publish(server.engine, publisher) != -EPERM ||
	    rpcbuf_engine_stop(server.engine, GUARD_S * 1000) != -EPERM ||
	    rpcbuf_engine_stop(server.engine, 0) != -EPERM)
		return 31;
	if (rpcbuf_engine_create(&engine, server.mm, &handlers, &o) != -EPERM ||
	    engine != server.engine)
		return 32;
	rpcbuf_engine_destroy(server.engine);
	return 0;
}

static void check_bytes(struct peer *peer, const struct shape *s)
{
	static uint8_t bytes[1 << 16];

	for (size_t at = 0; at < shape_bytes(s);) {
		size_t left = rpcbuf_min(shape_bytes(s) - at, sizeof(bytes));
		ssize_t n = recv(peer->client, bytes, left, 0);

		must(n > 0);
		for (ssize_t i = 0; i < n; i++)
			must(bytes[i] == shape_byte(s, 0, at++));
	}
}

/* The peer has read nothing of these. */
static void pile_up(void)
{
	for (unsigned int i = 0; i < 8; i++) {
		struct rpcbuf_reply *reply = reply_make(server.mm, 0, &large);

		must(reply && rpcbuf_conn_send(mute.conn, reply) == 0);
	}
	must(stats().unsent_bytes > 0);
}

static void make_things(void)
{
	lend();
	for (unsigned int i = 0; i < CALLS; i++)
		must(send_call(&talker, XID(LATER, SMALL, i)));
	eventually(nr_later() == CALLS);
	call = server.later[0];
	pile_up();
	for (unsigned int i = 0; i < 2; i++) {
		replies[i] = reply_make(server.mm, 0, &large);
		must(replies[i]);
	}
	must(rpcbuf_publisher_create(&publisher, NULL) == 0);
}

static void everybody_goes_on(void)
{
	must(seen(talker.closed) == 0 && seen(mute.closed) == 0);
	must(!seen(server.engine->stopping));
	answer_later();
	receive_replies(&talker, 0, CALLS);
	check_alive(&talker);
	for (unsigned int i = 0; i < 8; i++)
		check_bytes(&mute, &large);
	must(rpcbuf_conn_send(mute.conn, replies[1]) == 0);
	check_bytes(&mute, &large);
	rpcbuf_reply_free(replies[0]);
	check_alive(&mute);
	eventually(all_returned());
}

START_TEST(every_face)
{
	struct rpcbuf_engine_options o = server_options();

	o.max_threads = 8;
	server_start(64 << 20, &o);
	peer_open(&talker);
	peer_open(&mute);
	make_things();
	hold_locks(server.engine, pthread_mutex_lock);
	fork_and_run(child);
	hold_locks(server.engine, pthread_mutex_unlock);
	everybody_goes_on();
	peer_hang_up(&talker);
	peer_hang_up(&mute);
	eventually(seen(talker.closed) && seen(mute.closed));
	peer_free(&talker);
	peer_free(&mute);
	rpcbuf_publisher_destroy(publisher);
	server_stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_fork");
	TCase *tcase = tcase_create("engine_fork");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, every_face);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
