/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/engine.h - receives calls from many connections and runs them.
 *
 * One thread receives, hands a complete call to the handler, and goes on when
 * the handler returns: no hand-off between threads for a call that is quick.
 * When a call runs long, another thread takes over the waiting work of the
 * first, so a slow call delays neither its own connection nor any other.
 *
 * The engine reads from descriptors of its owner's, and sends replies on them; it
 * never closes them.
 *
 * An engine stays with the process that made it: after fork(2), the parent.  The
 * threads do not come along, and what is unsent is the parent's to send.  In the
 * child functions that return an error return -EPERM, after a sentence to standard
 * error, the first time, where they are about the engine; a reply that is handed
 * over is freed.  rpcbuf_engine_stats() says that there are no threads, the others
 * do nothing.
 */
#ifndef RPCBUF_ENGINE_H
#define RPCBUF_ENGINE_H

#include <rpcbuf/cursor.h>
#include <rpcbuf/record.h>
#include <rpcbuf/reply.h>
#include <rpcbuf/tbl/engine_counters.def>
#include <rpcbuf/tbl/options.def>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_engine;
struct rpcbuf_conn;
struct rpcbuf_event; /* rpcbuf/segment.h */

/* A call on its way through a handler. */
struct rpcbuf_call {
	struct rpcbuf_message message;
	struct rpcbuf_conn *conn;
	void *conn_data;       /* what rpcbuf_engine_adopt() was given */
	uint64_t bytes_copied; /* the handler adds what it copied out */
	unsigned int in_place; /* ... payloads it could use where they lie */
	unsigned int copied;   /* ... and payloads it had to copy */
	uint32_t reply_bytes;  /* of its reply: rpcbuf_call_reply() counts
				* them */
	uint32_t reply_pages;  /* ... the pages that this was encoded in */
	uint32_t reply_reserved; /* ... and those of them from a reserve */
	struct rpcbuf_respages respages; /* for its reply: the handler's until
				* the call is done.  A page at least, where
				* the engine has options.replies */
	uint32_t number;       /* of its connection's calls, in the order in
				* which they came, from 0: two may reach the
				* handler in another order, on two threads */
	void *private_data;    /* handler_size bytes for the handler, aligned
				* to 16, contents undefined */
	bool later;	       /* it is not to be run, but to be answered that
				* it be sent again later: see ->share */
	int share;	       /* the number of its share; -1: it has none, or
				* none yet, see rpcbuf_call_share() */
	struct rpcbuf_event *event; /* the engine's: the record of this call
				     * for rpcbuf-trace, or NULL */
};

/* Why a connection ended. */
enum rpcbuf_close_reason {
	RPCBUF_CLOSE_EOF,	/* the peer is done, and was answered */
	RPCBUF_CLOSE_ERROR,	/* the socket failed or was reset */
	RPCBUF_CLOSE_REFUSED,	/* it broke a limit */
	RPCBUF_CLOSE_IDLE,	/* nothing came for idle_timeout */
	RPCBUF_CLOSE_DROPPED,	/* rpcbuf_conn_drop() */
	RPCBUF_CLOSE_STOP,	/* the engine stops */
	RPCBUF_CLOSE_UNREAD,	/* it read nothing of a reply for its time */
};

enum rpcbuf_log_level {
	RPCBUF_LOG_ERROR,
	RPCBUF_LOG_WARNING,
	RPCBUF_LOG_INFO,
	RPCBUF_LOG_DEBUG,
};

/*
 * What the engine calls.  `call` and `closed` are required.
 */
