/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests of librpcbuf_tirpc: a service, served by svc_run(), by
 * rpcbuf_svc_run() or by libtirpc alone, in a thread of the test; clients of
 * libtirpc, and clients that write bytes.
 */
#ifndef TESTS_TIRPC_UTIL_H
#define TESTS_TIRPC_UTIL_H

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <rpcbuf/tirpc.h>
#include <rpc/rpc_com.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/backend_util.h"
#include "tests/unit/until_util.h"
#include "tests/unit/wire_util.h"

#define PROG	0x20000bf1u
#define VERS	1u

enum proc {
	NUL,
	ADD,	 /* hyper: one more */
	COPY,	 /* opaque<>: the same, decoded with xdr_bytes() */
	REFER,	 /* the same, by reference in both directions */
	NUMBERS, /* unsigned: so many numbers */
	CALLER,	 /* the uid, and the port of the client */
	BLOCK,	 /* waits at the gate */
	DESTROY, /* answers, and destroys its transport */
	EXIT,	 /* answers, and ends svc_run() */
	SILENT,	 /* does not answer */
	FORKED,	 /* opaque<>: as COPY, by a child */
	HELD_NUMBERS, /* as NUMBERS, when the gate opens */
};

enum mode {
	SINGLE,
	ENGINE,
	STOCK
};

static struct {
	SVCXPRT *listener;
	enum mode mode;
	u_short port;
	struct rpcbuf_engine_options engine;
	pthread_t thread;
	int result;
	bool gate_open; /* under lock */
	unsigned int tickets; /* number of calls that may still pass the gate */
	bool numbers_go;      /* HELD_NUMBERS no longer waits */
	unsigned int blocked;
	unsigned int nuls, nuls_before; /* of NUL; before the last ADD */
	unsigned int log_lines;
	char log[256]; /* last line of the log; under lock */
	pthread_mutex_t lock;
	pthread_cond_t gate;
} server = {.engine = RPCBUF_ENGINE_OPTIONS_INIT,
	    .lock = PTHREAD_MUTEX_INITIALIZER,
	    .gate = PTHREAD_COND_INITIALIZER};

