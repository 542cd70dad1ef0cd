/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Transports.  A transport that the engine has adopted carries a reference of
 * the engine's on itself, and the engine's connection in xp_u1, which neither
 * ntirpc nor Ganesha uses.  Whoever takes xp_u1 out, atomically, drops that
 * connection: the server when it destroys the transport, or we.
 *
 * ntirpc arms its epoll once per event and our xp_recv does not arm it again,
 * so after adoption the receive side is ours alone.  Sending stays ntirpc's.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abi.h"
#include "linger.h"
#include "listener.h"
#include "reply.h"
#include "request.h"
#include "sendq.h"
#include "sizes.h"
#include "xdr_pages.h"
#include "xprt.h"

static struct {
	struct rpcbuf_engine *engine;
	void (*listeners_gone)(void);
	struct xp_ops *connected, *listening; /* the server's tables */
	struct xp_ops stock_connected, stock_listening;
} hook;

/* TCP states as tcp_info has them; <netinet/tcp.h> cannot be included beside
 * <linux/tcp.h>. */
#define TCP_CLOSE_WAIT 8

/* Bytes that are peeked at: enough for the head of a call in fragments of a
 * byte with empty ones between. */
#define PEEK_BYTES 512u

/* How often to look whether anything was consumed while bytes keep coming. */
#define UNTOUCHED_LOOKS 3

/* In xp_u1: somebody is about to adopt it. */
#define CLAIMED ((struct rpcbuf_conn *)1)

/* Mark and head of an accepted reply with AUTH_NONE (RFC 5531, section 9). */
#define REPLY_HEAD 28u

/* The first words of a message; what follows in a call is the RPC version. */
struct head {
	uint32_t xid, direction, version;
};

/*
 * Collects the head of the message that @wire may begin with, across the
 * fragments it is cut into.  Stores the length of the record as far as it is
 * known; false when @wire ends before the head does.
 */
static bool read_head(const uint8_t *wire, size_t len, struct head *head,
		      uint32_t *length)
{
	uint8_t *to = (uint8_t *)head, *end = to + sizeof(*head);
	uint32_t mark = 0;

	*length = 0;
	while (to < end) {
		uint32_t left;

		if (len < sizeof(mark) || mark & RPCBUF_MARK_LAST)
			return false;
		memcpy(&mark, wire, sizeof(mark));
		mark = ntohl(mark);
		wire += sizeof(mark);
		len -= sizeof(mark);
		left = mark & ~RPCBUF_MARK_LAST;
		*length += left;
		for (; left && len && to < end; left--, len--)
			*to++ = *wire++;
		if (left && to < end)
			return false;
	}
	if (!(mark & RPCBUF_MARK_LAST))
		*length = UINT32_MAX;
	return true;
}

/* Is this the start of a call or of a reply? */
static bool plausible(const uint8_t *wire, size_t len)
{
	struct head head;
	uint32_t length;

	if (!read_head(wire, len, &head, &length))
		return false;
	if (ntohl(head.direction) == CALL)
		return length >= RPCBUF_CALL_MIN && ntohl(head.version) == 2;
	return ntohl(head.direction) == REPLY && length >= RPCBUF_REPLY_MIN;
}

