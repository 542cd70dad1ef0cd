/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * ntirpc encodes the head of a reply itself, and asks for the results through a
 * function, which is ours for that long: what it encodes goes through the flavour
 * first.  No other thread uses a request while it is replied to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <rpc/svc_auth.h>
#include <rpc/xdr_ioq.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/record.h>
#include <stdlib.h>
#include <string.h>

#include "encode.h"
#include "xdr_pages.h"
#include "xdr_reply.h"

/* What all replies at once may need when there is not a page else: most need
 * one, and give it back when they are sent. */
#define RESERVE_PAGES 32u

static struct {
	struct rpcbuf *mm;
	struct rpcbuf_mempool *reserve;
} pages;

int encode_start(struct rpcbuf *mm)
{
	pages.mm = mm;
	return rpcbuf_mempool_create(&pages.reserve, mm, RESERVE_PAGES);
}

struct rpcbuf_mempool *encode_reserve(void)
{
	return pages.reserve;
}

void encode_stop(void)
{
	rpcbuf_mempool_destroy(pages.reserve);
	pages.reserve = NULL;
}

struct results {
	struct svc_req *req;
	struct xdrpair pair;
};

static bool encode_results(XDR *xdrs, void *arg)
{
	struct results *results = arg;
	struct svc_req *req = results->req;

	req->rq_msg.RPCM_ack.ar_results = results->pair;
	return !req->rq_auth || SVCAUTH_WRAP(req, xdrs);
}

static bool encode_message(struct svc_req *req, XDR *xdrs)
{
	struct rpc_msg *msg = &req->rq_msg;
	struct results results = {.req = req};
	bool encoded;

	if (msg->rm_reply.rp_stat != MSG_ACCEPTED ||
	    msg->RPCM_ack.ar_stat != SUCCESS)
		return xdr_nreplymsg(xdrs, msg);
	results.pair = msg->RPCM_ack.ar_results;
	msg->RPCM_ack.ar_results.proc = (xdrproc_t)encode_results;
	msg->RPCM_ack.ar_results.where = (void *)&results;
	encoded = xdr_nreplymsg(xdrs, msg);
	msg->RPCM_ack.ar_results = results.pair;
	return encoded;
}

/* The data are in pages, and Ganesha's block has garbage (read.h): true when a reply
 * did not refer to the pages.  For v4 a probe has tried that it does
 * (facts_xdr.c); v3's function is not exported. */
static bool is_data_left(const struct svc_req *req,
			 const struct read_data *read)
{
	const READ3res *res = req->rq_msg.RPCM_ack.ar_results.where;

	return read && read->first && req->rq_msg.cb_vers == NFS_V3 &&
	       req->rq_msg.cb_proc == NFSPROC3_READ && res->status == NFS3_OK;
}

int encode_reply(struct svc_req *req, struct rpcbuf_respages *respages,
		 struct rpcbuf_reply **reply)
{
	struct xdr_pages *call =
		req->rq_xdrs ? xdr_pages_of(req->rq_xdrs) : NULL;
	struct xdr_reply x;
	bool encoded;
	int err;

	err = xdr_reply_begin(&x, pages.mm, pages.reserve, respages,
			      call ? &call->read : NULL);
	if (err)
		return err;
	encoded = encode_message(req, &x.xdr) && !is_data_left(req, x.read);
	err = xdr_reply_end(&x, encoded, reply);
	return err == -ECANCELED ? -EINVAL : err;
}

static int add_pieces(struct rpcbuf_reply *reply, XDR *xdrs)
{
	u_int len = XDR_GETPOS(xdrs);
	int nr = XDR_IOVCOUNT(xdrs, 0, len), err = 0;
	uint32_t mark = htonl(len | RPCBUF_MARK_LAST);
	uint8_t *mark_at = (uint8_t *)reply + RPCBUF_REPLY_HEAD;
	xdr_vio *pieces;

	pieces = nr > 0 ? calloc((size_t)nr, sizeof(*pieces)) : NULL;
	if (!pieces || !XDR_FILLBUFS(xdrs, 0, pieces, len))
		err = -ENOMEM;
	memcpy(mark_at, &mark, sizeof(mark));
	if (!err)
		err = rpcbuf_reply_add(reply, mark_at, sizeof(mark));
	for (int i = 0; !err && i < nr; i++)
		err = rpcbuf_reply_add(reply, pieces[i].vio_head,
				       pieces[i].vio_length);
	free(pieces);
	return err;
}

int encode_foreign(struct xdr_ioq *xioq, void (*release)(void *xioq),
		   struct rpcbuf_reply **made)
{
	void *page =
		rpcbuf_mempool_alloc_page(pages.reserve, RPCBUF_GFP_NOWAIT);
	struct rpcbuf_reply *reply;
	int err;

	if (!page)
		return -ENOMEM;
	reply = rpcbuf_reply_create(pages.mm, page);
	rpcbuf_reply_return_to(reply, pages.reserve);
	xdr_tail_update(xioq->xdrs);
	err = add_pieces(reply, xioq->xdrs);
	if (!err)
		err = rpcbuf_reply_own_ref(reply, XDR_GETPOS(xioq->xdrs),
					   release, xioq);
	if (err)
		rpcbuf_reply_free(reply);
	else
		*made = reply;
	return err;
}