static inline uint32_t rpcbuf_min_u32(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static inline void on_log(enum rpcbuf_log_level level, const char *line)
{
	(void)level;
	must(!strchr(line, '\n'));
	pthread_mutex_lock(&server.lock);
	snprintf(server.log, sizeof(server.log), "%s", line);
	pthread_mutex_unlock(&server.lock);
	count(server.log_lines);
}

static inline bool logged(const char *words)
{
	bool found;

	pthread_mutex_lock(&server.lock);
	found = strstr(server.log, words) != NULL;
	pthread_mutex_unlock(&server.lock);
	return found;
}

/* ------------------------------------------------------------ the service */

struct blob {
	char *data;
	u_int length;
};

static inline bool_t xdr_blob(XDR *xdrs, struct blob *blob)
{
	return xdr_bytes(xdrs, &blob->data, &blob->length, ~0u);
}

static inline bool_t xdr_numbers(XDR *xdrs, u_int *nr)
{
	for (u_int i = 0; i < *nr; i++) {
		u_int number = i;

		if (!xdr_u_int(xdrs, &number) || number != i)
			return FALSE;
	}
	return TRUE;
}

struct caller {
	u_int uid, port;
};

static inline bool_t xdr_caller(XDR *xdrs, struct caller *caller)
{
	return xdr_u_int(xdrs, &caller->uid) && xdr_u_int(xdrs, &caller->port);
}

#define xdrproc(function) ((xdrproc_t)(void *)(function))

static inline void wait_at_gate(void)
{
	pthread_mutex_lock(&server.lock);
	count(server.blocked);
	while (!server.gate_open && !server.tickets)
		pthread_cond_wait(&server.gate, &server.lock);
	server.tickets -= server.tickets > 0;
	__atomic_sub_fetch(&server.blocked, 1, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&server.lock);
}

static inline void set_gate(bool open)
{
	pthread_mutex_lock(&server.lock);
	server.gate_open = open;
	pthread_cond_broadcast(&server.gate);
	pthread_mutex_unlock(&server.lock);
}

/* One of the calls at the gate continues. */
static inline void let_one_through(void)
{
	pthread_mutex_lock(&server.lock);
	server.tickets++;
	pthread_cond_broadcast(&server.gate);
	pthread_mutex_unlock(&server.lock);
}

static inline void open_gate(void)
{
	set_gate(true);
}

static inline void serve_args(SVCXPRT *xprt, void *procedure, void *args)
{
	if (!svc_getargs(xprt, xdrproc(procedure), args))
		svcerr_decode(xprt);
	else if (!svc_sendreply(xprt, xdrproc(procedure), args))
		svcerr_systemerr(xprt);
	must(svc_freeargs(xprt, xdrproc(procedure), args));
}

static inline void serve_caller(struct svc_req *req, SVCXPRT *xprt)
{
	struct sockaddr_in *from = svc_getrpccaller(xprt)->buf;
	struct caller caller = {.port = ntohs(from->sin_port)};

	if (req->rq_cred.oa_flavor != AUTH_SYS) {
		svcerr_weakauth(xprt);
		return;
	}
	caller.uid = ((struct authunix_parms *)req->rq_clntcred)->aup_uid;
	svc_sendreply(xprt, xdrproc(xdr_caller), &caller);
}

static inline void serve_numbers(SVCXPRT *xprt)
{
	u_int nr;

	if (svc_getargs(xprt, xdrproc(xdr_u_int), &nr))
		svc_sendreply(xprt, xdrproc(xdr_numbers), &nr);
	else
		svcerr_decode(xprt);
}

static inline void serve_held_numbers(SVCXPRT *xprt)
{
	pthread_mutex_lock(&server.lock);
	count(server.blocked);
	while (!server.numbers_go)
		pthread_cond_wait(&server.gate, &server.lock);
	pthread_mutex_unlock(&server.lock);
	serve_numbers(xprt);
}

static inline void let_numbers_go(void)
{
	pthread_mutex_lock(&server.lock);
	server.numbers_go = true;
	pthread_cond_broadcast(&server.gate);
	pthread_mutex_unlock(&server.lock);
}

static inline void serve_add(SVCXPRT *xprt)
{
	quad_t value;

	if (!svc_getargs(xprt, xdrproc(xdr_hyper), &value)) {
		svcerr_decode(xprt);
		return;
	}
	value++;
	__atomic_store_n(&server.nuls_before, seen(server.nuls),
			 __ATOMIC_RELEASE);
	svc_sendreply(xprt, xdrproc(xdr_hyper), &value);
}

static inline void serve_in_child(SVCXPRT *xprt)
{
	struct blob blob = {0};
	pid_t pid = fork();

	must(pid >= 0);
	if (pid)
		return;
	serve_args(xprt, xdr_blob, &blob);
	_exit(0);
}

static inline void dispatch(struct svc_req *req, SVCXPRT *xprt)
{
	struct blob blob = {0};
	rpcbuf_bytes_ref ref = {0};

	switch (req->rq_proc) {
	case COPY:
		serve_args(xprt, xdr_blob, &blob);
		return;
	case REFER:
		serve_args(xprt, xdr_rpcbuf_bytes_ref, &ref);
		return;
	case ADD:
		serve_add(xprt);
		return;
	case NUMBERS:
		serve_numbers(xprt);
		return;
	case HELD_NUMBERS:
		serve_held_numbers(xprt);
		return;
	case CALLER:
		serve_caller(req, xprt);
		return;
	case BLOCK:
		wait_at_gate();
		break;
	case EXIT:
		svc_exit();
		break;
	case SILENT:
		return;
	case FORKED:
		serve_in_child(xprt);
		return;
	case NUL:
		count(server.nuls);
		break;
	case DESTROY:
		break;
	default:
		svcerr_noproc(xprt);
		return;
	}
	svc_sendreply(xprt, xdrproc(xdr_void), NULL);
	if (req->rq_proc == DESTROY)
		svc_destroy(xprt);
}

/* ------------------------------------------------------------- the server */

static inline int listening(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0);
	must(bind(fd, (void *)&address, sizeof(address)) == 0);
	must(listen(fd, 1024) == 0);
	return fd;
}

