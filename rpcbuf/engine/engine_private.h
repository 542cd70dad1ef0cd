/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of the engine share: its connections, loops, and itself, each
 * made of what the parts keep there.
 *
 * A loop is the receiving side of a set of connections.  It has one owner at a
 * time, a worker thread.  All in the loop and in its connections belongs to the
 * owner, except what is named below.  While a call runs, the owner touches none
 * of it, and the monitor may give the loop to another thread (handover.h).
 *
 * README.md has the files in their order.
 *
 * Which thread may touch what, by lock.  Debug builds assert those that assert_held()
 * and assert_owner() are called for.
 *
 *   no lock, the owner of the loop
 *	conn	all but what is named below
 *	loop	all but what is named below; of clients its client_part
 *   no lock, the thread that starts and stops the engine
 *	engine	what options say, and ->loops: written before the first thread
 *		starts, read by any thread
 *		stop_ns: written before ->stopping, read by threads that see it
 *		monitor.alive, monitor.thread, shrinker, reserve;
 *		replies_reserve, also the thread that starts the loop of replies
 *   no lock, the monitor
 *	loop	handover.seen_sequence, .running_scans, .blocked; the last one is
 *		read by the owner that the monitor made
 *   workers.lock
 *	workers, all; a worker's link, job, arg, reserved; replies_starting
 *   monitor.lock
 *	monitor.stop; held while the monitor clears loop->batched and takes a
 *	reference, so an owner that gets the lock knows that the monitor is done
 *	with the connection, or has a reference
 *   clients.lock
 *	clients, all; a client's link, nr_conns and row, and that it exists; a
 *	connection's succession.link, and part when it is closed
 *   conns.lock, of each loop
 *	conns, all; a connection's member.link, .post_link, .posted; nr_conns of
 *	a client_part.  Only the owner removes from conns.all
 *   grant_queue.lock, of each of the four queues
 *	grant_queue, all; rota_clients of admit_client; a grant_request's link
 *   log.limit.lock
 *	log.limit
 *   share.lock, of each
 *	share, its clients and their waiters, except what never changes
 *   atomic, any thread
 *	conn	member.refs, armed, flight.nr, .awaits, habit, reply_bytes,
 *		replied_bytes, dropped, gone, succession.waits, queued.nr,
 *		sending.timeout
 *	loop	handover.sequence, .owner_id, batched, shrink, done_stats
 *	client	refused, unsent_pinned
 *	engine	admit.quota.partial, admit.shortage.asked_ns, heap's counts,
 *		flight.nr, log.parked_ns, .share_ns, .short_ns, shares.chunks,
 *		queued, stats, stopping, publisher, replies_open, connections to
 *		next_loop
 *   atomic, one thread writes, others read
 *	conn	reception.state, .parked_for, admit.quota.partial, counts,
 *		sending.wanted
 *	loop	admit.quota.partial, stats, conns.nr, .nr_clients
 *	client	parts' partial, nr_conns, fair.used_ns; nr_conns
 *	engine	clients.nr, monitor.asleep
 *
 * Lock order: clients.lock, then conns.lock; grant_queue.lock, then conns.lock.
 * Each of the others is taken last.  The locks of send lists (out.h) come after
 * all.  None is held over a handler, a file operation, the creation of a
 * thread, or a system call that can block.
 */
#ifndef RPCBUF_ENGINE_PRIVATE_H
#define RPCBUF_ENGINE_PRIVATE_H

#include <pthread.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/stream.h>

#include "rpcbuf/engine/admit.h"
#include "rpcbuf/engine/call.h"
#include "rpcbuf/engine/client.h"
#include "rpcbuf/engine/conns.h"
#include "rpcbuf/engine/delegate.h"
#include "rpcbuf/engine/fair.h"
#include "rpcbuf/engine/flight.h"
#include "rpcbuf/engine/handover.h"
#include "rpcbuf/engine/heap.h"
#include "rpcbuf/engine/intake.h"
#include "rpcbuf/engine/queued.h"
#include "rpcbuf/engine/limits.h"
#include "rpcbuf/engine/log.h"
#include "rpcbuf/engine/reception.h"
#include "rpcbuf/engine/sending.h"
#include "rpcbuf/engine/successor.h"
#include "rpcbuf/engine/trace.h"
#include "rpcbuf/engine/monitor.h"
#include "rpcbuf/engine/worker.h"
#include "rpcbuf/os/assert.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/list.h"
#include "rpcbuf/os/os.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/probes.h"
#include "rpcbuf/os/stat.h"

struct loop;

struct rpcbuf_conn {
	struct reception reception;   /* reception.c */
	struct member member;	      /* conns.c */
	struct intake intake;	      /* intake.c */
	struct admission admit;	      /* admit.c */
	struct timing times;	      /* limits.c */
	struct flight flight;	      /* flight.c */
	struct queued queued;	      /* queued.c */
	struct habit habit;	      /* delegate.c */
	struct succession succession; /* successor.c */
	struct conn_counts counts;    /* trace.c */
	struct conn_trace trace;      /* likewise */