struct rpcbuf_handlers {
	size_t size; /* sizeof(struct rpcbuf_handlers) */
	/*
	 * Run @call.  On a thread of the engine, with no lock held; may sleep.
	 * May return before the call is finished.  In the end, on any thread,
	 * rpcbuf_call_done() gives the call back.
	 */
	void (*call)(struct rpcbuf_call *call);
	/*
	 * The engine is done with the descriptor: no thread uses the connection
	 * any more and no call of it is in flight.  The owner may close the
	 * descriptor.  A stop that runs out of time ends connections whose calls
	 * still run; these have returned when rpcbuf_engine_stop() returns 0.
	 */
	void (*closed)(void *conn_data, enum rpcbuf_close_reason reason);
	/* Each thread of the engine calls these first, with its name, and
	 * last.  May be NULL. */
	void (*thread_start)(const char *name);
	void (*thread_stop)(void);
	/* One line without a newline.  May be NULL. */
	void (*log)(enum rpcbuf_log_level level, const char *line);
	/*
	 * The share of @call, which ->call gets next: 0 to 65535, for a file
	 * server the number of an export; -1: none.  A share has at most half of
	 * max_threads, and a client at most half of these (one thread at least);
	 * further calls are queued without a thread, and calls of other shares
	 * may overtake them.  When no call of a client in a share has returned
	 * for a second, and the connection nearly has max_calls in flight or
	 * queued calls hold a quarter of the memory, ->call gets further ones of
	 * that client at once with ->later set.  On the thread that receives:
	 * must not wait.
	 * May be NULL: there are no shares.
	 */
	int (*share)(const struct rpcbuf_call *call);
	const char *share_name; /* what the log calls a share; or NULL */
};

enum rpcbuf_backend {
	RPCBUF_BACKEND_AUTO, /* the best that the kernel allows */
	RPCBUF_BACKEND_EPOLL,
	RPCBUF_BACKEND_URING, /* io_uring, or an error: Linux 6.1 and later,
			       * where nothing forbids it */
};

/* Start from RPCBUF_ENGINE_OPTIONS_INIT.  rpcbuf/tbl/options.def says what each
 * member is for, with its range and its default. */
struct rpcbuf_engine_options {
	size_t size; /* sizeof(struct rpcbuf_engine_options) */
	struct rpcbuf_record_limits limits;
#define X(type, member, ...) type member;
	RPCBUF_ENGINE_OPTIONS(X)
#undef X
};

#define RPCBUF_OPTION_INIT(type, member, least, most, initial, ...) \
	.member = initial,

#define RPCBUF_ENGINE_OPTIONS_INIT                                   \
	{                                                            \
		.size = sizeof(struct rpcbuf_engine_options),        \
		.limits = {RPCBUF_LIMIT_OPTIONS(RPCBUF_OPTION_INIT)}, \
		RPCBUF_ENGINE_OPTIONS(RPCBUF_OPTION_INIT)            \
	}

/*
 * rpcbuf_engine_create - make an engine and start its threads.
 *
 * Threads start with all signals blocked and with the capabilities of the
 * caller.  Returns 0; -EINVAL when an option is out of range or @mm is too
 * small for one vector per receiver and two more (fewer receivers are taken
 * first), and ->log was told which and what it must be; -EINVAL without a line
 * or a sentence when ->call or ->closed is NULL; -EINVAL or -E2BIG for a wrong
 * `size` of @handlers or @options; -ENOTSUP when @options names a back end that the system does not have, and ->log was told why;
 * -EPERM in a child of the process that made @mm; -ENOMEM, or the errno of what
 * could not be created.
 */
int rpcbuf_engine_create(struct rpcbuf_engine **engine, struct rpcbuf *mm,
			 const struct rpcbuf_handlers *handlers,
			 const struct rpcbuf_engine_options *options);

/*
 * rpcbuf_engine_stop - answer what was received, let go of every connection,
 * end the threads.
 *
 * Calls that are complete are run; nothing new is read.  Takes at most
 * @timeout_ms; connections that are not done after two fifths are let go as
 * they are.  Returns 0, or -ETIMEDOUT when calls are still in flight: the
 * engine then must not be destroyed.  Not from a thread of the engine.
 */
int rpcbuf_engine_stop(struct rpcbuf_engine *engine, unsigned int timeout_ms);

/* Frees an engine, after rpcbuf_engine_stop() has returned 0.  No other thread is
 * in a call on it, and none follows but rpcbuf_conn_put().  Does not wait. */