/* Nobody has read from @fd yet; false as well where that cannot be known. */
static bool untouched(int fd)
{
	struct tcp_info info;
	uint64_t consumed;
	socklen_t len = sizeof(info);
	int unread = 0;

	/* What comes between the two counts is taken for consumed: in this
	 * order alone is that never less than what was. */
	if (ioctl(fd, SIOCINQ, &unread) < 0 ||
	    getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return false;
	consumed = info.tcpi_bytes_received - (uint64_t)unread;
	/* The kernel counts the end of the stream as a byte. */
	return consumed == 0 ||
	       (consumed == 1 && info.tcpi_state == TCP_CLOSE_WAIT);
}

/*
 * A connection that ntirpc has begun to read can only be taken at the edge of
 * a record: nothing consumed yet, or the unread bytes look like one.
 */
static bool adoptable(int fd)
{
	uint8_t peeked[PEEK_BYTES];
	ssize_t n;

	for (int i = 0; i < UNTOUCHED_LOOKS; i++)
		if (untouched(fd))
			return true;
	n = recv(fd, peeked, sizeof(peeked), MSG_PEEK | MSG_DONTWAIT);
	return n > 0 && plausible(peeked, (size_t)n);
}

static struct rpcbuf_conn **conn_of(SVCXPRT *xprt)
{
	return (struct rpcbuf_conn **)&xprt->xp_u1;
}

/* The connection that @xprt was adopted as; at most one caller gets it. */
static struct rpcbuf_conn *take_conn(SVCXPRT *xprt)
{
	struct rpcbuf_conn *conn =
		__atomic_load_n(conn_of(xprt), __ATOMIC_ACQUIRE);

	/* Who has claimed it will see that it is destroyed. */
	while (conn && conn != CLAIMED)
		if (__atomic_compare_exchange_n(conn_of(xprt), &conn, NULL,
						false, __ATOMIC_ACQ_REL,
						__ATOMIC_ACQUIRE))
			return conn;
	return NULL;
}

static void drop_conn(SVCXPRT *xprt)
{
	struct rpcbuf_conn *conn = take_conn(xprt);

	if (!conn)
		return;
	rpcbuf_conn_drop(conn);
	rpcbuf_conn_put(conn);
}

/* True for one thread, which adopts it then. */
static bool claim(SVCXPRT *xprt)
{
	struct rpcbuf_conn *none = NULL;

	return __atomic_compare_exchange_n(conn_of(xprt), &none, CLAIMED, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* After claim(). */
static int adopt(SVCXPRT *xprt)
{
	int err;

	SVC_REF(xprt, SVC_REF_FLAG_NONE);
	err = rpcbuf_engine_adopt(hook.engine, xprt->xp_fd, xprt,
				  !xprt->xp_parent, conn_of(xprt));
	if (err) {
		__atomic_store_n(conn_of(xprt), NULL, __ATOMIC_RELEASE);
		SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
		return err;
	}
	/* ntirpc's reaper goes by a time stamp that its own receive path
	 * keeps; the engine has a time-out of its own. */
	atomic_set_uint16_t_bits(&xprt->xp_flags, SVC_XPRT_FLAG_UREG);
	/* Destroyed meanwhile: xprt_unlink() may have come too early. */
	if (xprt->xp_flags & SVC_XPRT_FLAG_DESTROYED)
		drop_conn(xprt);
	return 0;
}

/* Just accepted, by this thread.  Another may have seen bytes already. */
static void xprt_accepted(SVCXPRT *xprt)
{
	if (untouched(xprt->xp_fd) && claim(xprt) && adopt(xprt))
		SVC_DESTROY(xprt);
}

/* Is, or will be in a moment, or was until it was destroyed. */
static bool is_adopted(SVCXPRT *xprt)
{
	return __atomic_load_n(conn_of(xprt), __ATOMIC_ACQUIRE) ||
	       xprt->xp_flags & SVC_XPRT_FLAG_UREG;
}

/* In the place of xp_recv: the first event of a connection, and the second one
 * where ntirpc's own function took the first. */
static enum xprt_stat xprt_recv(SVCXPRT *xprt)
{
	int err;

	if (is_adopted(xprt))
		return SVC_STAT(xprt);
	if (!adoptable(xprt->xp_fd))
		return hook.stock_connected.xp_recv(xprt);
	if (!claim(xprt))
		return SVC_STAT(xprt);
	err = adopt(xprt);
	if (err && err != -EUSERS)
		return hook.stock_connected.xp_recv(xprt);
	if (err)
		SVC_DESTROY(xprt);
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
	hook.engine = engine;
	hook.listeners_gone = listeners_gone;
	hook.stock_connected = *hook.connected;
	hook.stock_listening = *hook.listening;
	listener_init(hook.stock_listening.xp_recv, xprt_accepted);
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

void xprt_unhook(void)
{
	set(&hook.connected->xp_recv, hook.stock_connected.xp_recv);
	set(&hook.connected->xp_destroy, hook.stock_connected.xp_destroy);
	set(&hook.connected->xp_unlink, hook.stock_connected.xp_unlink);
	set(&hook.connected->xp_reply, hook.stock_connected.xp_reply);
	set(&hook.connected->xp_checksum, hook.stock_connected.xp_checksum);
	set(&hook.listening->xp_recv, hook.stock_listening.xp_recv);
	set(&hook.listening->xp_unlink, hook.stock_listening.xp_unlink);
	listener_end();
}
