/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the parts of librpcbuf_tirpc share; README.md has the files in their order.
 *
 * Lock order: conn->lock, home.lock, table_lock().  None is held over a dispatcher
 * or over sending that may wait, but for the one of encode.c.
 */
#ifndef RPCBUF_TIRPC_PRIVATE_H
#define RPCBUF_TIRPC_PRIVATE_H

#include <pthread.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/out.h>
#include <rpcbuf/stream.h>
#include <rpcbuf/tirpc.h>

#include <rpc/rpc_com.h>
#include <rpc/svc_mt.h>

#include "rpcbuf/os/list.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/tirpc/xdr_pages.h"

/* Pages that one receive of svc_run() fills: pages that were used a moment ago are
 * still in the processor's caches. */
#define RECEIVE_PAGES 64u

struct listener {
	SVCXPRT xprt; /* first: found by it */
	SVCXPRT_EXT ext;
	struct rpcbuf_svc_options options;
	int spare_fd; /* to close when there are no others */
};

/* A call of the engine's that waits for those before it. */
struct pending {
	struct rpcbuf_call *call;
	struct pending *next;
};

struct conn {
	SVCXPRT xprt; /* first: found by it */
	SVCXPRT_EXT ext;
	struct list_head link; /* home.conns, under home.lock */
	struct rpcbuf_svc_options options;
	char verf[MAX_AUTH_BYTES];

	/* The call at hand; one thread at a time. */
	const struct rpcbuf_message *message; /* not decoded yet, or NULL */
	uint32_t xid;
	XDR xdrs;
	struct rpcbuf_xdr xdr;
	bool dispatching;
	uint64_t until_ns; /* when the client must have taken the reply; 0: we
			    * have not waited for it yet */
	bool dead;	/* atomic: nothing more is received or sent */
	bool gss_alone; /* holds the lock of gss.c */
	bool gss_used;
	uint64_t gss_ns; /* of the last call with RPCSEC_GSS, by the wall clock */

	/* Under svc_run(). */
	bool hung_up; /* the end of the stream was seen */
	struct rpcbuf_out *out;
	struct rpcbuf_stream stream;
	void **slots; /* of the stream, then those of `received` */
	struct rpcbuf_message received;

	/* Under rpcbuf_svc_run(). */
	struct rpcbuf_conn *engine_conn;
	struct rpcbuf_call *call; /* the one at hand, or NULL */
	pthread_mutex_t lock; /* all below */
	bool running;
	uint32_t due;	       /* number of the call to run next */
	struct pending *first; /* by number */
};

/* All transports; one per process. */
struct home {
	pthread_mutex_t lock; /* refs, conns, engine */
	unsigned int refs;    /* transports */
	struct rpcbuf *mm;
	bool own_mm;
	pid_t pid;
	bool forked; /* this is a child of that process */
	struct rpcbuf_rqst *rqst;	   /* rq_pages under svc_run() */
	struct rpcbuf_mempool *reserve;	   /* of pages for replies */
	struct rpcbuf_svc_options options; /* of the first transport */
	struct list_head conns;
	struct rpcbuf_engine *engine; /* while rpcbuf_svc_run() runs */
	struct rpcbuf_publisher *publisher; /* ... of that, or NULL */
	bool running;		      /* rpcbuf_svc_run() */
	bool stopping; /* atomic: it waits for the engine to stop */
	struct rpcbuf_svc_stats stats; /* atomic */
};
extern struct home home;

#define svc_stat_add(name, n) \
	__atomic_fetch_add(&home.stats.name, (n), __ATOMIC_RELAXED)

