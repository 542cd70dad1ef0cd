/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of the engine share: its connections, loops, and itself, each
 * made of what the parts keep there.
 *
 * A loop is the receiving side of a set of connections.  It has one owner at a
 * time, a worker thread; everything in it and in its connections belongs to
 * the owner, except what is named below.  While a call runs, the owner touches
 * none of it, and the monitor may give the loop to another thread (handover.h).
 *
 * README.md has the files in their order.
 *
 * Who may touch what, by lock.  Debug builds assert the ones that assert_held()
 * and assert_owner() are called for.
 *
 *   no lock, the owner of the loop
 *	conn	all but what is named below
 *	loop	all but what is named below; of clients its client_part
 *   no lock, whoever starts and stops the engine
 *	engine	what options say, and ->loops: written before the first thread
 *		starts, read by any thread
 *		stop_ns: written before ->stopping, read by those who see that
 *		monitor.alive, monitor.thread, shrinker, reserve; replies_reserve,
 *		also whoever starts the loop of replies, one at a time
 *   no lock, the monitor
 *	loop	handover.seen_sequence, .running_scans, .blocked; the last one is
 *		read by the owner that the monitor made
 *   workers.lock
 *	workers, all; a worker's link, job, arg, reserved; replies_starting
 *   monitor.lock
 *	monitor.stop; held over the monitor's batch_uncork_late(), so that an
 *	owner that takes it knows that this is over
 *   clients.lock
 *	clients, all; a client's link, nr_conns and row, and that it is there; a
 *	connection's succession.link, and part where it is closed
 *   conns.lock, of each loop
 *	conns, all; a connection's member.link, .post_link, .posted; nr_conns of
 *	a client_part.  Taken off conns.all only by the owner
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
 * all.  None is held over a handler, a file operation, the creation of a thread,
 * or a system call that can block.
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
	struct client_part *part; /* the connections that it shares with */
	void *data;
	int fd;
	bool outgoing;

	/* The back ends'. */
	bool watched; /* epoll's: it is registered there */
	uint32_t events; /* ... for these, or 0 */
	uint32_t arm; /* io_uring's: its place in loop->ring, plus 1 */
	int armed;    /* requests that hold the socket, of any ring; atomic */

	/* Its end: conn.c. */
	enum rpcbuf_close_reason reason; /* of one that is ending */
	bool drained;	     /* stopping: the socket was empty once */
	bool dropped;	     /* rpcbuf_conn_drop(); atomic */
	bool gone;	     /* its peer is: nobody would get a reply; atomic */

	/* Its replies: sending.c. */
	struct sending sending;
	uint32_t reply_bytes; /* of the call that was done last; atomic */
	uint64_t replied_bytes; /* of all that were done; atomic */
};

/* Polls before blocking. */
struct spin {
	unsigned int misses; /* polls in a row that found nothing */
	unsigned int skip;   /* polls to leave out */
};

struct loop {
	struct rpcbuf_engine *engine;

	/* The back ends'. */
	const struct backend *backend;
	int poll_fd;
	struct poll_ring *ring;	       /* of the owner; NULL: epoll is used */
	struct poll_ring *cached_ring; /* for an owner that has none yet */
	struct worker *worker;	 /* io_uring's: the owner */
	uint64_t retry_ns;	 /* ... when to look for a ring again */
	bool kick_armed;	 /* ... in `ring` */
	bool kicked;		 /* kick_fd was readable */
	int kick_fd; /* eventfd: look at posted, at parked, at the stop flag */

	struct rpcbuf_rqst *rqst; /* of which all connections receive */
	void **cached_slots;	  /* heap.c */
	struct fair fair;	  /* fair.c */
	struct admit_loop admit;  /* admit.c */
	struct rpcbuf_conn *running; /* the last call is of; NULL: not known */

	/* When to look: loop.c. */
	uint64_t now_ns;
	uint64_t missed_ns; /* that it did not run before now_ns */
	uint64_t next_scan_ns;
	uint64_t received_ns; /* when bytes last came */
	unsigned int steps;   /* since the last look at the back end */
	struct spin spin;
	struct loop_trace trace; /* trace.c */