void rpcbuf_engine_destroy(struct rpcbuf_engine *engine);

/* "io_uring" or "epoll": what this engine really uses. */
const char *rpcbuf_engine_backend(const struct rpcbuf_engine *engine);

/*
 * rpcbuf_engine_adopt - receive from the stream socket @fd from now on.
 *
 * @conn_data is given to the handlers.  @outgoing: a connection that this
 * process opened, whose replies arrive here: it has no idle timeout, none of
 * its records is too short to be a call, and they are received by a thread of
 * their own, beside max_threads, whatever calls the others sit in.  *@conn is
 * stored atomically, before any handler is called for it: another thread that
 * sees it there may drop and put it while this still runs, and ->closed() may
 * have been called when it returns.  Returns 0; -ESHUTDOWN when the engine
 * stops, -EBADF, -ENOTSOCK or -ESOCKTNOSUPPORT when @fd is no stream socket,
 * -EUSERS when there are max_connections already, or when connections take half
 * of the heap that they and calls may, or both take all of it (logged; the owner
 * had better close @fd; an outgoing one is never refused so), -ENOMEM: the engine
 * does not use @fd then, and *@conn is untouched.  A socket that the system
 * cannot watch, for want of memory, ends with RPCBUF_CLOSE_ERROR.  The caller holds a reference on *conn:
 * rpcbuf_conn_put() it.
 *
 * Calls that have not begun when a connection is reset are not run, as in the
 * kernel's nfsd (svc_handle_xprt() and XPT_CLOSE).  Where a client comes back
 * from the port of such a connection, nothing is read from the new one until
 * the calls of the old one are done, for at most 5 s: it may send them again.
 */
int rpcbuf_engine_adopt(struct rpcbuf_engine *engine, int fd, void *conn_data,
			bool outgoing, struct rpcbuf_conn **conn);

/* The owner takes the descriptor away: ->closed() follows when its calls in
 * flight are done, on a thread of the engine, unless it was called already.  To
 * end the stream, shut it down before closing it: a thread that sits in a call
 * may hold the socket until it returns.  Any thread. */
void rpcbuf_conn_drop(struct rpcbuf_conn *conn);

/* Drops the reference that rpcbuf_engine_adopt() returned.  Any thread; waits for
 * no more than a lock. */
void rpcbuf_conn_put(struct rpcbuf_conn *conn);

/*
 * rpcbuf_call_reply - send the reply to @call.
 *
 * @reply is the engine's in any case.  Before rpcbuf_call_done(); never waits,
 * neither for other writers nor for the peer: what the socket does not take, the
 * engine sends when it does.  Where the next call of the same receive is at
 * hand, and the handler still has @call on the thread that gave it, the reply
 * may be held back to leave with the next one (rpcbuf/out.h says how long).
 *
 * Unsent replies count by the memory that they pin.  A connection is not read from,
 * and no more of its calls are run:
 * - while its socket is full and its replies pin more than 64 KiB;
 * - while its replies pin more than max_unsent and more than the longest record,
 *   which is logged;
 * - while the replies of all pin a quarter of the budget and it has any unsent.
 *
 * A peer that takes no byte of a reply for rpcbuf_conn_set_send_timeout() is let go
 * of with RPCBUF_CLOSE_UNREAD.
 * (The kernel's server: svc_tcp_has_wspace(), svc_tcp_sendto() and the socket's
 * sk_sndtimeo of 30 s.)
 *
 * Returns 0; 1 when it is held back; -EPIPE when the connection's sending has
 * ended.  Any thread.
 */
int rpcbuf_call_reply(struct rpcbuf_call *call, struct rpcbuf_reply *reply);

/*
 * rpcbuf_call_reply_join - send a short reply with one that is held back.
 *
 * As rpcbuf_call_reply(), with the bytes at @bytes, which are copied: see
 * rpcbuf_out_join() in rpcbuf/out.h.  -EAGAIN: it has to be a reply of its own;
 * nothing was sent.
 */
