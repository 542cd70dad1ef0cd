/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Transports that accept connections, and the creation of both kinds.  The
 * thread that svc_run() or rpcbuf_svc_run() was called by accepts.
 */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/tirpc/tirpc_private.h"

/* Connections accepted before others have their turn. */
#define ACCEPTS 64
#define BACKLOG 1024

static struct listener *listener_of(SVCXPRT *xprt)
{
	return (struct listener *)(void *)xprt;
}

/* Out of descriptors: a connection in the queue would keep the descriptor
 * readable for ever.  It gets the one that is kept for this. */
static void turn_away(struct listener *l)
{
	int fd;

	if (l->spare_fd < 0)
		return;
	close(l->spare_fd);
	fd = accept4(l->xprt.xp_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	svc_log(&l->options, RPCBUF_LOG_WARNING,
		"closing a new connection: the process has no descriptors left");
}

static bool accept_one(struct listener *l)
{
	struct conn *conn;
	int one = 1;
	int fd = accept4(l->xprt.xp_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0) {
		if (errno == EMFILE || errno == ENFILE)
			turn_away(l);
		return errno == EINTR || errno == ECONNABORTED;
	}
	/* Fails where it means nothing. */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (svc_conn_create(fd, &l->options, &conn))
		close(fd);
	return true;
}

static bool_t listener_recv(SVCXPRT *xprt, struct rpc_msg *msg)
{
	(void)msg;
	for (int i = 0; i < ACCEPTS && accept_one(listener_of(xprt)); i++)
		;
	return FALSE; /* there is never a call */
}

static enum xprt_stat listener_stat(SVCXPRT *xprt)
{
	(void)xprt;
	return XPRT_IDLE;
}

static bool_t listener_args(SVCXPRT *xprt, xdrproc_t proc, void *args)
{
	(void)xprt;
	(void)proc;
	(void)args;
	return FALSE;
}

static bool_t listener_reply(SVCXPRT *xprt, struct rpc_msg *msg)
{
	(void)xprt;
	(void)msg;
	return FALSE;
}

static void listener_destroy(SVCXPRT *xprt)
{
	struct listener *l = listener_of(xprt);

	table_lock();
	xprt_unregister(xprt);
	table_unlock();
	close(xprt->xp_fd);
	if (l->spare_fd >= 0)
		close(l->spare_fd);
	xprt_free_addresses(xprt);
	free(l);
	home_put();
}

static bool_t listener_control(SVCXPRT *xprt, const u_int request, void *info)
{
	struct listener *l = listener_of(xprt);
	int length;

	switch (request) {
	case SVCGET_CONNMAXREC:
		length = (int)l->options.limits.max_length;
		memcpy(info, &length, sizeof(length));
		return TRUE;
	default:
		return FALSE;
	}
}

static const struct xp_ops listener_ops = {
	.xp_recv = listener_recv,
	.xp_stat = listener_stat,
	.xp_getargs = listener_args,
	.xp_reply = listener_reply,
	.xp_freeargs = listener_args,
	.xp_destroy = listener_destroy,
};

static const struct xp_ops2 listener_ops2 = {.xp_control = listener_control};

static int option_of(int fd, int name)
{
	socklen_t len;
	int value = 0;

	len = sizeof(value);
	return getsockopt(fd, SOL_SOCKET, name, &value, &len) ? -errno : value;
}

static int fail_create(const struct rpcbuf_svc_options *o, int fd, int err,
		       const char *why)
{
	svc_log(o, RPCBUF_LOG_ERROR, "descriptor %d: %s", fd, why);
	return err;
}

/* A stream socket below the end of libtirpc's table: 0 or -errno. */
static int check_socket(const struct rpcbuf_svc_options *o, int fd)
{
	int type = option_of(fd, SO_TYPE);

	if (type < 0)
		return fail_create(o, fd, type, strerror(-type));
	if (type != SOCK_STREAM)
		return fail_create(o, fd, -ESOCKTNOSUPPORT,
				   "not a stream socket");
	return 0;
}

static int check_listener(const struct rpcbuf_svc_options *o, int fd)
{
	int err = check_socket(o, fd);

	if (err)
		return err;
	if (option_of(fd, SO_ACCEPTCONN) != 1)
		return fail_create(o, fd, -EINVAL,
				   "the socket does not listen");
	if (fd >= _rpc_dtablesize())
		return fail_create(o, fd, -EMFILE,
				   "above the end of libtirpc's table");
	return 0;
}

/* TCP over IPv4, on any address and a free port, as svctcp_create(). */
static int any_socket(const struct rpcbuf_svc_options *o)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && !bind(fd, (void *)&address, sizeof(address)) &&
	    !listen(fd, BACKLOG))
		return fd;
	svc_log(o, RPCBUF_LOG_ERROR, "no socket to listen on: %s",
		strerror(errno));
	if (fd >= 0)
		close(fd);
	return -1;
}

static u_short port_of(const SVCXPRT *xprt)
{
	const struct sockaddr *address = xprt->xp_ltaddr.buf;

	if (address->sa_family == AF_INET)
		return ntohs(((struct sockaddr_in *)address)->sin_port);
	if (address->sa_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)address)->sin6_port);
	return (u_short)-1;
}

static int listener_create(int fd, const struct rpcbuf_svc_options *o,
			   struct listener **created)
{
	struct listener *l;
	int err = check_listener(o, fd);

	if (!err)
		err = home_get(o);
	if (err)
		return err;
	l = calloc(1, sizeof(*l));
	if (!l) {
		home_put();
		return -ENOMEM;
	}
	l->options = *o;
	l->xprt.xp_fd = fd;
	l->xprt.xp_ops = &listener_ops;
	l->xprt.xp_ops2 = &listener_ops2;
	l->xprt.xp_p3 = &l->ext;
	l->xprt.xp_verf = _null_auth;
	err = xprt_addresses(&l->xprt, false);
	if (err) {
		free(l);
		home_put();
		return err;
	}
	l->xprt.xp_port = port_of(&l->xprt);
	l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	table_lock();
	xprt_register(&l->xprt);
	table_unlock();
	run_poke();
	*created = l;
	return 0;
}

SVCXPRT *svc_rpcbuf_create(int sock, const struct rpcbuf_svc_options *options)
{
	struct rpcbuf_svc_options o;
	struct listener *l;
	int fd = sock, err;

	if (!svc_options(options, &o))
		return NULL;
	if (sock == RPC_ANYSOCK)
		fd = any_socket(&o);
	if (fd < 0 && sock == RPC_ANYSOCK)
		return NULL;
	err = listener_create(fd, &o, &l);
	if (!err)
		return &l->xprt;
	if (sock == RPC_ANYSOCK)
		close(fd);
	errno = -err;
	return NULL;
}

SVCXPRT *svc_rpcbuf_fd_create(int fd, const struct rpcbuf_svc_options *options)
{
	struct sockaddr_storage peer;
	struct rpcbuf_svc_options o;
	socklen_t len = sizeof(peer);
	struct conn *conn;
	int err;

	if (!svc_options(options, &o))
		return NULL;
	err = check_socket(&o, fd);
	if (!err && getpeername(fd, (void *)&peer, &len))
		err = fail_create(&o, fd, -errno,
				  "the socket is not connected");
	if (!err)
		err = svc_conn_create(fd, &o, &conn);
	if (!err)
		return &conn->xprt;
	errno = -err;
	return NULL;
}