/* home.c */
void svc_log(const struct rpcbuf_svc_options *options,
	     enum rpcbuf_log_level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* The options to use, or false with errno set and a sentence in the log. */
bool svc_options(const struct rpcbuf_svc_options *given,
		 struct rpcbuf_svc_options *options);
/* False, after a sentence, in a fork of the process that made the instance. */
bool home_is_ours(const struct rpcbuf_svc_options *options);
/* Sets xp_netid, the local and the remote address: 0 or -errno. */
int xprt_addresses(SVCXPRT *xprt, bool remote);
void xprt_free_addresses(SVCXPRT *xprt);

/* home_make.c */
/* A reference for a transport: 0, or -errno after a sentence. */
int home_get(const struct rpcbuf_svc_options *options);
void home_put(void);

/* table.c */
/* Serialises registration with libtirpc against the loop that reads its
 * table of descriptors without a lock. */
void table_lock(void);
void table_unlock(void);
/* Registers a connection whose calls the engine receives: 0 or -errno after a
 * sentence. */
int table_register(struct conn *conn);
void table_unregister(struct conn *conn);
/* True for descriptors in libtirpc's table that poll(2) must not be asked for:
 * those of the engine's connections.  Under table_lock(). */
bool table_owns(int fd);
/* Runs the next call of @conn, by svc_getreq_common().  May wait for a place. */
void table_dispatch(struct conn *conn);

/* conn.c */
static inline struct conn *svc_conn_of(SVCXPRT *xprt)
{
	return (struct conn *)(void *)xprt;
}
/* A connection, served by the engine when that runs: 0 or -errno after a
 * sentence; @fd is the caller's then. */
int svc_conn_create(int fd, const struct rpcbuf_svc_options *options,
		    struct conn **conn);
void svc_conn_free(struct conn *conn);
/* The engine receives its calls from now on: 0 or -errno.  Under home.lock. */
int svc_conn_adopt(struct conn *conn);

/* call.c */
/* There is no call to decode. */
void svc_conn_no_message(struct conn *conn);
/* The call at hand is over; its message is the caller's to release. */
void svc_conn_end_call(struct conn *conn);

/* poll.c */
bool poll_receive(struct conn *conn);
enum xprt_stat poll_stat(struct conn *conn);
/* Drops what was received. */
void poll_reset(struct conn *conn);

/* run.c */
/* Makes rpcbuf_svc_run() read libtirpc's table again. */
void run_poke(void);

/* dispatch.c */
extern const struct rpcbuf_handlers dispatch_handlers;
#define DISPATCH_BYTES sizeof(struct pending)

/* gss.c */
void gss_begin(struct conn *conn, const struct rpc_msg *msg);
void gss_end(struct conn *conn);
bool gss_applies(struct conn *conn);
void gss_conn_free(struct conn *conn);

/* encode.c */
bool encode_reply(struct conn *conn, struct rpc_msg *msg);
void encode_thread_start(void);
void encode_thread_stop(void);
void encode_home_free(void);

/* deliver.c: the thread that runs the call, but for svc_conn_kill() */
static inline bool svc_conn_dead(const struct conn *conn)
{
	return os_load(&conn->dead);
}
/* Nothing more is received or sent; the end follows.  Any thread. */
void svc_conn_kill(struct conn *conn);
void deliver_begin_call(struct conn *conn);
void deliver_end_call(void);
/* The time that the client has for a reply begins. */
void deliver_begin_reply(struct conn *conn);
/* Sends @reply, now or later, or a part of one; @wait: nothing of it is needed
 * when this returns.  False: it cannot be sent. */
bool deliver(struct conn *conn, struct rpcbuf_reply *reply, bool wait);
/* Sends a short reply with one that is corked; -EAGAIN: there is none. */
int deliver_join(struct conn *conn, const void *bytes, size_t len);
/* Waits until all is sent.  Returns false on an error, or when the client does not
 * read. */
bool deliver_all(struct conn *conn);
/* Sends what the socket takes, and does not wait.  Any thread. */
void deliver_push(struct conn *conn);
/* Under svc_run(), when the call at hand is over and no other is received: flushes
 * the corked replies.  Not in a forked child, where they are the parent's. */
void deliver_flush(struct conn *conn);
void deliver_before_fork(void);
/* In a forked child: sends a whole reply, takes no lock. */
bool deliver_in_child(struct conn *conn, const void *data, size_t len);

#endif
