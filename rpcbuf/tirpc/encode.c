/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Replies.  A thread owns a small vector of pages, rq_respages, which is filled in
 * bulk before it encodes, and while it does where it needs more.  What was used
 * goes with the reply, and comes back when that was sent.
 *
 * A thread never sleeps for pages of a reply: it has the pages of the call, for
 * which the holders of the others may be waiting.  When a bulk request brings none
 * it takes pages of the reserve, few at a time.  When these are used up, or a reply
 * reaches its limit, the encoded part is sent as a fragment and flushed: so a reply
 * needs no more memory than there is.  Without a page of the reserve, because
 * clients do not read and have all of it, the connection is closed: its client
 * sends the call again.
 *
 * Each thread of the engine has a vector; all others share one under a lock, which
 * is free under svc_run().
 *
 * A forked child of the process that made the instance gets no pages, and a lock
 * may be held there for ever.  It answers from memory of its own, and at once; the
 * parent sends the replies that were unsent at the fork.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "rpcbuf/engine/reply.h"
#include "rpcbuf/os/bits.h"
#include "rpcbuf/tirpc/encode.h"
#include "rpcbuf/tirpc/tirpc_private.h"

/* Of the reserve, at a time. */
#define RESERVED_MAX 4u
/* Room for the checksum or the padding that RPCSEC_GSS adds. */
#define GSS_SLACK 2048u
#define GSS_MAX	  ((size_t)64 << 20)
/* Longer ones cost more to copy than a page does. */
#define JOIN_MAX  512u
/* What a reply has in front of its results, verifier included (RFC 5531). */
#define HEAD_MAX  (6 * sizeof(uint32_t) + MAX_AUTH_BYTES)
/* In front of what is encoded: what a reply needs, and the mark. */
#define FRONT	  (RPCBUF_REPLY_HEAD + RPCBUF_MARK_SIZE)

struct encoder {
	struct rpcbuf_xdr xdr;
	XDR xdrs;
	struct conn *conn;
	unsigned int nr, next; /* pages that there are, and those used */
	unsigned int reserved; /* ... of the reserve */
	bool in_fragments;
	void *wrapped; /* what RPCSEC_GSS made, attached */
	uint64_t wrapped_bytes;
	void *pages[REPLY_PAGES_MAX];
};

static __thread struct encoder *mine;

static struct {
	pthread_mutex_t lock;
	struct encoder *encoder;
} others = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Keeps @nr of the unused pages, and frees the others. */
static void keep_pages(struct encoder *r, unsigned int nr)
{
	if (r->nr <= nr)
		return;
	rpcbuf_mempool_free_bulk_array(home.reserve, r->nr - nr, r->pages + nr);
	r->nr = nr;
}

static void encoder_destroy(struct encoder *r)
{
	if (r)
		keep_pages(r, 0);
	free(r);
}

void encode_thread_start(void)
{
	mine = calloc(1, sizeof(*mine));
}

void encode_thread_stop(void)
{
	encoder_destroy(mine);
	mine = NULL;
}

void encode_home_free(void)
{
	pthread_mutex_lock(&others.lock);
	encoder_destroy(others.encoder);
	others.encoder = NULL;
	pthread_mutex_unlock(&others.lock);
}

/* More pages, in bulk, so that there are @most at most. */
static bool fill_pages(struct encoder *r, unsigned int most)
{
	unsigned int want = rpcbuf_min(REPLY_PAGES, most - r->nr);

	memset(r->pages + r->nr, 0, want * sizeof(*r->pages));
	want = rpcbuf_alloc_bulk_array(home.mm, RPCBUF_GFP_NOWAIT, want,
				       r->pages + r->nr);
	r->nr += want;
	return want;
}

/* When there are no other pages. */
static bool add_reserved(struct encoder *r)
{
	unsigned int got = reply_reserved_page(home.reserve, &r->pages[r->nr]);

	r->nr += got;
	r->reserved += got;
	return got;
}

/* The pages that were used go with the reply. */
static struct rpcbuf_reply *reply_of_pages(struct encoder *r)
{
	struct rpcbuf_reply *reply = rpcbuf_reply_create(home.mm, r->pages[0]);
	unsigned int nr = r->next;
	int err;

	rpcbuf_reply_return_to(reply, home.reserve);
	reply->nr_reserved = r->reserved;
	err = rpcbuf_reply_own_pages(reply, nr - 1, r->pages + 1);
	if (err)
		rpcbuf_mempool_free_bulk_array(home.reserve, nr - 1,
					       r->pages + 1);
	r->nr -= nr;
	memmove(r->pages, r->pages + nr, r->nr * sizeof(*r->pages));
	r->next = r->reserved = 0;
	if (!err)
		return reply;
	rpcbuf_reply_free(reply);
	return NULL;
}

static int own_wrapped(struct encoder *r, struct rpcbuf_reply *reply)
{
	int err = 0;

	if (r->wrapped)
		err = rpcbuf_reply_own_ref(reply, r->wrapped_bytes, free,
					   r->wrapped);
	if (!err)
		r->wrapped = NULL;
	return err;
}

