/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * How ntirpc decodes and encodes, and in which order it asks: functions that were
 * compiled into the server's libraries work on streams that note what they do.
 */
#include <arpa/inet.h>
#include <rpc/svc_auth.h>
#include <string.h>

#include "facts_probe.h"
#include "nfsv41.h"

/* What this thread has seen. */
static __thread struct {
	struct svc_req *req;
	XDR *xdrs;
	const void *at; /* where the stream stood */
	void *block;
	unsigned int nr, units;
	bool freed;
} seen;

/* The window of @xdrs: @len bytes at @at. */
static void set_probe_window(XDR *xdrs, void *at, size_t used, size_t len)
{
	xdrs->x_v.vio_base = xdrs->x_v.vio_head = at;
	xdrs->x_v.vio_tail = xdrs->x_v.vio_head + used;
	xdrs->x_v.vio_wrap = xdrs->x_v.vio_head + len;
	xdrs->x_data = at;
	xdrs->x_base = &xdrs->x_v;
}

static enum xprt_stat note_call(struct svc_req *req)
{
	seen.req = req;
	seen.at = req->rq_xdrs->x_data;
	return XPRT_IDLE;
}

/* The xid, CALL, versions and procedure of NFS, no credentials. */
bool probe_decode(struct probe *probe)
{
	uint32_t call[11] = {[0] = 1,
			     [2] = htonl(RPC_MSG_VERSION),
			     [3] = htonl(100003),
			     [4] = htonl(3)};
	const struct xdr_ops ops = {NULL};
	XDR xdrs = {.x_ops = &ops, .x_op = XDR_DECODE};
	struct svc_req req = {.rq_xprt = probe->xprt, .rq_xdrs = &xdrs};

	set_probe_window(&xdrs, call, sizeof(call), sizeof(call));
	memset(&seen, 0, sizeof(seen));
	probe->xprt->xp_dispatch.process_cb = note_call;
	return probe->facts->connected->xp_decode(&req) == XPRT_IDLE &&
	       seen.req == &req && seen.at == &call[10] &&
	       req.rq_msg.cb_prog == 100003 && req.rq_msg.cb_vers == 3;
}

static mem_1_size_t original_malloc;
static mem_free_size_t original_free;

static void *note_malloc(size_t size, const char *file, int line,
			 const char *function)
{
	void *block = original_malloc(size, file, line, function);

	if (seen.xdrs && strcmp(function, "xdr_bytes_decode") == 0) {
		seen.at = seen.xdrs->x_data;
		seen.block = block;
	}
	return block;
}

static void note_free(void *block, size_t size)
{
	if (block && block == seen.block)
		seen.freed = true;
	original_free(block, size);
}

static bool note_bytes(XDR *xdrs, char *to, u_int len)
{
	if (to != seen.block)
		return false;
	memcpy(to, xdrs->x_data, len);
	xdrs->x_data += len;
	seen.nr++;
	return true;
}

bool probe_payload(struct probe *probe)
{
	uint32_t bytes[3] = {htonl(2 * sizeof(uint32_t)), 1, 2};
	const struct xdr_ops ops = {.x_getbytes = note_bytes};
	XDR xdrs = {.x_ops = &ops, .x_op = XDR_DECODE};
	struct netobj object = {0};
	bool right;

	(void)probe;
	set_probe_window(&xdrs, bytes, sizeof(bytes), sizeof(bytes));
	memset(&seen, 0, sizeof(seen));
	seen.xdrs = &xdrs;
	original_malloc = __ntirpc_pkg_params.malloc_;
	original_free = __ntirpc_pkg_params.free_size_;
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, note_free);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.malloc_, note_malloc);
	right = xdr_nnetobj(&xdrs, &object) && seen.nr == 1 &&
		seen.at == &bytes[1] && object.n_bytes == seen.block &&
		object.n_len == 2 * sizeof(uint32_t);
	xdrs.x_op = XDR_FREE;
	right = xdr_nnetobj(&xdrs, &object) && right && seen.freed;
	fsal_rpcbuf_set(&__ntirpc_pkg_params.malloc_, original_malloc);
	fsal_rpcbuf_set(&__ntirpc_pkg_params.free_size_, original_free);
	seen.xdrs = NULL;
	return right;
}

