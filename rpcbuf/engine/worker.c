/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/worker.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/thread.h"
#include "rpcbuf/os/why.h"

/* Seconds after which every other idle worker ends; one idle worker always
 * stays. */
#define WORKER_IDLE_S 10

void workers_init(struct workers *workers, unsigned int most)
{
	*workers = (struct workers){.most = most};
	pthread_mutex_init(&workers->lock, NULL);
	pthread_cond_init(&workers->gone, NULL);
	list_init(&workers->idle);
}

void workers_exit(struct workers *workers)
{
	pthread_cond_destroy(&workers->gone);
	pthread_mutex_destroy(&workers->lock);
}

int thread_start(pthread_t *thread, void *(*main)(void *), void *arg)
{
	int err = os_thread_start(thread, main, arg);

	return err ? os_why(err, "no further thread") : 0;
}

void thread_enter(struct rpcbuf_engine *engine, const char *name)
{
	pthread_setname_np(pthread_self(), name);
	if (engine->handlers.thread_start)
		engine->handlers.thread_start(name);
}

void thread_leave(struct rpcbuf_engine *engine)
{
	if (engine->handlers.thread_stop)
		engine->handlers.thread_stop();
}

/*
 * The worker expired, or the engine stops.  Under the lock.
 *
 * After a burst many workers expire together.  Every other one of them stays
 * for one more period, so their number halves each period, down to one.  (The
 * kernel's workqueues keep idle workers in a ratio to busy ones,
 * too_many_workers() in kernel/workqueue.c.)
 */
static bool may_end(struct workers *workers, const struct worker *worker,
		    bool expired)
{
	assert_held(&workers->lock);
	if (worker->job || worker->reserved)
		return false;
	if (workers->stop)
		return true;
	if (!expired || workers->nr <= workers->nr_started + 1)
		return false;
	workers->one_ended = !workers->one_ended;
	return workers->one_ended;
}

/* Waits for a job.  Returns false when there will be none.  Under the lock. */
static bool wait_for_job(struct workers *workers, struct worker *worker)
{
	bool expired = false;

	while (!worker->job && !may_end(workers, worker, expired)) {
		if (!worker->reserved)
			list_add(&worker->link, &workers->idle);
		expired = os_cond_wait_until(
				  &worker->wake, &workers->lock,
				  os_now() + WORKER_IDLE_S * OS_SECOND_NS) != 0;
		list_del(&worker->link);
	}
	return worker->job;
}

/* Runs jobs until the worker may end. */
static void work(struct workers *workers, struct worker *worker)
{
	worker_job *job;
	bool ended;

	pthread_mutex_lock(&workers->lock);
	while (wait_for_job(workers, worker)) {
		job = worker->job;
		worker->job = NULL;
		pthread_mutex_unlock(&workers->lock);
		ended = job(worker, worker->arg);
		call_release_cached_pages();
		pthread_mutex_lock(&workers->lock);
		workers->nr_ended += ended;
		if (ended)
			pthread_cond_broadcast(&workers->gone);
	}
	pthread_mutex_unlock(&workers->lock);
}

/* Takes off a thread that has ended, or could not be created.  Under the lock. */
static void count_gone(struct workers *workers)
{
	assert_held(&workers->lock);
	workers->nr--;
	pthread_cond_broadcast(&workers->gone);
}

static void *worker_main(void *arg)
{
	struct worker *worker = arg;
	struct rpcbuf_engine *engine = worker->engine;
	struct workers *workers = &engine->workers;
	char name[16];

	snprintf(name, sizeof(name), "rpcbuf-%u", worker->number);
	thread_enter(engine, name);
	call_thread_enter(worker);
	work(workers, worker);
	if (engine->backend->exit)
		engine->backend->exit(worker);
	call_thread_exit();
	thread_leave(engine);
	pthread_cond_destroy(&worker->wake);
	free(worker);
	pthread_mutex_lock(&workers->lock);
	count_gone(workers);
	/* From here on the engine may be destroyed. */
	pthread_mutex_unlock(&workers->lock);
	return NULL;
}

/* Creates a worker that is reserved and already counted. */
static int create_worker(struct rpcbuf_engine *engine, unsigned int number,
			 struct worker **out)
{
	struct worker *worker = calloc(1, sizeof(*worker));
	pthread_t thread;
	int err;

