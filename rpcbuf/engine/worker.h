/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * worker.h - the engine's pool of threads.
 *
 * A worker runs a job, or is idle: it receives for a loop (loop.c), or runs a
 * call that is likely to sleep (delegate.c).  Whoever has a job first gets a
 * worker, an idle one or a new one, as long as there are fewer than may be; it
 * waits for the job, and nobody else is given it.
 *
 * Any thread.  No thread is made, and no job runs, under a lock.
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

/* A job.  True: it was one of worker_start()'s, and is not to be run again. */
typedef bool worker_job(struct worker *worker, void *arg);

/* Of an engine: all of it under the lock. */
struct workers {
	pthread_mutex_t lock;
	pthread_cond_t gone; /* a thread is, or a job that lasts is done */
	struct list_head idle;
	unsigned int nr;
	unsigned int most;	 /* that there may be */
	unsigned int nr_started; /* jobs that last until the engine stops */
	unsigned int nr_ended;	 /* of these, how many have ended */
	unsigned int next_number;
	bool one_ended; /* of those that were late, the last one did */
	bool stop;
};

struct worker {
	struct list_head link; /* workers->idle */
	struct rpcbuf_engine *engine;
	worker_job *job; /* under the lock, as @arg and @taken */
	void *arg;
	bool reserved; /* by somebody who has a job for it */
	pthread_cond_t wake;
	unsigned int number;
	struct poll_ring *ring;	     /* io_uring's: this thread's, or NULL */
	struct rpcbuf_call *cached;  /* call.c's: for its next call */
	struct rpcbuf_call *running; /* ... that the handler has */
	struct share_client *share_client; /* ... and what that is counted in */
};

void workers_init(struct workers *workers, unsigned int most);
void workers_exit(struct workers *workers);

/*
 * worker_reserve - a worker for a job, which it waits for.
 *
 * May make a thread.  Returns 0 and the worker in *@out; -EUSERS when there are
 * as many as there may be and none is idle; or -errno, after os_why(), when no
 * thread can be had.
 */
int worker_reserve(struct rpcbuf_engine *engine, struct worker **out);

/* Its job; or there is none after all. */
void worker_submit(struct worker *worker, worker_job *job, void *arg);
void worker_release(struct worker *worker);

/* Runs @job, which lasts until the engine stops, on another thread than may run
 * calls if @more.  Returns as worker_reserve(). */
int worker_start(struct rpcbuf_engine *engine, bool more, worker_job *job,
		 void *arg);

/* The engine is stopping: waits for the jobs that last to end, then ends the
 * threads.  False when some still run at @until_ns; may be called again. */
bool workers_stop(struct rpcbuf_engine *engine, uint64_t until_ns);

/* Starts a thread that no signal is delivered to: 0, or -errno after os_why(). */
int thread_start(pthread_t *thread, void *(*main)(void *), void *arg);
/* What such a thread does first, and last. */
void thread_enter(struct rpcbuf_engine *engine, const char *name);
void thread_leave(struct rpcbuf_engine *engine);

#endif /* RPCBUF_ENGINE_WORKER_H */
