/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A loop and its owner: when to poll the back end, and when to block.  step.c
 * serves one connection, limits.c checks all of them once a second; reception.c
 * has their states.  The owner only.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/reclaim.h"
#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/why.h"

/* Steps between two polls of the back end. */
#define STEPS_PER_POLL 32
/* ... when several clients have connections here: they must not wait that
 * long. */
#define STEPS_PER_POLL_SHARED 2
/* ... or this time, if the clock is read anyway: a step may be a large call. */
#define POLL_SHARED_NS 25000
/* Period of the polls while a connection is parked for something that no thread
 * signals. */
#define RETRY_MS 1

/* @conn was posted: it was adopted or dropped, a call completed, its replies
 * were sent, or memory was released. */
static void posted(struct rpcbuf_conn *conn)
{
	const struct reception *reception = &conn->reception;

	if (reception->state == RECEPTION_CLOSED)
		return;
	sending_update_watch(conn);
	if (os_load(&conn->dropped))
		conn_end(conn, RPCBUF_CLOSE_DROPPED);
	else if (reception->state == RECEPTION_ENDING)
		conn_try_close(conn);
	else if (os_load(&conn->gone))
		conn_end(conn, RPCBUF_CLOSE_ERROR);
	else if (reception->state == RECEPTION_ADOPTED &&
		 !successor_waits(conn))
		conn_watch(conn);
	else if (reception->state == RECEPTION_WATCHED)
		admit_yield(conn);
	else if (parked_for_memory(reception->parked_for) ||
		 (reception->parked_for == FOR_CALLS && !flight_too_many(conn)) ||
		 (reception->parked_for == FOR_UNSENT && sending_below_limits(conn)))
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

static void take_posted(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	while ((conn = conns_next_posted(loop))) {
		posted(conn);
		rpcbuf_conn_put(conn);
	}
}

/* Makes the connections ready that the gate admits. */
static void ready_admitted(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	while (admit_next_due(&loop->admit) && (conn = admit_next(loop)))
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

/* Makes the connections ready that hold the page or heap grant and must try
 * again. */
static void retry(struct loop *loop)
{
	struct rpcbuf_conn *conn;

	while ((conn = admit_next_grantee(loop)))
		reception_move(conn, RECEPTION_READY, FOR_NOTHING);
}

/*
 * Polls for a short while before blocking: waking an idle CPU costs more than
 * the poll when the next call is near.  One loop at a time, and less and less
 * often while it finds nothing.
 */
static int spin(struct loop *loop)
{
	struct rpcbuf_engine *engine = loop->engine;
	uint64_t end;
	uint32_t none = 0;
	int n = 0;

	if (!engine->options.spin_us || loop->spin.skip) {
		loop->spin.skip -= loop->spin.skip != 0;
		return 0;
	}
	if (!os_cas_acquire(&engine->spinning, &none, 1))
		return 0;
	end = os_now() + engine->options.spin_us * UINT64_C(1000);
	do {
		os_relax();
		n = loop->backend->wait(loop, 0);
	} while (!n && !loop->kicked && os_now() < end);
	os_store_release(&engine->spinning, 0);
	if (n) {
		loop->spin.misses = 0;
	} else if (loop->spin.misses < 6) {
		loop->spin.misses++;
		loop->spin.skip = (1u << loop->spin.misses) - 2;
	} else {
		loop->spin.skip = 62;
	}
	return n;
}

/* The owner checks its connections this often at least, while it has any;
 * without connections, until its vector is released. */
static int block_ms(const struct loop *loop)
{
	if (engine_stopping(loop->engine) || admit_must_poll(loop))
		return RETRY_MS;
	return os_load(&loop->conns.nr) || rpcbuf_rqst_nr_pages(loop->rqst)
		       ? LAG_SCAN_MS
		       : -1;
}

/* For debug builds. */
static void assert_loop_valid(struct loop *loop)
{
	const char *wrong = loop_is_valid(loop);

	if (wrong)
		os_panic("a receiver's connections: %s", wrong);
}

static void check_each_second(struct loop *loop)
{
	if (loop->now_ns < loop->next_scan_ns)
		return;
	loop->next_scan_ns = loop->now_ns + OS_SECOND_NS;
	conns_each(loop, conn_check_times);
	reclaim_idle(loop);
}

/* Polls the back end for events; blocks only when no connection is ready. */
static void poll_backend(struct loop *loop)
{
	bool idle = list_empty(&loop->fair.ready);
	uint64_t last_ns = loop->now_ns;
	int n = loop->backend->wait(loop, 0);

	loop->steps = 0;
	if (idle)
		loop->fair.served = NULL; /* no client is charged for the wait */
	if (idle && !n && !loop->kicked && !admit_must_poll(loop))
		n = spin(loop);
	if (idle && !n && !loop->kicked)
		loop->backend->wait(loop, block_ms(loop));
	loop->now_ns = os_now();
	loop->kicked = false;
	if (trace_is_due(&loop->trace, loop->now_ns))
		trace_check_leases(loop);
	take_posted(loop);
	loop_excuse(loop, loop->now_ns - last_ns);
	retry(loop);
	reclaim_requested(loop);
	check_each_second(loop);
	if (RPCBUF_DEBUG)
		assert_loop_valid(loop);
}

static void drain_conn(struct rpcbuf_conn *conn)
{
	struct loop *loop = conn->loop;
	bool late = loop->now_ns >= loop->engine->stop_ns;
	bool watched = conn->reception.state == RECEPTION_WATCHED;

	if (conn->reception.state == RECEPTION_ENDING)
		conn_try_close(conn);
	else if (late || parked_for_memory(conn->reception.parked_for) ||
		 (watched && conn->drained))
		conn_end(conn, RPCBUF_CLOSE_STOP);
	else if (watched)
		conn_event(conn, POLLIN);
}

/*
 * The engine stops: every connection is read until its socket was empty once,
 * its calls are run, then it ends.  True when none is left.
 */
static bool drain(struct loop *loop)
{
	conns_each(loop, drain_conn);
	return conns_none(loop);
}

/* True when the back end must be polled before the next step. */
static bool is_poll_due(const struct loop *loop)
{
	if (os_load(&loop->conns.nr_clients) <= 1)
		return loop->steps >= STEPS_PER_POLL;
	return loop->steps >= STEPS_PER_POLL_SHARED ||
	       (loop->fair.served &&
		loop->fair.served_ns - loop->now_ns > POLL_SHARED_NS);
}

/*
 * Owns @loop until it has ended, when the engine stops, and returns true; or
 * until another thread took it during a long call, and returns false.
 */
static bool own(struct loop *loop, struct worker *worker)
{
	os_store(&loop->handover.owner_id, os_thread_id());
	loop->fair.served = NULL;
	delegate_learn_taken(loop);
	if (loop->backend->enter)
		loop->backend->enter(loop, worker);
	for (;;) {
		ready_admitted(loop);
		if (engine_stopping(loop->engine) && drain(loop)) {
			rpcbuf_rqst_release(loop->rqst);
			return true;
		}
		if (list_empty(&loop->fair.ready) || is_poll_due(loop))
			poll_backend(loop);
		if (list_empty(&loop->fair.ready))
			continue;
		loop->steps++;
		if (!loop_step(loop, fair_next(loop, os_now)))
			return false;
		fair_charge(loop, os_now);
	}
}

bool loop_work(struct worker *worker, void *arg)
{
	const struct backend *backend = worker->engine->backend;
	bool ended = own(arg, worker);

	if (backend->leave)
		backend->leave(worker);
	return ended;
}

int loop_open(struct loop *loop, struct rpcbuf_engine *engine,
	      unsigned int maxpages)
{
	int err;

	loop->engine = engine;
	loop->backend = engine->backend;
	loop->poll_fd = -1;
	list_init(&loop->fair.ready);
	admit_init_loop(&loop->admit, engine->options.max_receiving);
	conns_init(loop);
	loop->now_ns = os_now();
	loop->kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (loop->kick_fd < 0)
		return os_why(-errno, "no eventfd for a receiver");
	err = rpcbuf_rqst_create(&loop->rqst, engine->mm, NULL, maxpages);
	if (err)
		return err;
	rpcbuf_rqst_notify(loop->rqst, loop->kick_fd);
	err = rpcbuf_rqst_reserve(loop->rqst, engine->reserve);
	if (err)
		return err;
	err = loop->backend->open(loop);
	if (err)
		os_why(err, "no %s for a receiver", loop->backend->name);
	return err;
}

void loop_close(struct loop *loop)
{
	if (!loop->backend)
		return;
	conns_exit(loop);
	loop->backend->close(loop);
	if (loop->kick_fd >= 0)
		close(loop->kick_fd);
	rpcbuf_rqst_destroy(loop->rqst);
	heap_close_loop(loop);
}
