/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The facts, in the order in which they are tried: one may need those before it.
 *
 * A probe has a connection of its own within this host, and a transport at its
 * accepted end that ntirpc's epoll does not know of.  It sends a reply, and a
 * call as the server does, and looks at what ntirpc did with them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <rpc/svc_auth.h>
#include <rpc/xdr_ioq.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "facts.h"
#include "listener.h"
#include "nfsv41.h"
#include "rpcbuf/engine/loopback.h"
#include "rpcbuf/os/table.h"

/* No record of a transport is longer. */
#define RECORD_MAX ((size_t)64 << 10)

struct probe {
	struct facts *facts;
	struct loopback pair;
	SVCXPRT *xprt, *listener;
	CLIENT *client;
	struct poolq_entry token;
};

static bool connected_table(struct probe *probe)
{
	const struct xp_ops *ops = probe->xprt->xp_ops;

	probe->facts->connected = probe->xprt->xp_ops;
	return os_table_is_writable(ops, sizeof(*ops)) && ops->xp_recv &&
	       ops->xp_reply && ops->xp_unlink && ops->xp_destroy;
}

static bool listening_table(struct probe *probe)
{
	const struct xp_ops *ops = probe->listener->xp_ops;

	probe->facts->listening = probe->listener->xp_ops;
	return os_table_is_writable(ops, sizeof(*ops)) && ops->xp_recv &&
	       ops->xp_unlink && ops != probe->facts->connected;
}

static bool is_unused(struct probe *probe)
{
	bool fresh = !probe->xprt->xp_p1;

	probe->xprt->xp_p1 = probe;
	return fresh;
}

static bool is_left_alone(struct probe *probe)
{
	return probe->xprt->xp_p1 == probe;
}

/* The reply that tells where it is queued: its stream is the start of what is
 * queued, and asked for its pieces while it is. */
static __thread struct {
	const struct xdr_ops *stock;
	struct xdr_ops ours;
	struct poolq_entry **first; /* the queue's */
	bool alone;
} sent;

static int tell_queue(XDR *xdrs, u_int start, u_int len)
{
	struct poolq_entry *entry = &XIOQ(xdrs)->ioq_s;

	sent.first = entry->q.tqe_prev;
	sent.alone = *sent.first == entry && !entry->q.tqe_next;
	return sent.stock->x_iovcount(xdrs, start, len);
}

static bool wrap_probe(struct svc_req *req, XDR *xdrs)
{
	(void)req;
	sent.stock = xdrs->x_ops;
	sent.ours = *xdrs->x_ops;
	sent.ours.x_iovcount = tell_queue;
	xdrs->x_ops = &sent.ours;
	return true;
}

