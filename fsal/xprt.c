/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Transports.  A transport that the engine has adopted carries a reference of
 * the engine's on itself, and the engine's connection in xp_u1, which neither
 * ntirpc nor Ganesha uses.  Whoever takes xp_u1 out, atomically, drops that
 * connection: the server when it destroys the transport, or we.
 *
 * Where a record begins in a stream can be known in one way: by having read all
 * of it.  Bytes that look like a call may be what a client writes to a file.
 * So a connection is the engine's from its first byte, or it is shut down, and
 * its peer or its owner tries again, as after a restart:
 *
 *  - One that is accepted from now on is claimed before ntirpc's epoll knows of it
 *    (rendezvous() in listener.c), so xprt_recv() leaves it alone, and adopted when
 *    ntirpc is done with making it.
 *  - Any other comes to xprt_recv() with its first event from now on: what was
 *    accepted before the tables were ours, whether at the start of the server, or
 *    because DBus or a reload brings our first export, and what the server opened
 *    itself, as callbacks, NLM, NSM and rpcbind do.  ntirpc reads from a
 *    connection only in an xp_recv function, arms its epoll once for each call of
 *    one, and only when it has read what it wants.  So when ours is called, the one
 *    before it is done with the socket, none runs beside it, and what was read can
 *    be counted: nothing, and the connection is adopted, or it is shut down.
 *  - Until then such a connection is ntirpc's as before: a record that it is in
 *    the midst of it finishes in the function that runs, or never.
 *  - What is no TCP, as the connection to rpcbind's socket, stays ntirpc's: it
 *    reads that from the first byte to the last.
 *
 * Our xp_recv does not arm ntirpc's epoll again, so after adoption the receive
 * side is ours alone.  Sending stays ntirpc's.  Our functions stay in the
 * tables for good, as the module stays mapped: ntirpc's xp_recv must never see
 * a stream that the engine has read from, and calls may still run when the
 * engine has stopped.  `gate` is held for reading while the engine is used.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"
#include "linger.h"
#include "listener.h"
#include "reply.h"
#include "request.h"
#include "sendq.h"
#include "sizes.h"
#include "untouched.h"
#include "xdr_pages.h"
#include "xprt.h"

static struct {
	pthread_rwlock_t gate;
	struct rpcbuf_engine *engine; /* under `gate`; NULL: it is gone */
	void (*listeners_gone)(void);
	struct xp_ops *connected, *listening; /* the server's tables */
	struct xp_ops stock_connected, stock_listening;
} hook = { .gate = PTHREAD_RWLOCK_INITIALIZER };

/* In xp_u1: it is about to be adopted, or could not be. */
#define CLAIMED ((struct rpcbuf_conn *)1)

/* Mark and head of an accepted reply with AUTH_NONE (RFC 5531, section 9). */
#define REPLY_HEAD 28u

static struct rpcbuf_conn **conn_of(SVCXPRT *xprt)
{
	return (struct rpcbuf_conn **)&xprt->xp_u1;
}

/* The connection that @xprt was adopted as; at most one caller gets it. */
static struct rpcbuf_conn *take_conn(SVCXPRT *xprt)
{
	struct rpcbuf_conn *conn =
		__atomic_load_n(conn_of(xprt), __ATOMIC_ACQUIRE);