/* A decoder of arguments, and a function of results. */
static bool note_proc(XDR *xdrs, void *where)
{
	if (where != &seen)
		return false;
	seen.xdrs = xdrs;
	seen.nr++;
	return true;
}

static void note_checksum(struct svc_req *req, void *data, size_t len)
{
	(void)len;
	seen.at = data;
	req->rq_msg.rm_xdr.proc = (xdrproc_t)note_proc;
}

/* request_checksum() exchanges the decoder. */
bool probe_checksum(struct probe *probe)
{
	uint32_t arguments = 0;
	struct xp_ops ops = {.xp_checksum = note_checksum};
	SVCXPRT xprt = {.xp_ops = &ops};
	XDR xdrs = {.x_op = XDR_DECODE};
	struct svc_req req = {.rq_xprt = &xprt, .rq_xdrs = &xdrs};

	(void)probe;
	set_probe_window(&xdrs, &arguments, sizeof(arguments),
			 sizeof(arguments));
	memset(&seen, 0, sizeof(seen));
	req.rq_msg.rm_xdr.where = (void *)&seen;
	req.rq_msg.rm_xdr.proc = (xdrproc_t)xdr_void;
	return _svcauth_none(&req) == AUTH_OK && SVCAUTH_CHECKSUM(&req) &&
	       seen.at == &arguments && seen.xdrs == &xdrs && seen.nr == 1;
}

static bool note_unit(XDR *xdrs, const uint32_t unit)
{
	(void)xdrs;
	(void)unit;
	seen.units++;
	return true;
}

static enum xprt_stat note_reply(struct svc_req *req)
{
	seen.req = req;
	return XPRT_IDLE;
}

/* A head of six words, where the window has room for two: encode_results() is
 * where these results are. */
bool probe_results(struct probe *probe)
{
	uint32_t window[2];
	const struct xdr_ops ops = {.x_putunit = note_unit};
	XDR xdrs = {.x_ops = &ops, .x_op = XDR_ENCODE};
	struct xp_ops xprt_ops = {.xp_reply = note_reply};
	SVCXPRT xprt = {.xp_ops = &xprt_ops};
	struct svc_req req = {.rq_xprt = &xprt};
	struct rpc_msg *msg = &req.rq_msg;

	(void)probe;
	set_probe_window(&xdrs, window, 0, sizeof(window));
	memset(&seen, 0, sizeof(seen));
	msg->RPCM_ack.ar_results.proc = (xdrproc_t)note_proc;
	msg->RPCM_ack.ar_results.where = (void *)&seen;
	if (svc_sendreply(&req) != XPRT_IDLE || seen.req != &req ||
	    msg->rm_direction != REPLY ||
	    msg->rm_reply.rp_stat != MSG_ACCEPTED ||
	    msg->RPCM_ack.ar_stat != SUCCESS)
		return false;
	if (!xdr_nreplymsg(&xdrs, msg) || seen.nr != 1 || seen.units != 4 ||
	    xdrs.x_data != (void *)&window[2])
		return false;
	return _svcauth_none(&req) == AUTH_OK && SVCAUTH_WRAP(&req, &xdrs) &&
	       seen.nr == 2 && seen.units == 4;
}

/* Five bytes, which are padded.  What reads instead of Ganesha's block (read.h)
 * and what sends it (xdr_reply.c) rely on this. */
bool probe_data(struct probe *probe)
{
	READ4resok ok = {.data.data_len = 5};
	uint8_t *block = mem_alloc(8);
	struct xdr_uio *uio;
	const xdr_vio *v;
	bool holds;

	(void)probe;
	memset(block, 0xff, 8);
	ok.data.data_val = (char *)block;
	uio = xdr_READ4res_uio_setup(&ok);
	v = uio->uio_vio;
	holds = uio->uio_count == 1 && v->vio_base == block &&
		v->vio_head == block && v->vio_tail == block + 8 &&
		v->vio_wrap == block + 8 && !block[5] && !block[6] &&
		!block[7] && !ok.data.data_val && !uio->uio_references;
	uio->uio_references = 2;
	uio->uio_release(uio, UIO_FLAG_NONE);
	if (uio->uio_references != 1)
		return false;
	uio->uio_release(uio, UIO_FLAG_NONE);
	return holds;
}