/* The record mark, and what is encoded behind it, in @first and elsewhere. */
static int add_extents(struct encoder *r, struct rpcbuf_reply *reply,
		       uint8_t *first, bool is_last)
{
	struct rpcbuf_writer *w = &r->xdr.writer;
	uint32_t mark = htonl(rpcbuf_writer_length(w) |
			      (is_last ? RPCBUF_MARK_LAST : 0));
	int err;

	memcpy(first + RPCBUF_REPLY_HEAD, &mark, sizeof(mark));
	err = rpcbuf_reply_add(reply, first + RPCBUF_REPLY_HEAD, sizeof(mark));
	for (unsigned int i = 0; !err && i < w->extents.nr; i++)
		err = rpcbuf_reply_add(reply, w->extents.all[i].base,
				       w->extents.all[i].length);
	return err;
}

/* Copies a short reply behind one that is corked; its page is for the next one. */
static int send_joined(struct encoder *r)
{
	struct rpcbuf_xdr *x = &r->xdr;
	uint8_t *record = (uint8_t *)r->pages[0] + RPCBUF_REPLY_HEAD;
	uint32_t length, mark;
	int ret;

	if (r->next != 1 || r->in_fragments || r->wrapped || x->attached)
		return -EAGAIN;
	length = rpcbuf_writer_length(&x->writer);
	if (length > JOIN_MAX)
		return -EAGAIN;
	mark = htonl(length | RPCBUF_MARK_LAST);
	memcpy(record, &mark, sizeof(mark));
	ret = deliver_join(r->conn, record, sizeof(mark) + length);
	if (ret >= 0)
		r->next = 0;
	return ret;
}

/* Sends what is encoded as one fragment.  Waits for the client when bytes belong to
 * the dispatcher, or the pages are needed again. */
static bool send_fragment(struct encoder *r, bool is_last)
{
	uint8_t *first = r->pages[0];
	struct rpcbuf_reply *reply;
	bool wait = r->in_fragments || r->xdr.attached > r->wrapped_bytes;
	int ret;

	ret = is_last ? send_joined(r) : -EAGAIN;
	if (ret != -EAGAIN)
		return ret >= 0;
	reply = reply_of_pages(r);
	if (!reply)
		return false;
	if (add_extents(r, reply, first, is_last) || own_wrapped(r, reply)) {
		rpcbuf_reply_free(reply);
		return false;
	}
	return deliver(r->conn, reply, wait);
}

static void log_no_page(const struct conn *conn)
{
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing a connection: there is no page for a reply");
}

/* The pages that came with the call. */
static bool add_pages_of_call(struct encoder *r)
{
	struct rpcbuf_call *call = r->conn->call;
	unsigned int nr = call ? call->respages.nr : 0;

	if (!nr)
		return false;
	memcpy(r->pages + r->nr, call->respages.pages, nr * sizeof(*r->pages));
	r->nr += nr;
	r->reserved += call->respages.reserved;
	call->respages.nr = call->respages.reserved = 0;
	return true;
}

/* Gets a page for the next reply, or its next fragment. */
static bool has_page(struct encoder *r)
{
	if (r->nr < REPLY_PAGES / 2)
		fill_pages(r, REPLY_PAGES);
	if (r->nr || add_pages_of_call(r) || add_reserved(r))
		return true;
	log_no_page(r->conn);
	return false;
}

/* The first one has the mark in front. */
static uint8_t *use_page(struct encoder *r, uint32_t *room)
{
	uint32_t front = r->next ? 0 : FRONT;

	*room = (uint32_t)RPCBUF_PAGE_SIZE - front;
	return (uint8_t *)r->pages[r->next++] + front;
}

/* The next page: one of the thread's, then of a bulk request, then of the reserve;
 * else sends a fragment to get its pages back. */
static uint8_t *more(struct rpcbuf_writer *w, uint32_t *room)
{
	struct encoder *r = rpcbuf_container_of(w, struct encoder, xdr.writer);

	if (r->next < r->nr || fill_pages(r, REPLY_PAGES_MAX) ||
	    (r->nr < REPLY_PAGES_MAX && r->reserved < RESERVED_MAX &&
	     add_reserved(r)))
		return use_page(r, room);
	if (!r->in_fragments)
		svc_stat_add(reply_fragments, 1);
	r->in_fragments = true;
	if (!send_fragment(r, false) || !has_page(r)) {
		svc_conn_kill(r->conn);
		return NULL;
	}
	rpcbuf_writer_flush(w);
	return use_page(r, room);
}

/*
 * RPCSEC_GSS goes back over what it encoded and takes it in one piece, so it
 * gets a buffer of that kind.
 */