	/* From adoption on. */
	struct loop *loop;
	struct client_part *part; /* of its client in this loop */
	void *data;
	int fd;
	bool outgoing;

	/* The back ends'. */
	bool watched; /* epoll's: it is registered there */
	uint32_t events; /* ... for these, or 0 */
	uint32_t arm; /* io_uring's: its index in loop->ring, plus 1 */
	int armed;    /* requests of any ring that reference the socket; atomic */

	/* Its end: conn.c. */
	enum rpcbuf_close_reason reason; /* while it is ending */
	bool drained;	     /* stopping: the socket was empty once */
	bool dropped;	     /* rpcbuf_conn_drop(); atomic */
	bool gone;	     /* its peer is: no reply can reach it; atomic */

	/* Its replies: sending.c. */
	struct sending sending;
	uint32_t reply_bytes; /* of the last completed call; atomic */
	uint64_t replied_bytes; /* of all completed calls; atomic */
};

/* Polls before blocking. */
struct spin {
	unsigned int misses; /* polls in a row that found nothing */
	unsigned int skip;   /* polls to skip */
};

struct loop {
	struct rpcbuf_engine *engine;

	/* The back ends'. */
	const struct backend *backend;
	int poll_fd;
	struct poll_ring *ring;	       /* of the owner; NULL: epoll is used */
	struct poll_ring *cached_ring; /* for an owner that has none yet */
	struct worker *worker;	 /* io_uring's: the owner */
	uint64_t retry_ns;	 /* ... when to try to create a ring again */
	bool kick_armed;	 /* ... in `ring` */
	bool kicked;		 /* kick_fd was readable */
	int kick_fd; /* eventfd: check conns.posted, parked ones, ->stopping */

	struct rpcbuf_rqst *rqst; /* the vector of all its connections */
	void **cached_slots;	  /* heap.c */
	struct fair fair;	  /* fair.c */
	struct admit_loop admit;  /* admit.c */
	struct rpcbuf_conn *running; /* of the last call; NULL: not known */

	/* loop.c */
	uint64_t now_ns;
	uint64_t missed_ns; /* time before now_ns in which it did not run */
	uint64_t next_scan_ns;
	uint64_t received_ns; /* when bytes last came */
	unsigned int steps;   /* since the last poll of the back end */
	struct spin spin;
	struct loop_trace trace; /* trace.c */

	/* batch.c */
	unsigned int batch_left; /* calls that may join the batch */
	bool batch_more;	 /* another call follows the current one */
	uint64_t batch_end_ns;	 /* none may join after that */

	struct handover handover __attribute__((aligned(64)));
	struct rpcbuf_conn *batched; /* atomic: its replies are corked */
	struct conns conns;
	uint32_t shrink; /* atomic: enum shrink */

	/* What is counted here; stats.c sums it.  The owner's stat_add(). */
	struct rpcbuf_engine_stats stats __attribute__((aligned(64)));
	/* ... when its calls are done: atomic. */
	struct rpcbuf_engine_stats done_stats __attribute__((aligned(64)));
};

#define LOOP_CLOSED ((struct loop){.kick_fd = -1})