	if (!worker)
		return os_why(-ENOMEM, "no %zu bytes for a thread's state",
			      sizeof(*worker));
	list_init(&worker->link);
	pthread_cond_init(&worker->wake, NULL);
	worker->engine = engine;
	worker->reserved = true;
	worker->number = number;
	err = thread_start(&thread, worker_main, worker);
	if (err) {
		pthread_cond_destroy(&worker->wake);
		free(worker);
		return err;
	}
	pthread_detach(thread);
	*out = worker;
	return 0;
}

/* Reserves an idle worker, or returns the number for a new one, or -EUSERS.
 * @more raises the limit by one, in the same hold of the lock, so that no other
 * caller takes the place; get_worker() lowers it again if no thread can be
 * created.  Under the lock. */
static int reserve_worker(struct workers *workers, bool more,
			  struct worker **idle, unsigned int *number)
{
	assert_held(&workers->lock);
	workers->most += more;
	*idle = NULL;
	if (!list_empty(&workers->idle)) {
		*idle = list_first_entry(&workers->idle, struct worker, link);
		list_del(&(*idle)->link);
		(*idle)->reserved = true;
		return 0;
	}
	/* Once all threads have ended the engine may be destroyed, so the
	 * monitor, which may still be in a scan, gets no new one. */
	if (workers->nr >= workers->most || (workers->stop && !workers->nr))
		return -EUSERS;
	workers->nr++;
	*number = workers->next_number++;
	return 0;
}

static int get_worker(struct rpcbuf_engine *engine, bool more,
		      struct worker **out)
{
	struct workers *workers = &engine->workers;
	struct worker *idle;
	unsigned int number;
	int err;

	pthread_mutex_lock(&workers->lock);
	err = reserve_worker(workers, more, &idle, &number);
	pthread_mutex_unlock(&workers->lock);
	if (err)
		return err;
	if (idle) {
		*out = idle;
		return 0;
	}
	err = create_worker(engine, number, out);
	if (!err)
		return 0;
	pthread_mutex_lock(&workers->lock);
	workers->most -= more;
	count_gone(workers);
	pthread_mutex_unlock(&workers->lock);
	return err;
}

int worker_reserve(struct rpcbuf_engine *engine, struct worker **out)
{
	return get_worker(engine, false, out);
}

/* Ends the reservation, with a job or without. */
static void assign_job(struct worker *worker, worker_job *job, void *arg)
{
	struct workers *workers = &worker->engine->workers;

	pthread_mutex_lock(&workers->lock);
	worker->job = job;
	worker->arg = arg;
	worker->reserved = false;
	pthread_cond_signal(&worker->wake);
	pthread_mutex_unlock(&workers->lock);
}

void worker_submit(struct worker *worker, worker_job *job, void *arg)
{
	assign_job(worker, job, arg);
}

void worker_release(struct worker *worker)
{
	assign_job(worker, NULL, NULL);
}

int worker_start(struct rpcbuf_engine *engine, bool more, worker_job *job,
		 void *arg)
{
	struct workers *workers = &engine->workers;
	struct worker *worker;
	int err = get_worker(engine, more, &worker);

	if (err)
		return err;
	pthread_mutex_lock(&workers->lock);
	workers->nr_started++;
	pthread_mutex_unlock(&workers->lock);
	worker_submit(worker, job, arg);
	return 0;
}

bool workers_stop(struct rpcbuf_engine *engine, uint64_t until_ns)
{
	struct workers *workers = &engine->workers;
	struct worker *worker, *tmp;
	bool gone;

	pthread_mutex_lock(&workers->lock);
	gone = os_cond_await(&workers->gone, &workers->lock,
			     workers->nr_ended >= workers->nr_started,
			     until_ns);
	workers->stop = true;
	list_for_each_entry_safe(worker, tmp, &workers->idle, struct worker,
				 link) pthread_cond_signal(&worker->wake);
	gone = os_cond_await(&workers->gone, &workers->lock, workers->nr == 0,
			     until_ns) &&
	       gone;
	pthread_mutex_unlock(&workers->lock);
	return gone;
}
