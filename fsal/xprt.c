/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Transports.  A transport that is ours has a wire (wire.h) in xp_p1, which
 * neither ntirpc nor Ganesha uses, and carries a reference of the engine's on
 * itself while that has its connection.  The thread that destroys the
 * transport, the server's or ours, drops that connection, once.
 *
 * Only a reader of the whole stream knows where a record begins: bytes that look
 * like a call may be the data of a WRITE.  So a connection belongs to the engine from
 * its first byte, or it is shut down, and its peer connects again, as after a
 * restart:
 *
 *  - For one that is accepted from now on, one thread (listener.c) makes the
 *    transport, introduces it to the server, queues the token and adopts it.
 *  - One that was accepted before is shut down at its next event.
 *  - What the server opened itself, as callbacks, NLM, NSM and rpcbind do, comes
 *    to xprt_recv() with its first event.  ntirpc reads from a connection only in
 *    an xp_recv function, arms its epoll once for each call of one, and only when
 *    it has read what it wants.  So when ours is called, the one before it is done
 *    with the socket, none runs beside it, and what was read can be counted:
 *    nothing, and the connection is adopted, or it is shut down.
 *  - What is no TCP, as the connection to rpcbind's socket, stays ntirpc's.
 *
 * Our xp_recv does not arm ntirpc's epoll again, so after adoption the receive
 * side is ours alone, as sending is by the token.  Our functions stay in the
 * tables for good, as the module stays mapped: ntirpc's xp_recv must never see a
 * stream that the engine has read from, and calls may still run when the engine
 * has stopped.  `engine_lock` is held for reading while the engine is used by threads
 * that have no call of it.
 */
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"
#include "encode.h"
#include "listener.h"
#include "request.h"
#include "rpcbuf/engine/untouched.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/pause.h"
#include "rpcbuf/os/plain.h"
#include "share.h"
#include "sizes.h"
#include "wire.h"
#include "xdr_pages.h"
#include "xprt.h"

static struct {
	pthread_rwlock_t engine_lock;
	struct rpcbuf_engine *engine; /* under `engine_lock`; NULL: it is gone */
	void (*listeners_gone)(void);
	struct facts facts;
	struct xp_ops original_connected, original_listening;
	enum clnt_stat (*original_call)(struct clnt_req *call);
} hook = {.engine_lock = PTHREAD_RWLOCK_INITIALIZER};

static void drop_conn(struct wire *wire)
{
	struct rpcbuf_conn *conn;

	pthread_rwlock_rdlock(&hook.engine_lock);
	conn = __atomic_load_n(&wire->conn, __ATOMIC_ACQUIRE);
	if (hook.engine && conn &&
	    !__atomic_exchange_n(&wire->dropped, true, __ATOMIC_ACQ_REL))
		rpcbuf_conn_drop(conn);
	pthread_rwlock_unlock(&hook.engine_lock);
}

static int adopt_socket(SVCXPRT *xprt)
{
	int err = -ESHUTDOWN;

	pthread_rwlock_rdlock(&hook.engine_lock);
	if (hook.engine)
		err = rpcbuf_engine_adopt(hook.engine, xprt->xp_fd, xprt,
					  !xprt->xp_parent,
					  &wire_of(xprt)->conn);
	pthread_rwlock_unlock(&hook.engine_lock);
	return err;
}

/* Nothing more is read from it, nor sent.  The caller holds a reference. */
static void shut_down(SVCXPRT *xprt)
{
	/* Others may hold a reference for long, a back channel as long as its
	 * client lives. */
	shutdown(xprt->xp_fd, SHUT_RDWR);
	SVC_DESTROY(xprt);
}

/* Sending may free replies under engine_lock, and a release may take it again for
 * reading.  That is safe: readers get it while a writer waits
 * (PTHREAD_RWLOCK_PREFER_READER_NP). */
static void collect_under_lock(struct wire *wire)
{
	pthread_rwlock_rdlock(&hook.engine_lock);
	wire_collect(wire, hook.engine != NULL);
	pthread_rwlock_unlock(&hook.engine_lock);
}

/* After wire_claim().  The caller holds a reference: the engine may be done with the
 * connection before this returns. */
