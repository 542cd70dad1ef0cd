/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include "rpcbuf/engine/replies.h"

#include <rpcbuf/mempool.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

/* Pages of one receive. */
#define REPLIES_PAGES 16
/* A receive needs all of its pages or none, so there are as many again while no
 * page of the one before is back. */
#define RESERVE_PAGES (2 * REPLIES_PAGES)

/* A reserve of its own lets the loop continue while loops that make no progress
 * are first in the queue for pages.  If the budget has no room for it, the
 * reserve of all loops serves. */
static void set_reserve(struct rpcbuf_engine *engine, struct loop *loop)
{
	if (engine->replies_reserve ||
	    !rpcbuf_mempool_create(&engine->replies_reserve, engine->mm,
				   RESERVE_PAGES))
		rpcbuf_rqst_reserve(loop->rqst, engine->replies_reserve);
}

static bool open_loop(struct rpcbuf_engine *engine, struct loop *loop)
{
	if (loop_open(loop, engine, REPLIES_PAGES))
		return false;
	set_reserve(engine, loop);
	return true;
}

static bool start_loop(struct rpcbuf_engine *engine, struct loop *loop)
{
	if (open_loop(engine, loop) &&
	    !worker_start(engine, true, loop_work, loop))
		return true;
	loop_close(loop);
	*loop = LOOP_CLOSED;
	return false;
}

/* Returns true when the caller must start the loop; false when it runs, or the
 * engine stops.  A stop that is not seen here finds ->replies_starting set. */
static bool claim_start(struct rpcbuf_engine *engine)
{
	struct workers *workers = &engine->workers;
	bool start;

	pthread_mutex_lock(&workers->lock);
	while (engine->replies_starting)
		pthread_cond_wait(&workers->gone, &workers->lock);
	start = !engine->replies_open && !engine_stopping(engine);
	engine->replies_starting = start;
	pthread_mutex_unlock(&workers->lock);
	return start;
}

static void started(struct rpcbuf_engine *engine, bool open)
{
	struct workers *workers = &engine->workers;

	pthread_mutex_lock(&workers->lock);
	engine->replies_starting = false;
	os_store_release(&engine->replies_open, open);
	pthread_cond_broadcast(&workers->gone);
	pthread_mutex_unlock(&workers->lock);
}

bool replies_start(struct rpcbuf_engine *engine)
{
	if (claim_start(engine))
		started(engine, start_loop(engine, engine_replies(engine)));
	return os_load_acquire(&engine->replies_open);
}

bool replies_stop(struct rpcbuf_engine *engine, uint64_t until_ns)
{
	struct workers *workers = &engine->workers;
	bool is_over;

	pthread_mutex_lock(&workers->lock);
	is_over = os_cond_await(&workers->gone, &workers->lock,
				!engine->replies_starting, until_ns);
	pthread_mutex_unlock(&workers->lock);
	if (os_load_acquire(&engine->replies_open))
		loop_kick(engine_replies(engine));
	return is_over;
}
