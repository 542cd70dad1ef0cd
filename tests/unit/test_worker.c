/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: after a burst the pool does not end all its threads at once: when they
 * have been idle for too long, half of them end, then half of the others, down
 * to one; so the next burst finds some.  A thread with a job, or reserved for
 * one, does not end.
 * Method: a pool without an engine's loops, whose idle workers find that they
 * have waited too long when the test says so, all at the same moment.
 */
#include <pthread.h>

#include "rpcbuf/engine/engine_private.h"
#include "until_util.h"
#include "wire_util.h"

#define BURST 32u

static struct rpcbuf_engine *engine;
static struct workers *workers;
static const struct backend no_backend = {.name = "none"};

/* A worker that has been idle since an earlier period is so for too long,
 * once. */
static unsigned int period, over;
static __thread unsigned int since;

int __real_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  clockid_t clock,
				  const struct timespec *until);
int __wrap_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  clockid_t clock,
				  const struct timespec *until);

int __wrap_pthread_cond_clockwait(pthread_cond_t *cond, pthread_mutex_t *lock,
				  clockid_t clock, const struct timespec *until)
{
	uint64_t soon = os_now() + 1000000;
	const struct timespec look = {
		.tv_sec = (time_t)(soon / OS_SECOND_NS),
		.tv_nsec = (long)(soon % OS_SECOND_NS),
	};

	if (cond == &workers->gone)
		return __real_pthread_cond_clockwait(cond, lock, clock, until);
	if (seen(period) == since)
		__real_pthread_cond_clockwait(cond, lock, clock, &look);
	if (seen(period) == since)
		return 0;
	since = seen(period);
	count(over);
	return ETIMEDOUT;
}

static unsigned int running; /* jobs */
static bool go_on;

static bool job(struct worker *worker, void *arg)
{
	(void)worker;
	(void)arg;
	count(running);
	eventually(seen(go_on));
	__atomic_sub_fetch(&running, 1, __ATOMIC_ACQ_REL);
	since = seen(period);
	return false;
}

static unsigned int nr_idle(void)
{
	unsigned int nr = 0;

	pthread_mutex_lock(&workers->lock);
	for (struct list_head *l = workers->idle.next; l != &workers->idle;
	     l = l->next)
		nr++;
	pthread_mutex_unlock(&workers->lock);
	return nr;
}

static unsigned int nr_threads(void)
{
	unsigned int nr;

	pthread_mutex_lock(&workers->lock);
	nr = workers->nr;
	pthread_mutex_unlock(&workers->lock);
	return nr;
}

static void begin(unsigned int nr)
{
	struct worker *worker;

	__atomic_store_n(&go_on, false, __ATOMIC_RELEASE);
	for (unsigned int i = 0; i < nr; i++) {
		must(worker_reserve(engine, &worker) == 0);
		worker_submit(worker, job, NULL);
	}
	eventually(seen(running) == nr);
}

static void end(unsigned int idle)
{
	__atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
	eventually(nr_idle() == idle);
}

/* All @idle have waited too long; returns how many wait on. */
static unsigned int pass_time(unsigned int idle)
{
	__atomic_store_n(&over, 0, __ATOMIC_RELEASE);
	count(period);
	eventually(seen(over) == idle);
	/* They have decided when the lock is free. */
	return nr_idle();
}

static void setup(void)
{
	engine = calloc(1, sizeof(*engine));
	engine->backend = &no_backend;
	workers = &engine->workers;
	workers_init(workers, 2 * BURST);
}

static void teardown(void)
{
	__atomic_store_n(&go_on, true, __ATOMIC_RELEASE);
	must(workers_stop(engine, os_now() + GUARD_S * OS_SECOND_NS));
	workers_exit(workers);
	free(engine);
}

START_TEST(halves)
{
	unsigned int made;

	begin(BURST);
	end(BURST);
	for (unsigned int left = BURST; left > 1; left /= 2) {
		ck_assert_uint_eq(pass_time(left), left / 2);
		eventually(nr_threads() == left / 2);
	}
	/* The last one stays. */
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(pass_time(1), 1);
	made = workers->next_number;
	begin(1);
	end(1);
	ck_assert_uint_eq(workers->next_number, made);
}
END_TEST

/* The next burst finds half of its threads. */
START_TEST(comes_back)
{
	begin(BURST);
	end(BURST);
	pass_time(BURST);
	begin(BURST);
	ck_assert_uint_eq(workers->next_number, BURST + BURST / 2);
	end(BURST);
}
END_TEST

START_TEST(busy_stay)
{
	struct worker *taken;

	begin(BURST);
	must(worker_reserve(engine, &taken) == 0);
	for (int i = 0; i < 3; i++)
		pass_time(1);
	ck_assert_uint_eq(nr_threads(), BURST + 1);
	worker_release(taken);
	end(BURST + 1);
}
END_TEST

/* The monitor may be in a scan when all have ended: it starts no new one. */
START_TEST(none_after_the_stop)
{
	struct worker *late;

	begin(3);
	end(3);
	must(workers_stop(engine, os_now() + GUARD_S * OS_SECOND_NS));
	ck_assert_int_eq(worker_reserve(engine, &late), -EUSERS);
	ck_assert_uint_eq(nr_threads(), 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("worker");
	TCase *tcase = tcase_create("worker");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, halves);
	tcase_add_test(tcase, comes_back);
	tcase_add_test(tcase, none_after_the_stop);
	tcase_add_test(tcase, busy_stay);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