static bool encode_wrapped(struct encoder *r, xdrproc_t proc, caddr_t where)
{
	SVCAUTH *auth = &r->conn->ext.xp_auth;
	size_t size = xdr_sizeof(proc, where) + GSS_SLACK;
	u_int length;
	XDR xdrs;

	for (; size <= GSS_MAX; size *= 2) {
		r->wrapped = malloc(size);
		if (!r->wrapped)
			return false;
		xdrmem_create(&xdrs, r->wrapped, (u_int)size, XDR_ENCODE);
		if (SVCAUTH_WRAP(auth, &xdrs, proc, where)) {
			length = XDR_GETPOS(&xdrs);
			r->wrapped_bytes = length;
			return !length ||
			       xdr_write_attach(&r->xdr, r->wrapped, length);
		}
		free(r->wrapped);
		r->wrapped = NULL;
	}
	return false;
}

/* What a reply has behind its head, or NULL. */
struct results {
	xdrproc_t proc;
	caddr_t where;
};

/* Results are wrapped by the flavour; the head is not. */
static struct results take_results(struct rpc_msg *msg)
{
	struct results results = {NULL, NULL};

	if (msg->rm_reply.rp_stat == MSG_ACCEPTED &&
	    msg->acpted_rply.ar_stat == SUCCESS) {
		results.proc = msg->acpted_rply.ar_results.proc;
		results.where = msg->acpted_rply.ar_results.where;
		msg->acpted_rply.ar_results.proc = (xdrproc_t)(void *)xdr_void;
		msg->acpted_rply.ar_results.where = NULL;
	}
	return results;
}

static bool encode_body(struct encoder *r, struct rpc_msg *msg)
{
	struct conn *conn = r->conn;
	struct results results = take_results(msg);

	msg->rm_xid = conn->xid;
	if (!xdr_replymsg(&r->xdrs, msg))
		return false;
	if (!results.proc)
		return true;
	if (gss_applies(conn))
		return encode_wrapped(r, results.proc, results.where);
	return SVCAUTH_WRAP(&conn->ext.xp_auth, &r->xdrs, results.proc,
			    results.where);
}

/* The reply behind its mark, in one block for the caller to free, or NULL. */
static uint8_t *encode_in_child(struct conn *conn, struct rpc_msg *msg,
				u_int *length)
{
	struct results results = take_results(msg);
	size_t size = HEAD_MAX + GSS_SLACK;
	uint32_t mark;
	uint8_t *block;
	XDR xdrs;

	if (results.proc)
		size += xdr_sizeof(results.proc, results.where);
	block = size <= GSS_MAX ? malloc(sizeof(mark) + size) : NULL;
	if (!block)
		return NULL;
	xdrmem_create(&xdrs, (char *)block + sizeof(mark), (u_int)size,
		      XDR_ENCODE);
	msg->rm_xid = conn->xid;
	if (!xdr_replymsg(&xdrs, msg) ||
	    (results.proc && !SVCAUTH_WRAP(&conn->ext.xp_auth, &xdrs,
					   results.proc, results.where))) {
		free(block);
		return NULL;
	}
	*length = XDR_GETPOS(&xdrs);
	mark = htonl(*length | RPCBUF_MARK_LAST);
	memcpy(block, &mark, sizeof(mark));
	*length += (u_int)sizeof(mark);
	return block;
}

static bool reply_in_child(struct conn *conn, struct rpc_msg *msg)
{
	uint8_t *block;
	u_int length;
	bool sent;

	block = encode_in_child(conn, msg, &length);
	if (!block)
		return false;
	sent = deliver_in_child(conn, block, length);
	free(block);
	return sent;
}

static bool encode_and_send(struct encoder *r, struct rpc_msg *msg)
{
	bool encoded, sent;

	rpcbuf_mempool_refill(home.reserve);
	if (!has_page(r)) {
		svc_conn_kill(r->conn);
		return false;
	}
	xdr_write_init(&r->xdrs, &r->xdr, more);
	r->next = 0;
	r->in_fragments = false;
	r->wrapped_bytes = 0;
	deliver_begin_reply(r->conn);
	encoded = encode_body(r, msg);
	sent = encoded && send_fragment(r, true);
	/* A reply that was sent in part cannot be followed by another one. */
	if ((encoded || r->in_fragments) && !sent)
		svc_conn_kill(r->conn);
	svc_stat_add(replies, sent);
	if (r->xdr.attached)
		svc_stat_add(bytes_attached, r->xdr.attached);
	XDR_DESTROY(&r->xdrs);
	free(r->wrapped);
	r->wrapped = NULL;
	/* Pages of the reserve go back, and all do when others wait for pages. */
	keep_pages(r, r->reserved || rpcbuf_wait_pending(home.mm)
			      ? 0
			      : REPLY_PAGES);
	r->reserved = 0;
	return sent;
}

bool encode_reply(struct conn *conn, struct rpc_msg *msg)
{
	bool sent = false;

	if (svc_conn_dead(conn))
		return false;
	if (home.forked)
		return reply_in_child(conn, msg);
	if (mine) {
		mine->conn = conn;
		return encode_and_send(mine, msg);
	}
	pthread_mutex_lock(&others.lock);
	if (!others.encoder)
		others.encoder = calloc(1, sizeof(*others.encoder));
	if (others.encoder) {
		others.encoder->conn = conn;
		sent = encode_and_send(others.encoder, msg);
	}
	pthread_mutex_unlock(&others.lock);
	return sent;
}
