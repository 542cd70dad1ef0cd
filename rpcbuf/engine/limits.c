/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What happens once a second: connections that take too long are closed, and a
 * loop that received nothing gives its pages back.  The owner of the loop only.
 */
#include <errno.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/os.h"

#define SECOND_NS UINT64_C(1000000000)
/* A loop that received nothing for so long keeps no pages. */
#define IDLE_PAGES_NS (2 * SECOND_NS)
/* How long one connection may hold up others that wait for pages. */
#define FAVOUR_SECONDS 5

/* Whole seconds since @since, which may be later than the loop's @now: the
 * thread that adopts a connection reads the clock too. */
static uint64_t seconds_since(uint64_t since, uint64_t now)
{
	return now > since ? (now - since) / SECOND_NS : 0;
}

/*
 * Time limits of one connection.  Only one that is watched has been read to its
 * last byte, so the unfinished record of another is not held against it.
 */
void conn_check_times(struct rpcbuf_conn *conn)
{
	struct rpcbuf_engine *engine = conn->loop->engine;
	const struct rpcbuf_engine_options *options = &engine->options;
	struct rpcbuf_record_refusal refusal;
	uint64_t now = conn->loop->now_ns;
	uint64_t limit = options->record_timeout;

	if (conn->place == CONN_ENDING || conn->outgoing)
		return;
	if (os_load(&engine->favoured) == conn) {
		refusal.value = seconds_since(conn->favoured_ns, now);
		if (!limit || limit > FAVOUR_SECONDS)
			limit = FAVOUR_SECONDS;
	} else if (conn->record_ns && conn->place == CONN_WATCHED) {
		refusal.value = seconds_since(conn->record_ns, now);
	} else {
		limit = 0;
	}
	if (limit && refusal.value >= limit) {
		refusal.limit = limit;
		conn_refuse(conn, -ETIMEDOUT, &refusal);
		return;
	}
	if (os_load(&conn->in_flight))
		conn->progress_ns = now;
	if (options->idle_timeout &&
	    seconds_since(conn->progress_ns, now) >= options->idle_timeout) {
		stat_add(conn->loop->stats.closed_idle, 1);
		conn_end(conn, RPCBUF_CLOSE_IDLE);
	}
}

void loop_release_vectors(struct loop *loop)
{
	rpcbuf_rqst_release(loop->rqst);
	rpcbuf_rqst_release(loop->run);
}

/* Once a second. */
void loop_check_limits(struct loop *loop)
{
	struct rpcbuf_conn *conn, *tmp;
	struct list_head all;

	if (loop->now_ns < loop->next_scan_ns)
		return;
	loop->next_scan_ns = loop->now_ns + SECOND_NS;
	/* Only the owner takes connections off the list, so the lock is
	 * needed for the ends of it alone: new ones come in at the tail. */
	list_init(&all);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&loop->conns, &all);
	pthread_mutex_unlock(&loop->lock);
	list_for_each_entry_safe (conn, tmp, &all, struct rpcbuf_conn,
				  conn_link)
		conn_check_times(conn);
	pthread_mutex_lock(&loop->lock);
	list_splice_tail(&all, &loop->conns);
	pthread_mutex_unlock(&loop->lock);
	if (rpcbuf_wait_pending(loop->engine->mm))
		rpcbuf_rqst_release(loop->run);
	/* Not while a connection waits, or tries again: its place in the queue
	 * would go too. */
	if (list_empty(&loop->parked) && list_empty(&loop->ready) &&
	    loop->now_ns - loop->received_ns > IDLE_PAGES_NS)
		loop_release_vectors(loop);
}