static bool comes(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static bool send_reply(struct probe *probe)
{
	struct svc_auth_ops ops = {.svc_ah_wrap = wrap_probe};
	SVCAUTH auth = {.svc_ah_ops = &ops};
	struct svc_req *req = mem_zalloc(sizeof(*req));
	XDR none = {0};
	enum xprt_stat stat;

	req->rq_xprt = probe->xprt;
	req->rq_xdrs = &none;
	req->rq_auth = &auth;
	req->rq_msg.rm_direction = REPLY;
	req->rq_msg.rm_reply.rp_stat = MSG_ACCEPTED;
	req->rq_msg.RPCM_ack.ar_stat = SUCCESS;
	stat = probe->xprt->xp_ops->xp_reply(req);
	mem_free(req, sizeof(*req));
	return stat == XPRT_IDLE;
}

static bool queue_place(struct probe *probe)
{
	char *record = (char *)probe->xprt, scrap[256];
	struct poolq_head *queue;

	sent.first = NULL;
	if (!send_reply(probe) || !sent.alone ||
	    (char *)sent.first < record + sizeof(SVCXPRT) ||
	    (char *)sent.first > record + RECORD_MAX)
		return false;
	probe->facts->queue = (size_t)((char *)sent.first - record) -
			      offsetof(struct poolq_head, qh.tqh_first);
	queue = facts_queue(probe->facts, probe->xprt);
	return !queue->qh.tqh_first &&
	       queue->qh.tqh_last == &queue->qh.tqh_first &&
	       recv(probe->pair.connecting, scrap, sizeof(scrap),
		    MSG_DONTWAIT) == 28;
}

static enum xprt_stat no_call(struct svc_req *req)
{
	(void)req;
	return XPRT_IDLE;
}

/* As own accept registers it: with a descriptor that never has an event in the
 * place of the socket. */
static bool registration(struct probe *probe)
{
	SVCXPRT *xprt = probe->xprt;

	int fd = fcntl(xprt->xp_fd, F_DUPFD_CLOEXEC, 0);

	xprt->xp_dispatch.process_cb = no_call;
	if (fd < 0 || listener_register(xprt, fd))
		return false;
	probe->client =
		clnt_vc_ncreate_svc(xprt, 100000, 2, CLNT_CREATE_FLAG_NONE);
	return CLNT_SUCCESS(probe->client) &&
	       xprt->xp_dispatch.process_cb == no_call &&
	       !(xprt->xp_flags & SVC_XPRT_FLAG_ADDED_RECV);
}

static bool clients_table(struct probe *probe)
{
	CLIENT *other = clnt_vc_ncreate_svc(probe->xprt, 100001, 3,
					    CLNT_CREATE_FLAG_NONE);
	struct clnt_ops *ops = probe->client->cl_ops;
	int fd = -1;
	bool same = other->cl_ops == ops && ops->cl_call && ops->cl_control &&
		    CLNT_CONTROL(other, CLGET_FD, &fd) &&
		    fd == probe->xprt->xp_fd;

	probe->facts->clients = ops;
	CLNT_DESTROY(other);
	return same && os_table_is_writable(ops, sizeof(*ops));
}

static void free_call(struct clnt_req *call, size_t size)
{
	(void)size;
	mem_free(call, sizeof(*call));
}

static bool send_call(CLIENT *client)
{
	struct clnt_req *call = mem_zalloc(sizeof(*call));
	bool sent_it = false;

	clnt_req_fill(call, client, authnone_ncreate(), 0, (xdrproc_t)xdr_void,
		      NULL, (xdrproc_t)xdr_void, NULL);
	call->cc_free_cb = free_call;
	if (clnt_req_setup(call, (struct timespec){.tv_sec = 1}) == RPC_SUCCESS)
		sent_it = CLNT_CALL_ONCE(call) == RPC_SUCCESS;
	clnt_req_release(call);
	return sent_it;
}

/* Both of ntirpc's ways to send: at once, and by another thread. */
static bool token(struct probe *probe)
{
	struct poolq_head *queue = facts_queue(probe->facts, probe->xprt);
	struct poolq_entry *entry;
	unsigned int nr = 0;
	bool both;

	TAILQ_INSERT_TAIL(&queue->qh, &probe->token, q);
	both = send_reply(probe) && send_call(probe->client);
	pthread_mutex_lock(&queue->qmutex);
	while ((entry = TAILQ_NEXT(&probe->token, q))) {
		XDR *xdrs = _IOQ(entry)->xdrs;

		TAILQ_REMOVE(&queue->qh, entry, q);
		both = both && xdrs->x_lib[1] == probe->xprt;
		XDR_DESTROY(xdrs);
		SVC_RELEASE(probe->xprt, SVC_RELEASE_FLAG_NONE);
		nr++;
	}
	TAILQ_REMOVE(&queue->qh, &probe->token, q);
	pthread_mutex_unlock(&queue->qmutex);
	return both && nr == 2 && !comes(probe->pair.connecting);
}

/* The hash's and ours: the client's is given back before. */
static bool references(struct probe *probe)
{
	CLNT_DESTROY(probe->client);
	probe->client = NULL;
	return probe->xprt->xp_refcnt == 2;
}

/* What reads instead of Ganesha's block relies on (read.h). */
static bool by_reference(struct probe *probe)
{
	READ4resok ok = {.data.data_len = sizeof(uint32_t)};
	char *block = mem_alloc(sizeof(uint32_t));
	struct xdr_uio *uio;
	bool holds;

	(void)probe;
	ok.data.data_val = block;
	uio = xdr_READ4res_uio_setup(&ok);
	holds = uio->uio_count == 1 && uio->uio_vio[0].vio_base == (void *)block &&
		!ok.data.data_val;
	uio->uio_references++;
	uio->uio_release(uio, UIO_FLAG_NONE);
	return holds;
}

static const struct {
	const char *what;  /* that does not hold then */
	const char *where; /* it was read */
	bool (*holds)(struct probe *probe);
} facts_table[] = {
	{"connected transports share one table of functions that can be written to",
	 "svc_vc.c, svc_vc_override_ops()", connected_table},
	{"listeners share another table that can be written to",
	 "svc_vc.c, svc_vc_rendezvous_ops()", listening_table},
	{"xp_p1 of a transport is empty at first", "svc.h, struct svc_xprt",
	 is_unused},
	{"a reply that is sent heads the queue of its transport",
	 "svc_ioq.c, svc_ioq_write_now()", queue_place},
	{"a transport that is registered keeps what calls are given to when a client is made of it",
	 "clnt_vc.c, clnt_vc_ncreatef()", registration},
	{"clients over connections share one table that can be written to",
	 "clnt_vc.c, clnt_vc_ops()", clients_table},
	{"what is sent behind an entry of another's is queued, and no more",
	 "svc_ioq.c, svc_ioq_write_now() and svc_ioq_write_submit()", token},
	{"xp_p1 of a transport is left alone", "svc.h, struct svc_xprt",
	 is_left_alone},
	{"a transport has one reference for its table, and one for who made it",
	 "svc_xprt.c, svc_xprt_lookup()", references},
	{"a reply refers to the data of a READ in the block that they were read into",
	 "nfs4_op_read.c, xdr_READ4res_uio_setup()", by_reference},
};

static int try_all(struct probe *probe, char *why, size_t len)
{
	for (size_t i = 0; i < sizeof(facts_table) / sizeof(*facts_table); i++)
		if (!facts_table[i].holds(probe)) {
			snprintf(
				why, len,
				"the server is not as this was built for (%s): not true is that %s",
				facts_table[i].where, facts_table[i].what);
			return -ENOTSUP;
		}
	return 0;
}

/* @fd is closed with the transport. */
static void end_probe(SVCXPRT *xprt, int *fd)
{
	if (!xprt)
		return;
	*fd = -1;
	xprt->xp_p1 = NULL;
	SVC_DESTROY(xprt);
	SVC_RELEASE(xprt, SVC_RELEASE_FLAG_NONE);
}

int facts_find(struct facts *facts, char *why, size_t len)
{
	const uint32_t flags = SVC_CREATE_FLAG_XPRT_NOREG |
			       SVC_CREATE_FLAG_CLOSE;
	struct probe probe = {.facts = facts};
	int err = loopback_open(&probe.pair, AF_INET);

	if (!err) {
		probe.xprt = svc_fd_ncreatef(probe.pair.accepted, 0, 0, flags);
		probe.listener =
			svc_vc_ncreatef(probe.pair.listening, 0, 0, flags);
		err = probe.xprt && probe.listener ? 0 : -ENOMEM;
	}
	if (err)
		snprintf(why, len, "no transport to try ntirpc with: %s",
			 strerror(-err));
	else
		err = try_all(&probe, why, len);
	if (probe.client)
		CLNT_DESTROY(probe.client);
	end_probe(probe.xprt, &probe.pair.accepted);
	end_probe(probe.listener, &probe.pair.listening);
	loopback_close(&probe.pair);
	return err;
}
