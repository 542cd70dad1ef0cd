/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a stop during the start of the replies loop waits for it, wakes it, and
 * leaves no thread behind; the thread of that loop is one beyond the threads
 * that may run calls, whatever else needs a thread then.
 * Method: the start of the thread is wrapped: it is held before and after while
 * the engine stops, and another job takes any free place while no lock is held.
 */
#include "engine_util.h"
#include "rpcbuf/engine/engine_private.h"

enum point { NEVER, BEFORE, AFTER };

/* The point where the start of the loop's thread waits. */
static enum point hold_at;
static bool held, let_go;
/* Set in the thread that starts it, meanwhile: another job needs a worker. */
static __thread bool contended;

int __real_worker_start(struct rpcbuf_engine *engine, bool more,
			worker_job *job, void *arg);
int __wrap_worker_start(struct rpcbuf_engine *engine, bool more,
			worker_job *job, void *arg);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static void wait_at(enum point point)
{
	if (hold_at != point)
		return;
	__atomic_store_n(&held, true, __ATOMIC_RELEASE);
	eventually(seen(let_go));
}

int __wrap_worker_start(struct rpcbuf_engine *engine, bool more,
			worker_job *job, void *arg)
{
	int err;

	if (!more)
		return __real_worker_start(engine, more, job, arg);
	wait_at(BEFORE);
	contended = hold_at == NEVER;
	err = __real_worker_start(engine, more, job, arg);
	contended = false;
	wait_at(AFTER);
	return err;
}

/* A call, or a loop, that needs a thread takes one whenever it can. */
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	int err = __real_pthread_mutex_unlock(mutex);
	struct worker *taken;

	if (contended && mutex == &server.engine->workers.lock) {
		contended = false;
		must(worker_reserve(server.engine, &taken) == -EUSERS);
		contended = true;
	}
	return err;
}

static struct peer peer;
static int adopt_err;

static void *adopt(void *arg)
{
	(void)arg;
	adopt_err = rpcbuf_engine_adopt(server.engine, peer.fd, &peer, true,
					&peer.conn);
	return NULL;
}

static void *stop_patiently(void *arg)
{
	(void)arg;
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	return NULL;
}

/* An adoption that waits at @point. */
static pthread_t start_held(enum point point)
{
	struct rpcbuf_engine_options o = server_options();
	pthread_t thread;

	o.receivers = 1;
	server_start(16 << 20, &o);
	peer_connect(&peer);
	hold_at = point;
	must(pthread_create(&thread, NULL, adopt, NULL) == 0);
	eventually(seen(held));
	return thread;
}

static void expect_nothing_adopted(pthread_t adopter)
{
	pthread_join(adopter, NULL);
	ck_assert_int_eq(adopt_err, -ESHUTDOWN);
}

static void finish(void)
{
	server_gone();
	close(peer.fd);
	peer_hang_up(&peer);
}

/* Its thread has not started yet: no stop is complete before it has. */
START_TEST(stop_before_it_starts)
{
	pthread_t adopter = start_held(BEFORE);

	ck_assert_int_eq(rpcbuf_engine_stop(server.engine, 100), -ETIMEDOUT);
	__atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	ck_assert_uint_eq(stats().threads, 0);
	expect_nothing_adopted(adopter);
	finish();
}
END_TEST

static unsigned int nr_ended(void)
{
	struct workers *workers = &server.engine->workers;
	unsigned int nr;

	pthread_mutex_lock(&workers->lock);
	nr = workers->nr_ended;
	pthread_mutex_unlock(&workers->lock);
	return nr;
}

/* Its thread sleeps already and is not known yet: it is woken all the same. */
START_TEST(stop_after_it_started)
{
	pthread_t adopter = start_held(AFTER), stopper;
	struct loop *loop = engine_replies(server.engine);

	eventually(os_load(&loop->handover.owner_id) &&
		   os_thread_sleeps(os_load(&loop->handover.owner_id)));
	must(pthread_create(&stopper, NULL, stop_patiently, NULL) == 0);
	/* The one that the stop knows. */
	eventually(nr_ended() == 1);
	__atomic_store_n(&let_go, true, __ATOMIC_RELEASE);
	pthread_join(stopper, NULL);
	ck_assert_uint_eq(stats().threads, 0);
	expect_nothing_adopted(adopter);
	finish();
}
END_TEST

/* All threads are in calls, and more are needed. */
START_TEST(seat_is_its_own)
{
	struct rpcbuf_engine_options o = server_options();
	struct peer caller;

	hold_at = NEVER;
	o.receivers = 1;
	o.max_threads = 2;
	server_start(16 << 20, &o);
	peer_open(&caller);
	for (uint32_t i = 0; i < 2; i++)
		send_call(&caller, XID(BLOCK, SMALL, i));
	eventually(seen(server.blocked) == 2);
	peer_connect(&peer);
	adopt(NULL);
	ck_assert_int_eq(adopt_err, 0);
	check_alive(&peer);
	ck_assert_uint_eq(stats().threads, 3);
	set_gate(true);
	receive_replies(&caller, 0, 2);
	server_stop();
	peer_free(&caller);
	peer_free(&peer);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replies");
	TCase *tcase = tcase_create("replies");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, stop_before_it_starts);
	tcase_add_test(tcase, stop_after_it_started);
	tcase_add_test(tcase, seat_is_its_own);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