	/* batch.c */
	unsigned int batch_left; /* calls that may join the batch */
	bool batch_more;	 /* another call follows the one at hand */
	uint64_t batch_end_ns;	 /* when none may join any more */

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

/* All of it is for the owner of the loop. */
struct backend {
	const char *name;
	int (*probe)(void); /* 0: the system has it; may be NULL */
	int (*open)(struct loop *loop);
	void (*close)(struct loop *loop);
	/* A worker becomes the owner; is not any more, and may not touch the
	 * loop; ends.  May be NULL. */
	void (*enter)(struct loop *loop, struct worker *worker);
	void (*leave)(struct worker *worker);
	void (*exit)(struct worker *worker);
	/* Reports @conn when something comes, also what came before: 0 or
	 * -errno.  Both may be called for what is done already. */
	int (*watch)(struct loop *loop, struct rpcbuf_conn *conn);
	void (*unwatch)(struct loop *loop, struct rpcbuf_conn *conn);
	/* Likewise: calls sending_resume() when its socket takes bytes. */
	int (*watch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	void (*unwatch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	/* Reports ready connections through conn_event(); returns how many,
	 * kicks not counted.  @timeout_ms: -1 is for ever. */
	int (*wait)(struct loop *loop, int timeout_ms);
};
extern const struct backend backend_epoll, backend_uring;

struct rpcbuf_engine {
	struct rpcbuf *mm;
	const struct backend *backend;
	struct rpcbuf_mempool *reserve; /* a vector, for whichever loop is short */
	struct rpcbuf_mempool *replies_reserve; /* ... for that of replies */
	struct rpcbuf_handlers handlers;
	struct rpcbuf_engine_options options;
	struct rpcbuf_record_limits machine_limits;
	uint64_t unsent_conn_limit; /* bytes that unsent replies to one peer may pin */
	uint64_t unsent_limit;	    /* ... and those to all */
	uint32_t nr_slots;     /* of a stream and of a call */
	unsigned int nr_loops; /* that clients' connections are spread over */
	struct loop *loops;    /* ... and one more, see engine_all_loops() */
	struct rpcbuf_publisher *publisher; /* atomic; NULL: none */

	struct rpcbuf_shrinker shrinker; /* registered until the stop */
	uint64_t stop_ns;		 /* when to let go of everything */
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

/* The owner of @loop calls; @lock, a pthread_mutex_t, is held.  In debug builds:
 * of a loop that has no thread, as in unit tests, anybody is the owner. */
#define assert_owner(loop)                                          \
	rpcbuf_assert_debug(!os_load(&(loop)->handover.owner_id) || \
			    os_load(&(loop)->handover.owner_id) ==  \
				    os_thread_id())
#define assert_held(lock) rpcbuf_assert_debug(pthread_mutex_trylock(lock) != 0)

/* options.c: after a sentence to ->log if not. */
/* Takes over what the caller gave; says what is wrong with the sizes. */
int engine_options_read(struct rpcbuf_handlers *handlers,
			const struct rpcbuf_handlers *given_handlers,
			struct rpcbuf_engine_options *options,
			const struct rpcbuf_engine_options *given);

bool engine_options_valid(const struct rpcbuf_handlers *handlers,
			  const struct rpcbuf_engine_options *options);
/* Tells the handler what rpcbuf_why() says; returns @err. */
int engine_refused(const struct rpcbuf_handlers *handlers, int err);
/* -EINVAL, after a sentence. */
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

/* step.c: false when the loop was given to another thread meanwhile */
bool loop_step(struct loop *loop, struct rpcbuf_conn *conn);

/* conn.c */
struct rpcbuf_conn *conn_create(struct loop *loop, struct client *client,
				int fd, void *data, bool outgoing);
/* Nothing is to be done for @conn until the back end reports it.  False: it
 * cannot, so @conn has ended, and may be gone already. */
bool conn_watch(struct rpcbuf_conn *conn);
/* The back end: bytes or an end have come.  @events: as of poll(2). */
void conn_event(struct rpcbuf_conn *conn, uint32_t events);
void conn_end(struct rpcbuf_conn *conn, enum rpcbuf_close_reason reason);
bool conn_try_close(struct rpcbuf_conn *conn);
void conn_refuse(struct rpcbuf_conn *conn, int err,
		 const struct rpcbuf_record_refusal *refusal);

/* batch.c: the owner only, but for batch_uncork_late() */
void batch_begin(struct loop *loop, struct rpcbuf_conn *conn);
void batch_uncork_late(struct loop *loop);
bool batch_joins(struct loop *loop, const struct rpcbuf_conn *conn);
void batch_uncork(struct loop *loop);
void batch_end_conn(struct rpcbuf_conn *conn);

/* observe.c: while somebody looks on */
void observe_begin(const struct rpcbuf_conn *conn);
void observe_received(const struct rpcbuf_conn *conn,
		      const struct rpcbuf_call *call);
void observe_dispatched(const struct rpcbuf_call *call);
void observe_replied(const struct rpcbuf_call *call);
void observe_reply(const struct rpcbuf_call *call, uint64_t bytes,
		   uint32_t pages, uint32_t reserved);

#endif /* RPCBUF_ENGINE_PRIVATE_H */
