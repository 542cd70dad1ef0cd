/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How ntirpc sends: a reply and a call are sent as the server does it, and looked
 * at where they are queued.
 */
#include <arpa/inet.h>
#include <rpc/svc_auth.h>
#include <rpc/xdr_ioq.h>
#include <sys/socket.h>

#include "facts_probe.h"

/* No record of a transport is longer. */
#define RECORD_MAX ((size_t)64 << 10)

/* Words that a call begins with: xid, direction, version of RPC. */
#define HEAD_WORDS 3u

/* A reply whose place in the queue is read: its stream begins the queue's entry, and
 * is asked for its pieces while that is queued. */
static __thread struct {
	const struct xdr_ops *original;
	struct xdr_ops ours;
	struct poolq_entry **first; /* the queue's */
	bool alone;
} sent;

static int note_queue(XDR *xdrs, u_int start, u_int len)
{
	struct poolq_entry *entry = &XIOQ(xdrs)->ioq_s;

	sent.first = entry->q.tqe_prev;
	sent.alone = *sent.first == entry && !entry->q.tqe_next;
	return sent.original->x_iovcount(xdrs, start, len);
}

static bool wrap_probe(struct svc_req *req, XDR *xdrs)
{
	(void)req;
	sent.original = xdrs->x_ops;
	sent.ours = *xdrs->x_ops;
	sent.ours.x_iovcount = note_queue;
	xdrs->x_ops = &sent.ours;
	return true;
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

static bool reply_came(struct probe *probe)
{
	return probe_came(probe->pair.connecting);
}

bool probe_queue(struct probe *probe)
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
	       probe_wait(probe, reply_came) &&
	       recv(probe->pair.connecting, scrap, sizeof(scrap),
		    MSG_DONTWAIT) == 28;
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

/* What is queued is the call alone: ntirpc adds its mark when it sends. */
static bool is_bare_call(XDR *xdrs)
{
	u_int len = XDR_GETPOS(xdrs), bytes = 0;
	int nr = XDR_IOVCOUNT(xdrs, 0, len);
	xdr_vio pieces[4];
	const uint32_t *head;

	if (nr < 1 || nr > 4 || XIOQ(xdrs)->write_start ||
	    !XDR_FILLBUFS(xdrs, 0, pieces, len))
		return false;
	for (int i = 0; i < nr; i++)
		bytes += pieces[i].vio_length;
	head = (const uint32_t *)(const void *)pieces[0].vio_head;
	return bytes == len &&
	       pieces[0].vio_length >= HEAD_WORDS * sizeof(*head) &&
	       ntohl(head[1]) == CALL && ntohl(head[2]) == RPC_MSG_VERSION;
}

/* Both of ntirpc's ways to send: at once, and by another thread. */
bool probe_token(struct probe *probe)
{
	struct poolq_head *queue = facts_queue(probe->facts, probe->xprt);
	struct poolq_entry *entry;
	unsigned int nr = 0, calls = 0;
	bool both;

	TAILQ_INSERT_TAIL(&queue->qh, &probe->token, q);
	both = send_reply(probe) && send_call(probe->client);
	pthread_mutex_lock(&queue->qmutex);
	while ((entry = TAILQ_NEXT(&probe->token, q))) {
		XDR *xdrs = _IOQ(entry)->xdrs;

		TAILQ_REMOVE(&queue->qh, entry, q);
		both = both && xdrs->x_lib[1] == probe->xprt;
		xdr_tail_update(xdrs);
		calls += is_bare_call(xdrs);
		XDR_DESTROY(xdrs);
		SVC_RELEASE(probe->xprt, SVC_RELEASE_FLAG_NONE);
		nr++;
	}
	TAILQ_REMOVE(&queue->qh, &probe->token, q);
	pthread_mutex_unlock(&queue->qmutex);
	return both && nr == 2 && calls == 1 &&
	       !probe_came(probe->pair.connecting);
}
