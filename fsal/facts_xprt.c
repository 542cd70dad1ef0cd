/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How ntirpc makes a transport, gives it events, and ends it.
 *
 * Where a probe counts calls of a transport's functions, that has a table of its
 * own.  What is exchanged for a moment in a table of the server's does what the
 * function did that was there.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <rpc/svc_rqst.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "facts_probe.h"
#include "listener.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/os/clock.h"
#include "rpcbuf/os/plain.h"
#include "rpcbuf/os/table.h"

bool probe_came(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

/* The reaper, svc_rqst_clean_idle(), takes what has never received. */
SVCXPRT *probe_make(struct probe *probe,
		    SVCXPRT *(*make)(const int fd, const u_int sendsize,
				     const u_int recvsize,
				     const uint32_t flags),
		    int fd)
{
	SVCXPRT *xprt = make(fd, 0, 0, PROBE_FLAGS);

	if (xprt)
		atomic_set_uint16_t_bits(&xprt->xp_flags, SVC_XPRT_FLAG_UREG);
	else
		probe->err = -EUSERS;
	return xprt;
}

void probe_drop(SVCXPRT *xprt, int *fd)
{
	if (!xprt)
		return;
	*fd = -1;
	xprt->xp_p1 = NULL;
	SVC_DESTROY(xprt);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

bool probe_wait(struct probe *probe, bool (*happened)(struct probe *probe))
{
	uint64_t deadline = os_now() + PROBE_WAIT_MS * OS_MS_NS;

	for (;;) {
		bool last = os_now() >= deadline || os_load(&admin_shutdown);

		if (happened(probe))
			return true;
		if (last)
			return false;
		poll(NULL, 0, 1);
	}
}

bool probe_connected_table(struct probe *probe)
{
	const struct xp_ops *ops = probe->xprt->xp_ops;

	probe->facts->connected = probe->xprt->xp_ops;
	return os_table_is_writable(ops, sizeof(*ops)) && ops->xp_recv &&
	       ops->xp_reply && ops->xp_unlink && ops->xp_destroy;
}

bool probe_listening_table(struct probe *probe)
{
	const struct xp_ops *ops = probe->listener->xp_ops;

	probe->facts->listening = probe->listener->xp_ops;
	return os_table_is_writable(ops, sizeof(*ops)) && ops->xp_recv &&
	       ops->xp_unlink && ops != probe->facts->connected;
}

/* introduce() of listener.c copies an address there. */
static bool has_own_storage(const struct rpc_address *address)
{
	return address->nb.buf == (const void *)&address->ss;
}

bool probe_fresh(struct probe *probe)
{
	SVCXPRT *xprt = probe->xprt;
	bool fresh = !xprt->xp_p1 && !xprt->xp_parent &&
		     xprt->xp_fd_send == -1 &&
		     has_own_storage(&xprt->xp_remote) &&
		     has_own_storage(&xprt->xp_local);

	xprt->xp_p1 = probe;
	return fresh;
}

bool probe_left_alone(struct probe *probe)
{
	return probe->xprt->xp_p1 == probe;
}

static enum xprt_stat no_call(struct svc_req *req)
{
	(void)req;
	return XPRT_IDLE;
}

/* As own accept registers it: with a descriptor that never has an event in the
 * place of the socket. */
bool probe_registration(struct probe *probe)
{
	SVCXPRT *xprt = probe->xprt;
	int fd = fcntl(xprt->xp_fd, F_DUPFD_CLOEXEC, 0);

	xprt->xp_dispatch.process_cb = no_call;
	probe->err = fd < 0 ? -errno : listener_register(xprt, fd);
	if (probe->err) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	probe->client =
		clnt_vc_ncreate_svc(xprt, 100000, 2, CLNT_CREATE_FLAG_NONE);
	return CLNT_SUCCESS(probe->client) &&
	       xprt->xp_dispatch.process_cb == no_call &&
	       !(xprt->xp_flags & SVC_XPRT_FLAG_ADDED_RECV);
}

bool probe_clients_table(struct probe *probe)
{
	struct clnt_ops *ops = probe->client->cl_ops;
	int fd = -1;

	probe->facts->clients = ops;
	return os_table_is_writable(ops, sizeof(*ops)) && ops->cl_call &&
	       ops->cl_control && CLNT_CONTROL(probe->client, CLGET_FD, &fd) &&
	       fd == probe->xprt->xp_fd;
}

static bool (*original_control)(SVCXPRT *xprt, const u_int rq, void *in);

static bool pass_control(SVCXPRT *xprt, const u_int rq, void *in)
{
	return original_control(xprt, rq, in);
}

/* Of a listener, which is never asked for one. */
static void no_checksum(struct svc_req *req, void *data, size_t len)
{
	(void)req;
	(void)data;
	(void)len;
}

static void (*original_abort)(CLIENT *client);

static void pass_abort(CLIENT *client)
{
	original_abort(client);
}

/* A table is filled when its first one is made, and not again. */
bool probe_exchanges(struct probe *probe)
{
	struct xp_ops *connected = probe->facts->connected;
	struct xp_ops *listening = probe->facts->listening;
	struct clnt_ops *clients = probe->facts->clients;
	void *original_checksum = (void *)listening->xp_checksum;
	SVCXPRT *listener;
	CLIENT *client;
	bool stay;

	original_control = connected->xp_control;
	original_abort = clients->cl_abort;
	fsal_rpcbuf_set(&connected->xp_control, pass_control);
	fsal_rpcbuf_set(&listening->xp_checksum, no_checksum);
	fsal_rpcbuf_set(&clients->cl_abort, pass_abort);
	probe->other =
		probe_make(probe, svc_fd_ncreatef, probe->second.accepted);
	listener = probe_make(probe, svc_vc_ncreatef, probe->second.listening);
	client = clnt_vc_ncreate_svc(probe->xprt, 100001, 3,
				     CLNT_CREATE_FLAG_NONE);
	stay = probe->other && listener && probe->other->xp_ops == connected &&
	       listener->xp_ops == listening && client->cl_ops == clients &&
	       connected->xp_control == pass_control &&
	       listening->xp_checksum == no_checksum &&
	       clients->cl_abort == pass_abort;
	fsal_rpcbuf_set(&connected->xp_control, original_control);
	fsal_rpcbuf_set(&listening->xp_checksum, original_checksum);
	fsal_rpcbuf_set(&clients->cl_abort, original_abort);
	CLNT_DESTROY(client);
	probe_drop(listener, &probe->second.listening);
	return stay;
}

/* The hash's and ours, and while there is a client, that one's. */
bool probe_references(struct probe *probe)
{
	bool held = probe->xprt->xp_refcnt == 3;

	CLNT_DESTROY(probe->client);
	probe->client = NULL;
	return held && probe->xprt->xp_refcnt == 2;
}

static struct probe *probe_of(SVCXPRT *xprt)
{
	return container_of(xprt->xp_ops, struct probe, ops);
}

static enum xprt_stat count_event(SVCXPRT *xprt)
{
	os_fetch_add(&probe_of(xprt)->events, 1u);
	return XPRT_IDLE;
}

static void count_unlink(SVCXPRT *xprt, u_int flags, const char *tag,
			 const int line)
{
	struct probe *probe = probe_of(xprt);

	os_fetch_add(&probe->unlinked, 1u);
	probe->facts->connected->xp_unlink(xprt, flags, tag, line);
}

static void count_destroy(SVCXPRT *xprt, u_int flags, const char *tag,
			  const int line)
{
	struct probe *probe = probe_of(xprt);

	os_fetch_add(&probe->destroyed, 1u);
	probe->facts->connected->xp_destroy(xprt, flags, tag, line);
}

/* The event is over as well: its reference has gone back. */
static bool event_is_over(struct probe *probe)
{
	return os_load(&probe->events) &&
	       os_load(&probe->other->xp_refcnt) == 2;
}

/* As what the server opens itself is: with events of its socket. */
bool probe_event(struct probe *probe)
{
	SVCXPRT *other = probe->other;
	uint32_t word = 0;
	int unread = 0;

	probe->ops = *probe->facts->connected;
	probe->ops.xp_recv = count_event;
	probe->ops.xp_unlink = count_unlink;
	probe->ops.xp_destroy = count_destroy;
	other->xp_ops = &probe->ops;
	probe->err = listener_watch(other);
	if (probe->err ||
	    send(probe->second.connecting, &word, sizeof(word), 0) !=
		    sizeof(word) ||
	    !probe_wait(probe, event_is_over) ||
	    ioctl(other->xp_fd, FIONREAD, &unread) || unread != sizeof(word))
		return false;
	return recv(other->xp_fd, &word, sizeof(word), 0) == sizeof(word) &&
	       !(other->xp_flags & SVC_XPRT_FLAG_ADDED_RECV) &&
	       os_load(&probe->events) == 1;
}

/* Whether the block with a transport has been freed. */
static struct {
	mem_free_size_t original;
	const char *block;
	bool freed;
} watched;

static void watch_free(void *block, size_t size)
{
	const char *first = block, *at = os_load(&watched.block);
	bool is = at && at >= first && at < first + size;

	watched.original(block, size);
	if (is)
		os_store(&watched.freed, true);
}

static bool is_freed(struct probe *probe)
{
	(void)probe;
	return os_load(&watched.freed);
}

static bool end_came(struct probe *probe)
{
	return probe_came(probe->second.connecting);
}

static enum xprt_stat count_resumed(struct svc_req *req)
{
	struct probe *probe = container_of(req->rq_xdrs, struct probe, stream);

	os_fetch_add(&probe->resumed, 1u);
	return XPRT_IDLE;
}

static void count_ended(XDR *xdrs)
{
	os_fetch_add(&container_of(xdrs, struct probe, stream)->ended, 1u);
}

/* As request_run() makes one, which gets our reference on `other`. */
static void resume_request(struct probe *probe)
{
	static const struct xdr_ops ops = {.x_destroy = count_ended};
	nfs_request_t *request = mem_zalloc(sizeof(*request));
	struct svc_req *req = &request->svc;

	probe->stream.x_ops = &ops;
	req->rq_xprt = probe->other;
	req->rq_xdrs = &probe->stream;
	req->rq_refcnt = 1;
	req->rq_resume_cb = count_resumed;
	TAILQ_INIT_ENTRY(request, dupes);
	probe->other = NULL;
	probe->second.accepted = -1;
	svc_resume(req);
}

/* With the token in its queue, and a listener that it came from; the last
 * reference is a request's. */
bool probe_end(struct probe *probe)
{
	SVCXPRT *other = probe->other, *listener = probe->listener;
	int32_t references = os_load(&listener->xp_refcnt);
	struct poolq_entry *token = &probe->token;
	struct poolq_entry **place;
	bool freed;
	char end;

	TAILQ_INSERT_TAIL(&facts_queue(probe->facts, other)->qh, token, q);
	place = token->q.tqe_prev;
	SVC_REF(listener, SVC_REF_FLAG_NONE);
	other->xp_parent = listener;
	watched.original = __ntirpc_pkg_params.free_size_;
	os_store(&watched.freed, false);
	os_store(&watched.block, (const char *)other);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, watch_free);
	SVC_DESTROY(other);
	SVC_DESTROY(other);
	other->xp_p1 = NULL;
	resume_request(probe);
	freed = probe_wait(probe, is_freed);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, watched.original);
	os_store(&watched.block, NULL);
	return freed && probe->resumed == 1 && probe->ended == 1 &&
	       probe->unlinked == 1 && probe->destroyed == 1 &&
	       !token->q.tqe_next && token->q.tqe_prev == place &&
	       os_load(&listener->xp_refcnt) == references &&
	       probe_wait(probe, end_came) &&
	       recv(probe->second.connecting, &end, sizeof(end), 0) == 0;
}