int rpcbuf_call_reply_join(struct rpcbuf_call *call, const void *bytes,
			   size_t len);

/* As rpcbuf_call_reply(), for what is no reply.  The caller holds a reference on @conn. */
int rpcbuf_conn_send(struct rpcbuf_conn *conn, struct rpcbuf_reply *reply);

/*
 * rpcbuf_conn_flush - wait until all that was given to @conn has left.
 *
 * For a caller that needs bytes back that a reply refers to, or has no memory for
 * more.  As rpcbuf_out_flush(): waits for the peer, until @until_ns of CLOCK_MONOTONIC at
 * most; sending has ended after a wait that timed out, and the connection should
 * be dropped.
 */
int rpcbuf_conn_flush(struct rpcbuf_conn *conn, uint64_t until_ns);

/* For how many seconds the peer may take no byte of a reply, since the socket was
 * full: 30 unless this says otherwise; at least 1.  Any thread. */
void rpcbuf_conn_set_send_timeout(struct rpcbuf_conn *conn, uint32_t seconds);

/*
 * rpcbuf_call_be_short - is the reply to @call to be as short as it may?
 *
 * Replies that peers do not read pin memory, each connection's within its bound.
 * Returns true when the replies of all connections pin half of the budget and those
 * of this client (address) their part of a further quarter, which all clients share
 * equally; and when all pin three quarters.  Then a handler that may answer with
 * less, or use memory of its own, should: a READ may have fewer bytes than were
 * asked for (RFC 1813, 3.3.6; RFC 8881, 18.22.3), and the client asks for the rest.
 * So no connection waits for another one's peer, and large replies pin three
 * quarters of the budget at most, beside those of the calls that run at that moment.
 * Counted and logged.  Any thread that has @call; waits for no more than a lock.
 */
bool rpcbuf_call_be_short(struct rpcbuf_call *call);

/*
 * rpcbuf_call_share - set the share of a running call.
 *
 * For a call whose share the handler ->share could not tell.  Called by the thread
 * that runs ->call, before it might wait.  Returns 0: the call counts in @number
 * until ->call returns; or -EBUSY: the share has no thread left, ->later is set, and
 * the handler must answer so.  A call that has a share keeps it.
 */
int rpcbuf_call_share(struct rpcbuf_call *call, unsigned int number);

/* The handler is done with @call, once: its pages go back, and @call is not used
 * any more.  Any thread; waits for no more than a lock. */
void rpcbuf_call_done(struct rpcbuf_call *call);

/* Statistics: rpcbuf/tbl/engine_counters.def says what each member counts.  Start
 * from RPCBUF_ENGINE_STATS_INIT. */
struct rpcbuf_engine_stats {
	size_t size; /* sizeof(struct rpcbuf_engine_stats) */
#define X(name, ...) uint64_t name;
	RPCBUF_ENGINE_STATS(X)
#undef X
#define X(member, name, buckets, ...) uint64_t hist_##member[buckets];
	RPCBUF_ENGINE_HISTOGRAMS(X)
#undef X
};

#define RPCBUF_ENGINE_STATS_INIT { .size = sizeof(struct rpcbuf_engine_stats) }

/* Fills *stats with sums over the loops; each figure is exact at some moment during
 * the call.  Returns 0; -EINVAL or -E2BIG for a wrong `size`. */
int rpcbuf_engine_stats(struct rpcbuf_engine *engine,
			struct rpcbuf_engine_stats *stats);

/*
 * rpcbuf_engine_publish - show the engine in the segment of @publisher.
 *
 * Once for an engine; the publisher must outlive its calls.
 * rpcbuf_engine_destroy() takes the engine out again.  0, or what
 * rpcbuf_publisher_add() returns.
 */
struct rpcbuf_publisher;
int rpcbuf_engine_publish(struct rpcbuf_engine *engine,
			  struct rpcbuf_publisher *publisher);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_ENGINE_H */
