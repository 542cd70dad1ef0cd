/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * worker.h - the engine's pool of threads.
 *
 * A worker runs a job, or is idle.  Its job is to receive for a loop (loop.c),
 * or to run a call that is likely to block (delegate.c).  worker_reserve()
 * reserves an idle or a new worker, up to the limit; that worker then waits for
 * its job, and no other caller gets it.
 *
 * Any thread.  No lock is held while a thread is created or a job runs.
 */
#ifndef RPCBUF_ENGINE_WORKER_H
#define RPCBUF_ENGINE_WORKER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "rpcbuf/os/list.h"

struct poll_ring;
struct rpcbuf_call;
struct rpcbuf_engine;
struct share_client;
struct worker;

/* A job.  Returns true when it was started by worker_start() and has ended. */
typedef bool worker_job(struct worker *worker, void *arg);

/* Of an engine; all of it under the lock. */
struct workers {
	pthread_mutex_t lock;
	pthread_cond_t gone; /* a thread has ended, or a job of
			      * worker_start() */
	struct list_head idle;
	unsigned int nr;
	unsigned int most;	 /* threads at most */
	unsigned int nr_started; /* jobs of worker_start(); they last until the
				  * engine stops */
	unsigned int nr_ended;	 /* of these jobs */
	unsigned int next_number;
	bool one_ended; /* the worker that last expired has ended */
	bool stop;
};

struct worker {
	struct list_head link; /* in workers->idle */
	struct rpcbuf_engine *engine;
	worker_job *job; /* under the lock, as @arg and @reserved */
	void *arg;
	bool reserved; /* by a caller that has a job for it */
	pthread_cond_t wake;
	unsigned int number;
	struct poll_ring *ring;	     /* io_uring's, of this thread; or NULL */
	struct rpcbuf_call *cached;  /* for the next call: call.c */
	struct rpcbuf_call *running; /* the call that the handler has */
	struct share_client *share_client; /* ... and where it counts */
};

void workers_init(struct workers *workers, unsigned int most);
void workers_exit(struct workers *workers);

/*
 * worker_reserve - reserves a worker; it waits for its job.
 *
 * May create a thread.  Returns 0 and the worker in *@out; -EUSERS: no worker
 * is idle and the limit is reached; or -errno, after os_why(): no thread could
 * be created.
 */
int worker_reserve(struct rpcbuf_engine *engine, struct worker **out);

/* Both end the reservation, with a job and without. */
void worker_submit(struct worker *worker, worker_job *job, void *arg);
void worker_release(struct worker *worker);

/* Starts @job, which lasts until the engine stops.  @more: the limit of threads
 * is one higher from now on.  Returns as worker_reserve(). */
int worker_start(struct rpcbuf_engine *engine, bool more, worker_job *job,
		 void *arg);

/* The engine is stopping: waits until the jobs of worker_start() have ended,
 * then ends the threads.  Returns false if some still run at @until_ns; may be
 * called again. */
bool workers_stop(struct rpcbuf_engine *engine, uint64_t until_ns);

/* Starts a thread with all signals blocked.  Returns 0, or -errno after
 * os_why(). */
int thread_start(pthread_t *thread, void *(*main)(void *), void *arg);
/* Called first, and last, on such a thread. */
void thread_enter(struct rpcbuf_engine *engine, const char *name);
void thread_leave(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_WORKER_H */
