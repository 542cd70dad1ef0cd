/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A connection's transport: its life, and the operations that libtirpc and the
 * dispatchers call.
 *
 * Under svc_run() all of it belongs to that thread.  Under rpcbuf_svc_run()
 * the call at hand belongs to the thread that runs it, and the engine reports the
 * end.  Any thread ends a connection by svc_conn_kill().
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/tirpc/tirpc_private.h"

#include <rpc/rpc_msg.h>

static bool_t op_recv(SVCXPRT *xprt, struct rpc_msg *msg)
{
	struct conn *conn = svc_conn_of(xprt);

	if (!conn->engine_conn && !poll_receive(conn))
		return FALSE;
	if (!conn->message || conn->dispatching)
		return FALSE;
	conn->dispatching = true;
	deliver_begin_call(conn);
	xdr_rpcbuf_message_create(&conn->xdrs, &conn->xdr, conn->message);
	if (!xdr_callmsg(&conn->xdrs, msg)) {
		svc_conn_kill(conn);
		return FALSE;
	}
	conn->xid = msg->rm_xid;
	conn->xprt.xp_verf.oa_base = conn->verf;
	gss_begin(conn, msg);
	return TRUE;
}

static enum xprt_stat op_stat(SVCXPRT *xprt)
{
	struct conn *conn = svc_conn_of(xprt);

	return conn->engine_conn ? XPRT_IDLE : poll_stat(conn);
}

static bool_t op_getargs(SVCXPRT *xprt, xdrproc_t proc, void *args)
{
	struct conn *conn = svc_conn_of(xprt);

	conn->xdrs.x_op = XDR_DECODE;
	return SVCAUTH_UNWRAP(&conn->ext.xp_auth, &conn->xdrs, proc, args);
}

static bool_t op_freeargs(SVCXPRT *xprt, xdrproc_t proc, void *args)
{
	struct conn *conn = svc_conn_of(xprt);

	conn->xdrs.x_op = XDR_FREE;
	return proc(&conn->xdrs, args);
}

static bool_t op_reply(SVCXPRT *xprt, struct rpc_msg *msg)
{
	return encode_reply(svc_conn_of(xprt), msg);
}

/* From a dispatcher: destroys the transport after the call, which may use it until
 * it returns. */
static void op_destroy(SVCXPRT *xprt)
{
	struct conn *conn = svc_conn_of(xprt);

	/* The replies that it has sent must arrive. */
	if (conn->dispatching && !svc_conn_dead(conn))
		(void)deliver_all(conn);
	if (conn->engine_conn || conn->dispatching)
		svc_conn_kill(conn);
	else
		svc_conn_free(conn);
}

static bool_t op_control(SVCXPRT *xprt, const u_int request, void *info)
{
	(void)xprt;
	(void)request;
	(void)info;
	return FALSE;
}

static const struct xp_ops svc_conn_ops = {
	.xp_recv = op_recv,
	.xp_stat = op_stat,
	.xp_getargs = op_getargs,
	.xp_reply = op_reply,
	.xp_freeargs = op_freeargs,
	.xp_destroy = op_destroy,
};

static const struct xp_ops2 svc_conn_ops2 = {.xp_control = op_control};

static void set_netid(struct conn *conn)
{
	struct __rpc_sockinfo info;
	const char *netid;

	if (__rpc_fd2sockinfo(conn->xprt.xp_fd, &info) &&
	    __rpc_sockinfo2netid(&info, &netid))
		conn->xprt.xp_netid = strdup(netid);
}

static struct conn *svc_conn_new(int fd,
				 const struct rpcbuf_svc_options *options)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		return NULL;
	conn->xprt.xp_fd = fd;
	conn->xprt.xp_ops = &svc_conn_ops;
	conn->xprt.xp_ops2 = &svc_conn_ops2;
	conn->xprt.xp_p3 = &conn->ext;
	conn->xprt.xp_verf.oa_base = conn->verf;
	conn->options = *options;
	pthread_mutex_init(&conn->lock, NULL);
	list_init(&conn->link);
	rpcbuf_stream_init(&conn->stream, home.mm, NULL, 0);
	svc_conn_no_message(conn);
	set_netid(conn);
	return conn;
}

/* Everything but the descriptor and the registration. */
static void svc_conn_delete(struct conn *conn)
{
	poll_reset(conn);
	if (conn->engine_conn)
		rpcbuf_conn_put(conn->engine_conn);
	rpcbuf_out_free(conn->out);
	pthread_mutex_destroy(&conn->lock);
	xprt_free_addresses(&conn->xprt);
	gss_conn_free(conn);
}

void svc_conn_free(struct conn *conn)
{
	int fd = conn->xprt.xp_fd;

	pthread_mutex_lock(&home.lock);
	list_del(&conn->link);
	pthread_mutex_unlock(&home.lock);
	table_unregister(conn);
	svc_conn_delete(conn);
	close(fd);
	__atomic_fetch_sub(&home.stats.connections, 1, __ATOMIC_RELAXED);
	home_put();
}

/* Under svc_run(): by libtirpc's table of descriptors alone. */
static int register_for_poll(struct conn *conn)
{
	int err;

	if (conn->xprt.xp_fd >= _rpc_dtablesize()) {
		svc_log(&conn->options, RPCBUF_LOG_WARNING,
			"closing a connection: svc_run() serves descriptors "
			"below %d, this is %d; rpcbuf_svc_run() serves all",
			_rpc_dtablesize(), conn->xprt.xp_fd);
		return -EMFILE;
	}
	err = rpcbuf_out_create(&conn->out, conn->xprt.xp_fd);
	if (err)
		return err;
	table_lock();
	xprt_register(&conn->xprt);
	table_unlock();
	return 0;
}

/* Under home.lock, so that the connection is not freed meanwhile. */
int svc_conn_adopt(struct conn *conn)
{
	int err = rpcbuf_engine_adopt(home.engine, conn->xprt.xp_fd, conn,
				      false, &conn->engine_conn);

	if (!err)
		rpcbuf_conn_set_send_timeout(conn->engine_conn,
					     conn->options.send_timeout);
	return err;
}

/* Under home.lock, so that the engine neither comes nor goes meanwhile. */
static int svc_conn_start(struct conn *conn)
{
	int err;

	if (!home.engine)
		return register_for_poll(conn);
	err = table_register(conn);
	if (err)
		return err;
	err = svc_conn_adopt(conn);
	if (err)
		table_unregister(conn);
	return err;
}

int svc_conn_create(int fd, const struct rpcbuf_svc_options *options,
		    struct conn **created)
{
	struct conn *conn;
	int err = home_get(options);

	if (err)
		return err;
	conn = svc_conn_new(fd, options);
	err = conn ? xprt_addresses(&conn->xprt, true) : -ENOMEM;
	if (!err) {
		svc_stat_add(connections_total, 1);
		svc_stat_add(connections, 1);
		pthread_mutex_lock(&home.lock);
		*created = conn;
		list_add_tail(&conn->link, &home.conns);
		err = svc_conn_start(conn);
		if (err)
			list_del(&conn->link);
		pthread_mutex_unlock(&home.lock);
		if (err)
			__atomic_fetch_sub(&home.stats.connections, 1,
					   __ATOMIC_RELAXED);
	}
	if (!err)
		return 0;
	if (conn)
		svc_conn_delete(conn);
	home_put();
	return err;
}
