/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of the engine share.
 *
 *   engine.c   creation and stop
 *   stats.c    statistics
 *   options.c  what its options may be
 *   acceptor.c connections are accepted, for who has no other thread for that
 *   adopt.c    adoption
 *   log.c      what is said, and how often
 *   client.c   connections from one address
 *   successor.c ... that take the place of others
 *   fair.c     who is next
 *   observe.c  what the probes are told
 *   admit.c    how much a connection may receive, or what it waits for
 *   quota.c    ... what unfinished records hold, and who goes on at the limit
 *   gate.c     ... who begins a long record, of many that would
 *   shortage.c ... who is given pages when there are none
 *   turn.c     one at a time
 *   rota.h     those who wait, by client
 *   heap.c     bytes of the heap
 *   lag.c      how far a record lags behind a least rate
 *   reception.c  the states of a connection, and all moves between them
 *   reception_check.c  ... whether it holds what its state says
 *   loop.c     the owner of a loop: when to look, and when to block
 *   step.c     one look at one connection: runs a call, or receives
 *   receive.c  ... one receive
 *   intake.c   ... into which pages
 *   conns.c    the connections of a loop, and the post for its owner
 *   limits.c   time limits, once a second
 *   spare.c    pages that a loop can spare
 *   shrink.c   ... when it is asked for them
 *   reply.c    a reply: its pieces, and what it owns
 *   writer.c   ... and how one is written
 *   out.c      the send list: replies in, system calls out
 *   hold.c     replies that leave together
 *   sending.c  ... of a connection: when the loop goes on, and its bounds
 *   call.c     a call
 *   flight.c   ... how many of a connection are in flight
 *   batch.c    replies that leave together
 *   delegate.c calls that sleep
 *   conn.c     a connection's life
 *   worker.c   the pool of threads
 *   handover.c whose a loop is while its owner runs a call
 *   watcher.c  ... the thread that gives it away
 *   replies.c  the loop of connections that this process opened
 *   epoll.c    a back end
 *   uring.c    another; ring.c is an io_uring of one thread
 *   trace.c    what readers of the segment see: a record per call
 *   figures.c  ... and what is counted
 *
 * A loop is the receiving side of a set of connections.  It has one owner at
 * a time, a worker thread; everything in it and in its connections belongs to
 * the owner, except what is named below.  While a call runs, the owner
 * touches none of it, and the watcher may give the loop to another thread.
 * What a connection is at, reception_move() alone changes, and with it the list
 * that it is on, what the back end watches, and which turns it keeps.
 *
 * Lock order: engine->threads_lock or clients_lock, then loop->lock.  None is
 * held over a handler, or a system call that can block.  The locks of send lists
 * (out.h) come after all.
 */
#ifndef RPCBUF_ENGINE_PRIVATE_H
#define RPCBUF_ENGINE_PRIVATE_H

#include <pthread.h>
#include <rpcbuf/budget.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/stream.h>

#include "rpcbuf/engine/admit.h"
#include "rpcbuf/engine/conns.h"
#include "rpcbuf/engine/flight.h"
#include "rpcbuf/engine/handover.h"
#include "rpcbuf/engine/heap.h"
#include "rpcbuf/engine/intake.h"
#include "rpcbuf/engine/lag.h"
#include "rpcbuf/engine/receive.h"
#include "rpcbuf/engine/reception.h"
#include "rpcbuf/engine/replies.h"
#include "rpcbuf/engine/sending.h"
#include "rpcbuf/engine/shrink.h"
#include "rpcbuf/engine/spare.h"
#include "rpcbuf/engine/trace.h"
#include "rpcbuf/engine/watcher.h"
#include "rpcbuf/engine/worker.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/list.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/probes.h"
#include "rpcbuf/os/ratelimit.h"
#include "rpcbuf/os/stat.h"

struct loop;

#define ENGINE_RECEIVERS_MAX 64u

#define CLIENT_KEY 16	    /* bytes of an address */
#define CLIENT_BUCKETS 256u /* a power of two */
#define PORT_BUCKETS   1024u /* likewise */

/* The connections of a client in one loop. */
struct client_part {
	struct list_head link;	/* loop->ready, while any of it is ready */
	struct list_head ready; /* of these connections */
	struct client *client;
	struct gate_client gate;
	int64_t credit_ns;	/* time of the loop that it may still have */
	uint64_t used_ns;	/* ... that it had; other loops read it */
	uint64_t elsewhere_ns;	/* that it had in other loops, at a look */
	uint32_t held;		/* pages; other loops read it */
	unsigned int nr_conns;	/* atomic; changed under loop->lock */
} __attribute__((aligned(64))); /* each loop writes its own */