static void adopt(SVCXPRT *xprt)
{
	struct wire *wire = wire_of(xprt);
	uint16_t flags;

	SVC_REF(xprt, SVC_REF_FLAG_NONE);
	os_pause_at("claimed");
	if (adopt_socket(xprt)) {
		__atomic_store_n(&wire->dropped, true, __ATOMIC_RELEASE);
		wire_collect(wire, false);
		shut_down(xprt);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
		return;
	}
	os_pause_at("adopted");
	/* ntirpc's reaper goes by a time stamp that its own receive path
	 * keeps; the engine has a time-out of its own. */
	flags = atomic_set_uint16_t_bits(&xprt->xp_flags,
					 SVC_XPRT_FLAG_UREG);
	/* Destroyed meanwhile: xprt_unlink() may have come too early. */
	if (flags & SVC_XPRT_FLAG_DESTROYED)
		drop_conn(wire);
	/* Calls that the server has queued behind the token. */
	collect_under_lock(wire);
}

/* For a new transport, of which no other thread knows. */
static void accepted(SVCXPRT *xprt)
{
	os_pause_at("told");
	if (wire_claim(xprt))
		shut_down(xprt);
	else
		adopt(xprt);
}

static bool is_tcp(int fd)
{
	int protocol = 0;
	socklen_t len = sizeof(protocol);

	return getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* Replaces xp_recv: adopts a TCP connection at its first event, or shuts it down. */
static enum xprt_stat xprt_recv(SVCXPRT *xprt)
{
	int err;

	if (wire_of(xprt) || xprt->xp_flags & SVC_XPRT_FLAG_DESTROYED)
		return SVC_STAT(xprt);
	if (!is_tcp(xprt->xp_fd))
		return hook.original_connected.xp_recv(xprt);
	if (xprt->xp_parent || !untouched(xprt->xp_fd)) {
		LogInfo(COMPONENT_DISPATCH,
			"RPCBUF: shutting down a connection from before the take-over; its peer connects again");
		shut_down(xprt);
		return SVC_STAT(xprt);
	}
	err = wire_claim(xprt);
	if (!err)
		adopt(xprt);
	else if (err != -EEXIST)
		shut_down(xprt);
	return SVC_STAT(xprt);
}

/* In the place of xp_unlink: runs once, when the transport is destroyed. */
static void xprt_unlink(SVCXPRT *xprt, u_int flags, const char *tag,
			const int line)
{
	if (wire_of(xprt))
		drop_conn(wire_of(xprt));
	hook.original_connected.xp_unlink(xprt, flags, tag, line);
}

/* In the place of xp_destroy: runs once, when the last reference is gone. */
static void xprt_destroy(SVCXPRT *xprt, u_int flags, const char *tag,
			 const int line)
{
	os_pause_at("destroying");
	wire_free(xprt);
	/* ntirpc forgets the descriptor that it sends through where a socket
	 * was full, of one that the server opened and we did not have yet. */
	if (xprt->xp_fd_send != -1)
		close(xprt->xp_fd_send);
	xprt->xp_fd_send = -1;
	/* The ring of a thread that sits in a call may hold the socket as well:
	 * closing it alone would not tell the peer. */
	if (xprt->xp_flags & SVC_XPRT_FLAG_CLOSE)
		shutdown(xprt->xp_fd, SHUT_RDWR);
	hook.original_connected.xp_destroy(xprt, flags, tag, line);
}

/* In the place of a listener's xp_recv: its first event since that is. */
static enum xprt_stat listener_recv(SVCXPRT *xprt)
{
	int err = listener_take(xprt);

	if (!err)
		return SVC_STAT(xprt);
	if (err != -EAFNOSUPPORT)
		LogCrit(COMPONENT_DISPATCH,
			"RPCBUF: cannot take over a listening socket yet, its connections are closed: %s",
			strerror(-err));
	return hook.original_listening.xp_recv(xprt);
}

/* A listener goes away for good only when the server shuts down. */
static void listener_unlink(SVCXPRT *xprt, u_int flags, const char *tag,
			    const int line)
{
	void (*original)(SVCXPRT *, u_int, const char *, const int) =
		hook.original_listening.xp_unlink;

	if (admin_shutdown)
		hook.listeners_gone();
	original(xprt, flags, tag, line);
}

void xprt_closed(void *conn_data, enum rpcbuf_close_reason reason)
{
	SVCXPRT *xprt = conn_data;

	(void)reason;
	shut_down(xprt);
	os_pause_at("shut");
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

/* It cannot be replied to: the client connects again, and sends it again. */
static enum xprt_stat no_reply(struct svc_req *req, int err)
{
	static uint64_t say_ns;
	uint64_t now = os_now();

	if (now >= os_load(&say_ns)) {
		os_store(&say_ns, now + OS_SECOND_NS);
		LogWarn(COMPONENT_DISPATCH,
			"RPCBUF: closing a connection: %s",
			err == -ENOMEM ? "there is no page for a reply"
				       : "a reply cannot be encoded");
	}
	shut_down(req->rq_xprt);
	return XPRT_DIED;
}

/* In the place of xp_reply.  Any thread that has the request. */
static enum xprt_stat xprt_reply(struct svc_req *req)
{
	struct xdr_pages *pages = xdr_pages_of(req->rq_xdrs);
	struct rpcbuf_reply *reply;
	int err;

	/* Received by ntirpc, before the take-over or on what is no TCP. */
	if (!pages)
		return hook.original_connected.xp_reply(req);
	if (req->rq_msg.rm_reply.rp_stat == MSG_ACCEPTED &&
	    req->rq_msg.RPCM_ack.ar_stat == SUCCESS) {
		if (pages->refused)
			share_answer(pages, req);
		sizes_encode(req);
	}
	err = encode_reply(req, &pages->call->respages, &reply);
	if (err)
		return no_reply(req, err);
	pages->answered = true;
	os_pause_at("encoded");
	/* An error means that the peer is gone: the reply is dropped. */
	(void)rpcbuf_call_reply(pages->call, reply);
	return XPRT_IDLE;
}

/* In the place of cl_call: a call of the server's own.  The caller holds
 * the client, and the client its transport. */
static enum clnt_stat client_call(struct clnt_req *call)
{
	struct wire *wire = NULL;
	enum clnt_stat stat;
	int fd = -1;

	os_pause_at("call");
	if (CLNT_CONTROL(call->cc_clnt, CLGET_FD, &fd) && fd >= 0)
		wire = wire_by_fd(fd);
	if (wire)
		wire_queue_token(wire);
	os_pause_at("calling");
	stat = hook.original_call(call);
	os_pause_at("called");
	/* It may have become ours meanwhile, with the call behind the token. */
	if (!wire && fd >= 0)
		wire = wire_by_fd(fd);
	if (wire)
		collect_under_lock(wire);
	return stat;
}

/* From now on the server's tables have our functions. */
static void hook_tables(void)
{
	struct xp_ops *connected = hook.facts.connected;

	hook.original_connected = *connected;
	hook.original_listening = *hook.facts.listening;
	hook.original_call = hook.facts.clients->cl_call;
	fsal_rpcbuf_set(&hook.facts.listening->xp_unlink, listener_unlink);
	fsal_rpcbuf_set(&hook.facts.clients->cl_call, client_call);
	fsal_rpcbuf_set(&connected->xp_checksum, request_checksum);
	fsal_rpcbuf_set(&connected->xp_reply, xprt_reply);
	fsal_rpcbuf_set(&connected->xp_unlink, xprt_unlink);
	fsal_rpcbuf_set(&connected->xp_destroy, xprt_destroy);
	/* Last: what these bring needs the others. */
	fsal_rpcbuf_set(&connected->xp_recv, xprt_recv);
	fsal_rpcbuf_set(&hook.facts.listening->xp_recv, listener_recv);
}

int xprt_try(char *why, size_t len)
{
	return facts_find(&hook.facts, why, len);
}

int xprt_hook(struct rpcbuf_engine *engine,
	      const struct rpcbuf_handlers *handlers,
	      void (*listeners_gone)(void), char *why, size_t len)
{
	int err;

	pthread_rwlock_wrlock(&hook.engine_lock);
	hook.engine = engine;
	pthread_rwlock_unlock(&hook.engine_lock);
	hook.listeners_gone = listeners_gone;
	wire_start(&hook.facts);
	err = listener_start(accepted, handlers->thread_start, handlers->log);
	if (err)
		snprintf(why, len, "connections cannot be accepted: %s",
			 strerror(-err));
	else
		hook_tables();
	return err;
}

void xprt_end(void)
{
	pthread_rwlock_wrlock(&hook.engine_lock);
	hook.engine = NULL;
	pthread_rwlock_unlock(&hook.engine_lock);
}