static inline u_short port_of(int fd)
{
	struct sockaddr_in address;
	socklen_t len = sizeof(address);

	must(getsockname(fd, (void *)&address, &len) == 0);
	return ntohs(address.sin_port);
}

static inline struct rpcbuf_svc_options svc_options_for_tests(void)
{
	struct rpcbuf_svc_options o = RPCBUF_SVC_OPTIONS_INIT;

	o.log = on_log;
	return o;
}

static inline void *serve(void *arg)
{
	(void)arg;
	if (server.mode == ENGINE)
		server.result = rpcbuf_svc_run(&server.engine);
	else
		svc_run();
	return NULL;
}

static inline void server_create(enum mode mode,
				 const struct rpcbuf_svc_options *options)
{
	int fd = listening();

	/* When two threads ask first, two are made, and one is lost. */
	authnone_create();
	server.mode = mode;
	server.port = port_of(fd);
	server.listener = mode == STOCK ? svc_vc_create(fd, 0, 0)
					: svc_rpcbuf_create(fd, options);
	must(server.listener);
	must(svc_reg(server.listener, PROG, VERS, dispatch, NULL));
}

static inline void server_run(void)
{
	must(!rpcbuf_svc_backend());
	server.engine.backend = tested_backend();
	must(pthread_create(&server.thread, NULL, serve, NULL) == 0);
	if (server.mode != ENGINE)
		return;
	eventually(rpcbuf_svc_backend());
	must(!strcmp(rpcbuf_svc_backend(), tested_backend_name()));
}

static inline void server_start_with(enum mode mode,
				     const struct rpcbuf_svc_options *options)
{
	server_create(mode, options);
	server_run();
}

static inline void server_start(enum mode mode)
{
	struct rpcbuf_svc_options options = svc_options_for_tests();

	server_start_with(mode, &options);
}

static inline struct rpcbuf_svc_stats stats(void)
{
	struct rpcbuf_svc_stats s = RPCBUF_SVC_STATS_INIT;

	rpcbuf_svc_stats(&s, NULL);
	return s;
}

static inline struct rpcbuf_engine_stats engine_stats(void)
{
	struct rpcbuf_svc_stats s = RPCBUF_SVC_STATS_INIT;
	struct rpcbuf_engine_stats e = RPCBUF_ENGINE_STATS_INIT;

	rpcbuf_svc_stats(&s, &e);
	return e;
}

/* ---------------------------------------------------- clients of libtirpc */

static const struct timeval patience = {.tv_sec = GUARD_S};