/* Why a record was refused. */
enum refusal {
	REFUSED_LENGTH,
	REFUSED_FRAGMENTS,
	REFUSED_SHORT,
	REFUSED_TIMEOUT,
	NR_REFUSALS
};

struct client {
	struct list_head link; /* engine->clients[] */
	uint8_t key[CLIENT_KEY];
	unsigned int nr_conns; /* atomic; changed under clients_lock */
	struct admit_client admit;
	uint64_t refused[NR_REFUSALS]; /* atomic */
	struct rpcbuf_client *row;     /* the publisher's */
	struct client_part *parts;     /* of each loop */
};

struct rpcbuf_conn {
	struct reception reception;
	struct list_head conn_link;  /* loop->conns, under loop->lock */
	struct list_head post_link;  /* loop->posted, under loop->lock */
	struct list_head port_link;  /* engine->ports[], under clients_lock */
	struct loop *loop;
	struct client_part *part;    /* the connections that it shares with */
	void *data;
	int fd;
	enum rpcbuf_close_reason reason; /* of one that is ending */
	bool readable;	/* bytes, or the end, may be in the socket */
	bool watched;	/* epoll's: it is registered there */
	bool outgoing;
	bool moved;	/* the call under way, to a run */
	bool drained;	/* stopping: the socket was empty once */
	uint32_t last_length; /* of the last call, in bytes on the wire */
	uint32_t next_length; /* of the next, looked at in the socket; or 0 */
	uint8_t small_calls; /* in a row, up to SMALL_CALLS */
	uint32_t nr_calls; /* wraps */
	uint32_t arm;	/* io_uring's: its place in loop->ring, plus 1 */
	uint64_t progress_ns; /* when something was last received */
	uint64_t record_ns;   /* when the record under way began, or 0 */
	struct lag lag;	      /* of that, while its peer is waited for */
	struct admission admit;
	uint64_t slow_ns;     /* since when it brings little, or 0 */
	uint32_t slow_filled; /* what had come of its record then, in bytes */
	struct rpcbuf_stream stream;
	void **slots;	/* the stream's array: NULL while it is empty */
	struct conn_counts counts;
	struct conn_trace trace;
	uint16_t port;	/* of its peer, or 0 */
	uint32_t events;	/* epoll's: those it is registered for, or 0 */
	struct sending sending; /* sending.c's */

	/* Any thread, atomically. */
	int refs;	/* the engine, the adapter, each call, each arm */
	int armed;	/* requests that hold the socket, of any ring */
	int in_flight;	/* calls not done */
	uint32_t reply_bytes; /* of the call that was done last */
	uint64_t call_ticks; /* that its calls take, on average */
	uint64_t slept; /* how many of 256 of its long calls slept, likewise */
	bool dropped;	/* rpcbuf_conn_drop() */
	bool gone;	/* its peer is: nobody would get a reply */
	bool waits;	/* for another one to end: successor.c */
	uint8_t awaits; /* enum conn_awaits: tells a call to post */
	bool posted;	/* on loop->posted; under loop->lock */
};

/* The owner's stat_add(). */
struct loop_stats {
	uint64_t requests, pages, runs, bytes_received, receives;
	uint64_t refused_length, refused_fragments, refused_short;
	uint64_t refused_timeout, closed_idle, closed_unread;
	uint64_t parked_pages, parked_partial, parked_unsent, parked_calls;
	uint64_t parked_long;
	uint64_t runs_reserved, pages_reserved; /* for long records */
	uint64_t batches, fills_timed, fill_ns_sum;
	uint64_t hist_pages[RPCBUF_HIST_PAGES];
	uint64_t hist_fill_ns[RPCBUF_HIST_NS];
};


struct loop {
	struct rpcbuf_engine *engine;
	const struct backend *backend;
	int poll_fd;
	struct ring *ring;	 /* of the owner; NULL: epoll is used */
	struct ring *spare_ring; /* for an owner that has none yet */
	struct worker *worker;	 /* io_uring's: the owner */
	uint64_t retry_ns;	 /* ... when to look for a ring again */
	bool kick_armed;	 /* ... in `ring` */
	int kick_fd; /* eventfd: look at posted, at parked, at the stop flag */