	/* The thread that has claimed it will see that it is destroyed. */
	while (conn && conn != CLAIMED)
		if (__atomic_compare_exchange_n(conn_of(xprt), &conn, NULL,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return conn;
	return NULL;
}

static void drop_conn(SVCXPRT *xprt)
{
	struct rpcbuf_conn *conn = NULL;

	pthread_rwlock_rdlock(&hook.gate);
	if (hook.engine)
		conn = take_conn(xprt);
	if (conn) {
		rpcbuf_conn_drop(conn);
		rpcbuf_conn_put(conn);
	}
	pthread_rwlock_unlock(&hook.gate);
}

/* True for one thread, which adopts it then. */
static bool claim(SVCXPRT *xprt)
{
	struct rpcbuf_conn *none = NULL;

	return __atomic_compare_exchange_n(conn_of(xprt), &none, CLAIMED, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static int adopt_socket(SVCXPRT *xprt)
{
	int err = -ESHUTDOWN;

	pthread_rwlock_rdlock(&hook.gate);
	if (hook.engine)
		err = rpcbuf_engine_adopt(hook.engine, xprt->xp_fd, xprt,
					  !xprt->xp_parent, conn_of(xprt));
	pthread_rwlock_unlock(&hook.gate);
	return err;
}

/* Nothing more is read from it.  The caller holds a reference. */
static void shut_down(SVCXPRT *xprt)
{
	/* Calls of it that still run would keep the socket open. */
	shutdown(xprt->xp_fd, SHUT_RDWR);
	SVC_REF(xprt, SVC_REF_FLAG_NONE);
	SVC_DESTROY(xprt);
	sendq_bury(xprt);
}

/* After claim().  The caller holds a reference: the engine may be done with the
 * connection before this returns. */
static void adopt(SVCXPRT *xprt)
{
	uint16_t flags;

	SVC_REF(xprt, SVC_REF_FLAG_NONE);
	if (adopt_socket(xprt)) {
		shut_down(xprt);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
		return;
	}
	/* ntirpc's reaper goes by a time stamp that its own receive path
	 * keeps; the engine has a time-out of its own. */
	flags = atomic_set_uint16_t_bits(&xprt->xp_flags,
					 SVC_XPRT_FLAG_UREG);
	/* Destroyed meanwhile: xprt_unlink() may have come too early. */
	if (flags & SVC_XPRT_FLAG_DESTROYED)
		drop_conn(xprt);
}

/* Is, or will be in a moment, or was until it was destroyed; or could not be, and
 * is about to be destroyed. */
static bool is_adopted(SVCXPRT *xprt)
{
	return __atomic_load_n(conn_of(xprt), __ATOMIC_ACQUIRE) ||
	       xprt->xp_flags & SVC_XPRT_FLAG_UREG;
}

static bool is_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* In the place of xp_recv: the first event of a connection since that is, or any
 * event of one that is not taken over. */
static enum xprt_stat xprt_recv(SVCXPRT *xprt)
{
	if (is_adopted(xprt) || xprt->xp_flags & SVC_XPRT_FLAG_DESTROYED)
		return SVC_STAT(xprt);
	if (!is_tcp(xprt->xp_fd))
		return hook.stock_connected.xp_recv(xprt);
	if (!untouched(xprt->xp_fd)) {
		LogInfo(COMPONENT_DISPATCH,
			"RPCBUF: shutting down a connection that was read from before the take-over: its peer connects again");
		shut_down(xprt);
	} else if (claim(xprt)) {
		adopt(xprt);
	}
	return SVC_STAT(xprt);
}

/* ntirpc's function that writes replies, as SVC_DESTROY() names it. */
#define WRITER "svc_ioq_write"

/*
 * In the place of xp_unlink: runs once, when the transport is destroyed.
 * ntirpc's writer does that when a reply cannot be sent, and forgets it.  Those
 * that wait behind it are left to xprt_closed(), where the engine has it.
 */
static void xprt_unlink(SVCXPRT *xprt, u_int flags, const char *tag,
			const int line)
{
	bool adopted = is_adopted(xprt);

	drop_conn(xprt);
	linger_unlink(xprt);
	hook.stock_connected.xp_unlink(xprt, flags, tag, line);
	if (strcmp(tag, WRITER) != 0)
		return;
	reply_failed(xprt);
	if (!adopted) {
		SVC_REF(xprt, SVC_REF_FLAG_NONE);
		sendq_bury(xprt);
	}
}

/*
 * In the place of xp_destroy: runs once, when the last reference is gone.
 * ntirpc forgets the descriptor that it sends queued replies through when the
 * transport is destroyed between two of them.
 */
static void xprt_destroy(SVCXPRT *xprt, u_int flags, const char *tag,
			 const int line)
{
	if (xprt->xp_fd_send != -1)
		close(xprt->xp_fd_send);
	xprt->xp_fd_send = -1;
	/* The ring of a thread that sits in a call may hold the socket as well:
	 * closing it alone would not tell the peer. */
	if (xprt->xp_flags & SVC_XPRT_FLAG_CLOSE)
		shutdown(xprt->xp_fd, SHUT_RDWR);
	hook.stock_connected.xp_destroy(xprt, flags, tag, line);
}

/* A listener goes away for good only when the server shuts down. */
static void listener_unlink(SVCXPRT *xprt, u_int flags, const char *tag,
			    const int line)
{
	void (*stock)(SVCXPRT *, u_int, const char *, const int) =
		hook.stock_listening.xp_unlink;

	if (admin_shutdown)
		hook.listeners_gone();
	stock(xprt, flags, tag, line);
}

/* A duplicate of the descriptor exists while replies are queued, unless none
 * could be had: these are not sent, and the connection ends as one whose peer
 * does not read. */
bool xprt_unsent(void *conn_data)
{
	SVCXPRT *xprt = conn_data;

	return __atomic_load_n(&xprt->xp_fd_send, __ATOMIC_RELAXED) != -1 ||
	       sendq_waits(xprt);
}

void xprt_closed(void *conn_data, enum rpcbuf_close_reason reason)
{
	SVCXPRT *xprt = conn_data;

	(void)reason;
	SVC_DESTROY(xprt);
	sendq_bury(xprt);
}

/* The results of a reply, on their way through the encoder. */
struct results {
	xdrproc_t proc;
	void *where;
	uint32_t bytes;
};

static bool encode_results(XDR *xdrs, void *arg)
{
	struct results *results = arg;
	u_int before = XDR_GETPOS(xdrs);
	bool encoded;

	encoded = results->proc(xdrs, results->where);

	results->bytes = XDR_GETPOS(xdrs) - before;
	return encoded;
}

static enum xprt_stat send_reply(struct svc_req *req)
{
	enum xprt_stat stat;

	reply_begin(req->rq_xprt);
	stat = hook.stock_connected.xp_reply(req);
	reply_end(req->rq_xprt, stat);
	return stat;
}

/*
 * In the place of xp_reply: tells the engine how long the results are, and
 * counts them when the reply could not be sent at once.
 */
static enum xprt_stat xprt_reply(struct svc_req *req)
{
	struct accepted_reply *reply = &req->rq_msg.rm_reply.rp_acpt;
	struct results results = { .bytes = 0 };
	struct xdr_pages *pages = xdr_pages_of(req->rq_xdrs);
	enum xprt_stat stat;

	if (!pages || req->rq_msg.rm_reply.rp_stat != MSG_ACCEPTED ||
	    reply->ar_stat != SUCCESS)
		return send_reply(req);
	sizes_encode(req);
	results.proc = reply->ar_results.proc;
	results.where = reply->ar_results.where;
	reply->ar_results.proc = (xdrproc_t)encode_results;
	reply->ar_results.where = (void *)&results;
	stat = send_reply(req);
	reply->ar_results.proc = results.proc;
	reply->ar_results.where = results.where;
	pages->call->reply_bytes = results.bytes;
	if (xprt_unsent(req->rq_xprt))
		rpcbuf_call_queued(pages->call,
				   (uint64_t)results.bytes + REPLY_HEAD);
	return stat;
}

static void set(void *slot, void *function)
{
	__atomic_store_n((void **)slot, function, __ATOMIC_RELEASE);
}

/* A listening socket, and the accepted end of a connection to it. */
struct pair {
	int listening, connecting, accepted;
};

static int open_pair(struct pair *pair)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct sockaddr *any = (struct sockaddr *)&addr;
	socklen_t len = sizeof(addr);

	*pair = (struct pair){ -1, -1, -1 };
	pair->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	pair->connecting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pair->listening < 0 || pair->connecting < 0 ||
	    bind(pair->listening, any, len) < 0 ||
	    listen(pair->listening, 1) < 0 ||
	    getsockname(pair->listening, any, &len) < 0 ||
	    connect(pair->connecting, any, len) < 0)
		return -errno;
	pair->accepted = accept4(pair->listening, NULL, NULL, SOCK_CLOEXEC);
	return pair->accepted < 0 ? -errno : 0;
}

static void close_pair(const struct pair *pair)
{
	if (pair->listening >= 0)
		close(pair->listening);
	if (pair->connecting >= 0)
		close(pair->connecting);
	if (pair->accepted >= 0)
		close(pair->accepted);
}

/* The table of @xprt, which was made for that and goes away, with its socket:
 * ntirpc closes it, because it was made with the flag for that. */
static struct xp_ops *table_of(SVCXPRT *xprt, int *fd, bool connected)
{
	struct xp_ops *ops;

	if (!xprt)
		return NULL;
	*fd = -1;
	ops = xprt->xp_ops;
	if (connected && !sendq_find(xprt))
		LogWarn(COMPONENT_INIT,
			"RPCBUF: what clients leave unread when they reset a connection cannot be freed");
	SVC_DESTROY(xprt);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
	return ops;
}

static int find_tables(void)
{
	const uint32_t flags =
		SVC_CREATE_FLAG_XPRT_NOREG | SVC_CREATE_FLAG_CLOSE;
	struct pair pair;
	int err = open_pair(&pair);

	if (!err) {
		hook.connected = table_of(svc_fd_ncreatef(pair.accepted, 0, 0,
							  flags),
					  &pair.accepted, true);
		hook.listening = table_of(svc_vc_ncreatef(pair.listening, 0, 0,
							  flags),
					  &pair.listening, false);
	}
	close_pair(&pair);
	if (!err && (!hook.connected || !hook.listening ||
		     hook.connected == hook.listening))
		err = -ENOTSUP;
	return err;
}

int xprt_hook(struct rpcbuf_engine *engine, void (*listeners_gone)(void),
	      char *why, size_t len)
{
	int err = find_tables();

	if (err) {
		snprintf(why, len,
			 "the functions of ntirpc's TCP transports cannot be found: %s",
			 strerror(-err));
		return err;
	}
	pthread_rwlock_wrlock(&hook.gate);
	hook.engine = engine;
	pthread_rwlock_unlock(&hook.gate);
	hook.listeners_gone = listeners_gone;
	hook.stock_connected = *hook.connected;
	hook.stock_listening = *hook.listening;
	listener_init(hook.stock_listening.xp_recv, claim, adopt);
	set(&hook.listening->xp_unlink, listener_unlink);
	set(&hook.listening->xp_recv, listener_recv);
	set(&hook.connected->xp_checksum, request_checksum);
	set(&hook.connected->xp_reply, xprt_reply);
	set(&hook.connected->xp_unlink, xprt_unlink);
	set(&hook.connected->xp_destroy, xprt_destroy);
	/* Last: what it adopts needs the others. */
	set(&hook.connected->xp_recv, xprt_recv);
	return 0;
}

void xprt_end(void)
{
	pthread_rwlock_wrlock(&hook.gate);
	hook.engine = NULL;
	pthread_rwlock_unlock(&hook.gate);
}