static inline int connected(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(server.port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(fd >= 0);
	must(connect(fd, (void *)&address, sizeof(address)) == 0);
	return fd;
}

static inline CLIENT *client_open(void)
{
	struct sockaddr_in address;
	struct netbuf netbuf = {sizeof(address), sizeof(address), &address};
	socklen_t len = sizeof(address);
	int fd = connected();
	CLIENT *client;

	must(getpeername(fd, (void *)&address, &len) == 0);
	client = clnt_vc_create(fd, &netbuf, PROG, VERS, 0, 0);
	must(client);
	must(clnt_control(client, CLSET_FD_CLOSE, NULL));
	return client;
}

static inline void client_close(CLIENT *client)
{
	clnt_destroy(client);
}

static inline enum clnt_stat client_call(CLIENT *client, enum proc proc,
					 void *xdr_args, void *args,
					 void *xdr_results, void *results)
{
	return clnt_call(client, proc, xdrproc(xdr_args), args,
			 xdrproc(xdr_results), results, patience);
}

static inline void client_add(CLIENT *client, quad_t value)
{
	quad_t result = 0;

	must(client_call(client, ADD, xdr_hyper, &value, xdr_hyper, &result) ==
	     RPC_SUCCESS);
	must(result == value + 1);
}

/* @length random bytes there and back. */
static inline void client_blob(CLIENT *client, enum proc proc, u_int length)
{
	struct blob blob = {malloc(length + 1), length}, back = {0};

	wire_pattern((uint8_t *)blob.data, length, length);
	must(client_call(client, proc, xdr_blob, &blob, xdr_blob, &back) ==
	     RPC_SUCCESS);
	must(back.length == length);
	must(!length || !memcmp(back.data, blob.data, length));
	clnt_freeres(client, xdrproc(xdr_blob), (caddr_t)&back);
	free(blob.data);
}

/* Ends the server, which has no other client by then. */
static inline void server_stop(void)
{
	if (server.mode == ENGINE) {
		rpcbuf_svc_exit();
	} else {
		CLIENT *client = client_open();

		must(client_call(client, EXIT, xdr_void, NULL, xdr_void,
				 NULL) == RPC_SUCCESS);
		client_close(client);
	}
	pthread_join(server.thread, NULL);
	must(server.result == 0);
	svc_destroy(server.listener);
}

/* ------------------------------------------------- clients that write bytes */

/* The call of @proc with @len bytes of arguments, in fragments of @sizes (NULL:
 * one); free() the record. */
static inline uint8_t *raw_call(uint32_t xid, enum proc proc, const void *args,
				uint32_t len, const uint32_t *sizes,
				unsigned int nr, size_t *record_len)
{
	uint32_t whole = RPCBUF_CALL_MIN + len;
	uint8_t *body = calloc(1, whole);
	uint8_t *record = malloc(whole + (nr ? nr : 1) * RPCBUF_MARK_SIZE);

	put32(body, xid);
	put32(body + 8, 2);
	put32(body + 12, PROG);
	put32(body + 16, VERS);
	put32(body + 20, proc);
	if (len)
		memcpy(body + RPCBUF_CALL_MIN, args, len);
	*record_len =
		wire_record(record, body, nr ? sizes : &whole, nr ? nr : 1);
	free(body);
	return record;
}

static inline bool raw_send(int fd, const void *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0)
			return false;
		bytes = (const char *)bytes + n;
		len -= (size_t)n;
	}
	return true;
}

static inline bool raw_read(int fd, void *to, size_t len)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	uint8_t *at = to;

	while (len) {
		ssize_t n;

		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		n = recv(fd, at, len, 0);
		if (n <= 0)
			return false;
		at += n;
		len -= (size_t)n;
	}
	return true;
}

/* The message of a reply, to be freed; NULL at the end of the stream. */
static inline uint8_t *raw_reply(int fd, uint32_t *len)
{
	uint8_t *body = NULL, mark[4];

	*len = 0;
	do {
		uint32_t size;

		if (!raw_read(fd, mark, sizeof(mark))) {
			free(body);
			return NULL;
		}
		size = get32(mark) & ~RPCBUF_MARK_LAST;
		body = realloc(body, *len + size + 1);
		must(raw_read(fd, body + *len, size));
		*len += size;
	} while (!(get32(mark) & RPCBUF_MARK_LAST));
	return body;
}

/* An accepted reply to @xid whose results are @len bytes of @results. */
static inline void raw_expect(int fd, uint32_t xid, const void *results,
			      uint32_t len)
{
	uint32_t got;
	uint8_t *reply = raw_reply(fd, &got);

	must(reply);
	must(get32(reply) == xid && get32(reply + 4) == 1);
	must(get32(reply + 8) == MSG_ACCEPTED && get32(reply + 20) == SUCCESS);
	must(got == 24 + len);
	must(!len || !memcmp(reply + 24, results, len));
	free(reply);
}

static inline void raw_expect_end(int fd)
{
	uint32_t len;

	must(!raw_reply(fd, &len));
}

#endif /* TESTS_TIRPC_UTIL_H */