	/* The owner's. */
	struct rpcbuf_rqst *rqst; /* filled in bulk, through the caches */
	struct rpcbuf_rqst *run;  /* one run, for payloads */
	struct list_head ready;	  /* of clients */
	struct client_part *served; /* the last, if it pays */
	uint64_t served_ns;	  /* ... until then it has */
	struct admit_loop admit;
	struct rpcbuf_conn *running; /* the last call is of; NULL: not known */
	struct list_head unsent;     /* connections that wait FOR_READER */
	struct list_head ending;     /* connections */
	void **spare_slots;
	uint64_t now_ns;
	uint64_t missed_ns; /* that it did not run before now_ns */
	uint64_t next_scan_ns;
	uint64_t received_ns;	  /* when bytes last came */
	unsigned int steps;	  /* since the last look at the back end */
	unsigned int batch_left;  /* calls that may join the batch */
	bool batch_more;	  /* another call follows the one at hand */
	uint64_t batch_end_ns;	  /* when none may join any more */
	unsigned int spin_misses; /* polls in a row that found nothing */
	unsigned int spin_skip;	  /* polls to leave out */
	bool kicked;		  /* kick_fd was readable */
	struct loop_trace trace;

	uint32_t turn __attribute__((aligned(64))); /* atomic */
	struct rpcbuf_conn *batched; /* atomic: replies to it are held back */
	int owner_id;		    /* atomic: the owner's os_thread_id() */
	uint32_t seen_turn;	    /* the watcher's: turn at its last look, */
	unsigned int seen_running;  /* and looks at which the owner ran */
	bool slept;		    /* ... and that the last one it took did */

	pthread_mutex_t lock;	    /* conns, looked_at, posted */
	struct list_head conns;
	struct list_head looked_at; /* ... by the owner, now */
	struct list_head posted;    /* adopted, or changed elsewhere */
	unsigned int nr_conns;	    /* atomic; changed under the lock */
	unsigned int nr_clients;    /* that these are of; likewise */

	uint32_t shrink; /* atomic: enum shrink */

	struct loop_stats stats __attribute__((aligned(64)));
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
	/* Likewise: calls sending_go_on() when its socket takes bytes. */
	int (*watch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	void (*unwatch_out)(struct loop *loop, struct rpcbuf_conn *conn);
	/* Reports ready connections through conn_report(); returns how many,
	 * kicks not counted.  @timeout_ms: -1 is for ever. */
	int (*wait)(struct loop *loop, int timeout_ms);
};
extern const struct backend backend_epoll, backend_uring;

struct rpcbuf_engine {
	struct rpcbuf *mm;
	const struct backend *backend;
	struct rpcbuf_publisher *publisher; /* atomic; NULL: none */
	struct rpcbuf_mempool *reserve; /* a vector, for whichever loop is short */
	struct rpcbuf_handlers handlers;
	struct rpcbuf_engine_options options;
	struct rpcbuf_record_limits machine_limits;
	uint64_t unsent_conn_limit; /* bytes that replies to one peer may keep */
	uint64_t unsent_limit;	    /* ... and those to all */
	uint32_t nr_slots;     /* of a stream and of a call */
	int calls_limit;       /* in flight on a connection */
	int calls_resume;      /* so few that it goes on */
	uint64_t long_ticks;   /* a call of so many is long; 0: none is */
	unsigned int nr_loops; /* that clients' connections are spread over */
	struct loop *loops;    /* ... and one more, see engine_all_loops() */

	struct rpcbuf_shrinker shrinker; /* registered until the stop */
	bool stopping;	       /* atomic */
	uint64_t stop_ns;      /* when to let go of everything */

	/* atomic */
	struct admit_engine admit;
	struct heap heap;
	uint64_t unsent_bytes;	/* of replies that wait in send lists */
	uint64_t unsent_pinned; /* ... and of the memory that these keep */
	uint32_t connections;
	uint32_t in_flight;
	uint64_t refused_connections;
	uint64_t connections_total;
	uint64_t bytes_copied;
	uint64_t payloads_in_place, payloads_copied;
	uint32_t spinning;
	uint32_t next_loop;

	pthread_mutex_t clients_lock;
	struct list_head clients[CLIENT_BUCKETS]; /* by address */
	unsigned int nr_clients; /* atomic; changed under clients_lock */
	struct list_head ports[PORT_BUCKETS]; /* connections, by their peers' */

	uint64_t log_wait_ns[NR_WAITS_FOR]; /* atomic: when to say it again */
	struct ratelimit log_limit;

