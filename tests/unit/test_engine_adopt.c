/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: nothing finds a connection that is being adopted before it is complete:
 * neither a thread that drops the connection it sees in the caller's variable,
 * nor the owner of its loop, nor a successor from the same port.
 * Method: functions that the adopting thread calls are wrapped, and check the
 * state from there. Then threads drop connections as soon as they see them, for
 * the sanitizers; then an engine stops in the middle of an adoption.
 */
#include <pthread.h>

#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

#define ROUNDS 2000

static struct peer peer;
/* Set in the adopting thread, during the adoption. */
static __thread bool adopting;
static unsigned int locks, joins;
static bool dropping; /* a thread drops the connection it sees in peer.conn */
static bool stop_midway;
static pthread_t stopping;

int __real_pthread_mutex_lock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex);
void __real_successor_join(struct rpcbuf_conn *conn);
void __wrap_successor_join(struct rpcbuf_conn *conn);
struct rpcbuf_conn *__real_conn_create(struct loop *loop, struct client *client,
				       int fd, void *data, bool outgoing);
struct rpcbuf_conn *__wrap_conn_create(struct loop *loop, struct client *client,
				       int fd, void *data, bool outgoing);

/* A thread that drops could run before any lock that this one waits for. */
int __wrap_pthread_mutex_lock(pthread_mutex_t *mutex)
{
	if (adopting) {
		locks++;
		if (seen(peer.conn) && dropping)
			eventually(seen(peer.closed));
		else
			must(!seen(peer.conn));
	}
	return __real_pthread_mutex_lock(mutex);
}

/* Searches for connections of the same port, and of the loop, wait for a
 * lock. */
void __wrap_successor_join(struct rpcbuf_conn *conn)
{
	if (adopting) {
		struct loop *loop = conn->loop;

		must(dropping ||
		     pthread_mutex_trylock(&loop->conns.lock) == EBUSY);
		must(dropping || pthread_mutex_trylock(
					 &loop->engine->clients.lock) == EBUSY);
		joins++;
	}
	__real_successor_join(conn);
}

static void *stop_patiently(void *arg)
{
	(void)arg;
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	return NULL;
}

struct rpcbuf_conn *__wrap_conn_create(struct loop *loop, struct client *client,
				       int fd, void *data, bool outgoing)
{
	struct rpcbuf_conn *conn =
		__real_conn_create(loop, client, fd, data, outgoing), *none;

	if (stop_midway) {
		must(pthread_create(&stopping, NULL, stop_patiently, NULL) ==
		     0);
		eventually(rpcbuf_engine_adopt(server.engine, -1, NULL, false,
					       &none) == -ESHUTDOWN);
	}
	return conn;
}

static void setup(void)
{
	struct rpcbuf_engine_options o = server_options();

	server_start(16 << 20, &o);
}

/* The last of the locks publishes it to the owner. */
START_TEST(not_before_it_is_whole)
{
	setup();
	peer_connect(&peer);
	adopting = true;
	must(rpcbuf_engine_adopt(server.engine, peer.fd, &peer, false,
				 &peer.conn) == 0);
	adopting = false;
	ck_assert_uint_gt(locks, 0);
	ck_assert_uint_eq(joins, 1);
	check_alive(&peer);
	server_stop();
	peer_free(&peer);
}
END_TEST

static bool all_done;
static struct rpcbuf_conn *adopted; /* atomic: the dropping thread takes it */

/* Like an owner that takes back its descriptor. */
static void *dropper(void *arg)
{
	struct rpcbuf_conn *conn;

	(void)arg;
	while (!seen(all_done)) {
		conn = __atomic_exchange_n(&adopted, NULL, __ATOMIC_ACQ_REL);
		if (!conn)
			continue;
		rpcbuf_conn_drop(conn);
		rpcbuf_conn_put(conn);
	}
	return NULL;
}

START_TEST(dropped_at_once)
{
	pthread_t thread;
	int fd;

	setup();
	dropping = true;
	must(pthread_create(&thread, NULL, dropper, NULL) == 0);
	for (int i = 0; i < ROUNDS; i++) {
		peer_connect(&peer);
		adopting = true;
		must(rpcbuf_engine_adopt(server.engine, peer.fd, &peer, false,
					 &adopted) == 0);
		adopting = false;
		expect_closed(&peer, RPCBUF_CLOSE_DROPPED);
		fd = peer.fd;
		peer_hang_up(&peer);
		pthread_mutex_destroy(&peer.sending);
		close(fd);
	}
	__atomic_store_n(&all_done, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	server_stop();
}
END_TEST

START_TEST(not_when_it_fails)
{
	setup();
	peer_connect(&peer);
	stop_midway = true;
	ck_assert_int_eq(rpcbuf_engine_adopt(server.engine, peer.fd, &peer,
					     false, &peer.conn),
			 -ESHUTDOWN);
	ck_assert_ptr_null(peer.conn);
	ck_assert_uint_eq(peer.closed, 0);
	pthread_join(stopping, NULL);
	server_gone();
	peer_hang_up(&peer);
	close(peer.fd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_adopt");
	TCase *tcase = tcase_create("adopt");

	tcase_set_timeout(tcase, 4 * GUARD_S);
	tcase_add_test(tcase, not_before_it_is_whole);
	tcase_add_test(tcase, dropped_at_once);
	tcase_add_test(tcase, not_when_it_fails);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