/* The owner of the loop only. */
struct backend {
	const char *name;
	int (*probe)(void); /* 0: the system has it; may be NULL */
	int (*open)(struct loop *loop);
	void (*close)(struct loop *loop);
	/* A worker becomes the owner; is not the owner any more, and must not
	 * touch the loop; ends.  May be NULL. */
	void (*enter)(struct loop *loop, struct worker *worker);
	void (*leave)(struct worker *worker);
	void (*exit)(struct worker *worker);
	/* Calls conn_event() when bytes or the end of the stream come, or have
	 * come: 0 or -errno.  Both are idempotent. */
	int (*watch)(struct loop *loop, struct rpcbuf_conn *conn);
	void (*unwatch)(struct loop *loop, struct rpcbuf_conn *conn);
	/* Likewise: calls sending_resume() when its socket takes bytes. */
	int (*watch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	void (*unwatch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	/* Waits, and calls conn_event() for connections with events; returns
	 * their number, without kicks.  @timeout_ms: -1 waits without limit. */
	int (*wait)(struct loop *loop, int timeout_ms);
};
extern const struct backend backend_epoll, backend_uring;

struct rpcbuf_engine {
	struct rpcbuf *mm;
	const struct backend *backend;
	struct rpcbuf_mempool *reserve; /* a vector, for a loop without pages */
	struct rpcbuf_mempool *replies_reserve; /* ... for the one of replies */
	struct rpcbuf_handlers handlers;
	struct rpcbuf_engine_options options;
	struct rpcbuf_record_limits machine_limits;
	uint64_t unsent_conn_limit; /* bytes that unsent replies to one peer may pin */
	uint64_t unsent_limit;	    /* ... and those to all */
	uint32_t nr_slots;     /* of a stream and of a call */
	unsigned int nr_loops; /* for connections of clients */
	struct loop *loops;    /* ... and one more, see engine_all_loops() */
	struct rpcbuf_publisher *publisher; /* atomic; NULL: none */

	struct rpcbuf_shrinker shrinker; /* registered until the stop */
	uint64_t stop_ns;		 /* when to close all connections */
	bool stopping;			 /* atomic */

	struct admit_engine admit;
	struct heap heap;
	struct flights flight;
	struct delegate delegate;
	struct shares shares; /* share.c */
	struct queued_all queued;

	/* Atomic. */
	uint32_t connections;
	struct rpcbuf_engine_stats stats; /* what no loop counts */
	uint64_t unsent_bytes;	/* of replies that wait in send lists */
	uint64_t unsent_pinned; /* ... and of the memory that these pin */
	uint32_t spinning;
	uint32_t next_loop;

	struct clients clients;
	struct engine_log log;
	struct workers workers;
	struct monitor monitor;
	bool replies_starting;	  /* under workers.lock */
	unsigned int replies_open; /* 1: the loop of replies; atomic */
};

/* In debug builds: assert that the caller owns @loop, and that @lock, a
 * pthread_mutex_t, is held.  A loop without a thread, as in unit tests, is
 * owned by any caller. */
#define assert_owner(loop)                                          \
	rpcbuf_assert_debug(!os_load(&(loop)->handover.owner_id) || \
			    os_load(&(loop)->handover.owner_id) ==  \
				    os_thread_id())
#define assert_held(lock) rpcbuf_assert_debug(pthread_mutex_trylock(lock) != 0)

/* options.c: copies the caller's structs, whatever their sizes; logs a wrong
 * size. */
int engine_options_read(struct rpcbuf_handlers *handlers,
			const struct rpcbuf_handlers *given_handlers,
			struct rpcbuf_engine_options *options,
			const struct rpcbuf_engine_options *given);
/* False, after a line to ->log, when an option is not valid. */
bool engine_options_valid(const struct rpcbuf_handlers *handlers,
			  const struct rpcbuf_engine_options *options);
/* Logs what rpcbuf_why() says; returns @err. */
int engine_refused(const struct rpcbuf_handlers *handlers, int err);
/* Logs that the budget is too small; returns -EINVAL. */
int engine_budget_refused(const struct rpcbuf_handlers *handlers,
			  uint64_t pages, unsigned int least);

/* engine.c */
static inline bool engine_stopping(const struct rpcbuf_engine *engine)
{
	return __atomic_load_n(&engine->stopping, __ATOMIC_ACQUIRE);
}

/* See replies.h. */
static inline struct loop *engine_replies(struct rpcbuf_engine *engine)
{
	return &engine->loops[engine->nr_loops];
}
static inline unsigned int engine_all_loops(const struct rpcbuf_engine *engine)
{
	return engine->nr_loops + os_load_acquire(&engine->replies_open);
}

/* backend.c */
int backend_choose(struct rpcbuf_engine *engine);

/* loop.c: the owner only */
int loop_open(struct loop *loop, struct rpcbuf_engine *engine,
	      unsigned int maxpages);
void loop_close(struct loop *loop);
worker_job loop_work; /* of a struct loop */

/* step.c: a batch of calls of @conn, or one receive.  False: another thread
 * took the loop meanwhile. */
bool loop_step(struct loop *loop, struct rpcbuf_conn *conn);

/* conn.c */
struct rpcbuf_conn *conn_create(struct loop *loop, struct client *client,
				int fd, void *data, bool outgoing);
/* Leaves @conn to the back end until it has an event.  False: the back end
 * cannot watch it, so @conn has ended, and may be freed already. */
bool conn_watch(struct rpcbuf_conn *conn);
/* For the back end: bytes, or the end of the stream, have come.  @events: as of
 * poll(2). */
void conn_event(struct rpcbuf_conn *conn, uint32_t events);
/* Stops reading @conn; it closes when its calls are done. */
void conn_end(struct rpcbuf_conn *conn, enum rpcbuf_close_reason reason);
/* Closes @conn, which is ending, if nothing of it is left to do: true. */
bool conn_try_close(struct rpcbuf_conn *conn);
/* Ends a connection that broke a limit, and logs which. */
void conn_refuse(struct rpcbuf_conn *conn, int err,
		 const struct rpcbuf_record_refusal *refusal);

/* batch.c: the owner only, but for batch_uncork_late() */
void batch_begin(struct loop *loop, struct rpcbuf_conn *conn);
void batch_uncork_late(struct loop *loop);
bool batch_joins(struct loop *loop, const struct rpcbuf_conn *conn);
void batch_uncork(struct loop *loop);
void batch_end_conn(struct rpcbuf_conn *conn);

/* observe.c: while a probe is attached */
void observe_begin(const struct rpcbuf_conn *conn);
void observe_received(const struct rpcbuf_conn *conn,
		      const struct rpcbuf_call *call);
void observe_dispatched(const struct rpcbuf_call *call);
void observe_replied(const struct rpcbuf_call *call);
void observe_reply(const struct rpcbuf_call *call, uint64_t bytes,
		   uint32_t pages, uint32_t reserved);

#endif /* RPCBUF_ENGINE_PRIVATE_H */