	struct workers workers;
	struct watcher watcher;
	uint64_t delegated;	 /* calls; atomic */
	bool replies_starting;	  /* under workers.lock */
	unsigned int replies_run; /* 1: the loop of replies; atomic */
};

/* options.c: after a sentence to ->log if not. */
bool engine_options_valid(const struct rpcbuf_handlers *handlers,
			  const struct rpcbuf_engine_options *options);
/* Tells the handler what rpcbuf_why() says; returns @err. */
int engine_refused(const struct rpcbuf_handlers *handlers, int err);
/* -EINVAL, after a sentence. */
int engine_budget_refused(const struct rpcbuf_handlers *handlers,
			  uint64_t pages, unsigned int least);

/* log.c */
#define LOG_PEER_MAX 80u
void engine_log(struct rpcbuf_engine *engine, enum rpcbuf_log_level level,
		const char *format, ...) __attribute__((format(printf, 3, 4)));
void log_peer_name(int fd, char *name, size_t len);
bool log_wait_due(const struct rpcbuf_conn *conn, enum waits_for what);
void log_wait(const struct rpcbuf_conn *conn, enum waits_for what,
	      const char *bound, uint64_t value, uint64_t limit);

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
	return engine->nr_loops + os_load_acquire(&engine->replies_run);
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

/* limits.c: the owner only */
void conn_check_times(struct rpcbuf_conn *conn);
void loop_excuse(struct loop *loop, uint64_t since_last_ns);

/* client.c: any thread */
struct client *client_get(struct rpcbuf_engine *engine, int fd, bool outgoing);
uint16_t client_port(int fd);
void client_put(struct rpcbuf_engine *engine, struct client *client);
struct loop *client_choose_loop(struct rpcbuf_engine *engine,
				const struct client *client);

/* successor.c */
void successor_join(struct rpcbuf_conn *conn);
void successor_leave(struct rpcbuf_conn *conn);
bool successor_waits(struct rpcbuf_conn *conn);
bool successor_overdue(struct rpcbuf_conn *conn);

/* fair.c */
void fair_add(struct rpcbuf_conn *conn);
void fair_del(struct rpcbuf_conn *conn);
struct rpcbuf_conn *fair_next(struct loop *loop, uint64_t (*clock)(void));
void fair_charge(struct loop *loop, uint64_t (*clock)(void));
void fair_join(struct rpcbuf_conn *conn);
void fair_leave(struct rpcbuf_conn *conn);

/* conn.c */
struct rpcbuf_conn *conn_create(struct loop *loop, struct client *client,
				int fd, void *data, bool outgoing);
/* Nothing is to be done for @conn until the back end reports it.  False: it
 * cannot, so @conn has ended, and may be gone already. */
bool conn_watch(struct rpcbuf_conn *conn);
/* The back end: bytes or an end have come.  @events: as of poll(2). */
void conn_report(struct rpcbuf_conn *conn, uint32_t events);
void conn_end(struct rpcbuf_conn *conn, enum rpcbuf_close_reason reason);
bool conn_try_close(struct rpcbuf_conn *conn);
void conn_refuse(struct rpcbuf_conn *conn, int err,
		 const struct rpcbuf_record_refusal *refusal);

/* call.c: on a worker, but for call_put() */
size_t call_size_on_heap(const struct rpcbuf_engine *engine);
struct rpcbuf_call *call_get(struct rpcbuf_engine *engine);
void call_put(struct rpcbuf_engine *engine, struct rpcbuf_call *call);
void call_dispatch(struct rpcbuf_engine *engine, struct rpcbuf_call *call);
void call_thread_enter(struct worker *worker);
void call_thread_exit(void);
/* Is @call the one that the handler has by this thread? */
bool call_is_running(const struct rpcbuf_call *call);

/* batch.c: the owner only, but for batch_release_late() */
void batch_begin(struct loop *loop, struct rpcbuf_conn *conn);
bool batch_goes_on(struct loop *loop, const struct rpcbuf_conn *conn);
void batch_release(struct loop *loop);
void batch_release_late(struct loop *loop);
void batch_forget(struct rpcbuf_conn *conn);

/* observe.c: while somebody looks on */
void observe_begin(const struct rpcbuf_conn *conn);
void observe_received(const struct rpcbuf_conn *conn,
		      const struct rpcbuf_call *call);
void observe_dispatched(const struct rpcbuf_call *call);
void observe_replied(const struct rpcbuf_call *call);

/* delegate.c: a clock is for the thread that runs a call */
struct call_clock {
	uint64_t ticks;
	bool full; /* what follows is known */
	uint64_t ns, cpu_us;
	long sleeps;
};
void delegate_init(struct rpcbuf_engine *engine);
bool delegate_call(struct rpcbuf_conn *conn, struct rpcbuf_call *call);
void delegate_learn_taken(struct loop *loop);
void call_clock_start(struct call_clock *clock, const struct rpcbuf_conn *conn);
void call_clock_stop(const struct call_clock *clock, struct rpcbuf_conn *conn);

#endif /* RPCBUF_ENGINE_PRIVATE_H */
