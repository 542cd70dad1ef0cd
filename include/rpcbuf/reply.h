/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/reply.h - a reply on its way to the socket.
 *
 * A reply is a chain of pieces: bytes in pages that it owns, and references to
 * bytes elsewhere.  When the reply is freed, after its last byte was sent or
 * dropped, the owner of such bytes is notified by a function of its own.  The
 * struct lies at the start of the reply's first page, so a small reply is one
 * page and no other memory.  (The kernel's rq_res, struct xdr_buf: head, pages,
 * tail; svc_tcp_sendto() in net/sunrpc/svcsock.c.)
 *
 * A reply whose only piece ends in its first page, and that owns nothing else,
 * may get the bytes of later replies behind that piece while its list is corked
 * (rpcbuf_out_join()).  So the rest of that page must be unused.
 *
 * One thread makes a reply, and hands it over: rpcbuf_call_reply() and
 * rpcbuf_conn_send() (rpcbuf/engine.h), or rpcbuf_out_send() (rpcbuf/out.h).
 * From then on it belongs to the send list, which frees it in any case, on any
 * thread.
 */
#ifndef RPCBUF_REPLY_H
#define RPCBUF_REPLY_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_mempool;
struct rpcbuf_reply;

#define RPCBUF_RESPAGES 4u

/*
 * The pages that a reply begins in.  The engine fills them before it runs the call
 * (struct rpcbuf_call); they belong to the thread that has the call.  A writer
 * (rpcbuf/writer.h) takes the pages that it needs and leaves the others.
 * (The kernel's rq_respages, svc_alloc_arg() in net/sunrpc/svc_xprt.c.)
 */
struct rpcbuf_respages {
	unsigned int nr;       /* those in front are there */
	unsigned int reserved; /* ... and so many of them are of the reserve */
	void *pages[RPCBUF_RESPAGES];
};

/* Bytes at the start of the first page for the reply itself.
 * rpcbuf_reply_create() does not touch the bytes behind them, so these may be
 * filled before. */
#define RPCBUF_REPLY_HEAD 384u

/*
 * rpcbuf_reply_create - makes an empty reply in @page.
 *
 * @page: of @mm, with one reference, which the reply owns from now on.  Never
 * fails, and never waits.
 */
struct rpcbuf_reply *rpcbuf_reply_create(struct rpcbuf *mm, void *page);

/* Frees the reply's pages to @pool, whose reserve they fill first
 * (rpcbuf/mempool.h), so that pages of a reserve for replies serve replies
 * again.  @pool is of the same instance, and outlives the reply. */
void rpcbuf_reply_return_to(struct rpcbuf_reply *reply,
			    struct rpcbuf_mempool *pool);

/*
 * rpcbuf_reply_add - appends @len bytes at @base, without a copy.
 *
 * The bytes must stay valid and unchanged until the reply is freed: they are in
 * pages that the reply owns, or in memory whose owner rpcbuf_reply_own_ref()
 * notifies.  @len may be 0.  Returns 0; or -ENOMEM, and the reply is unchanged.
 */
int rpcbuf_reply_add(struct rpcbuf_reply *reply, const void *base, size_t len);

/*
 * rpcbuf_reply_own_pages - makes the reply own @nr pages, one reference on
 * each.
 *
 * They are freed with the reply.  Returns 0; or -ENOMEM, and the caller still
 * owns all of them.
 */
int rpcbuf_reply_own_pages(struct rpcbuf_reply *reply, unsigned int nr,
			   void *const *pages);

/*
 * rpcbuf_reply_own_run - makes the reply own @nr adjacent pages, from @first
 * on.
 *
 * They are a run of rpcbuf_alloc_run(), or the front of one, without further
 * references.  They are freed past the caches.  Returns 0; or -ENOMEM, and the
 * caller still owns them.
 */
int rpcbuf_reply_own_run(struct rpcbuf_reply *reply, unsigned int nr,
			 void *first);

/*
 * rpcbuf_reply_own_ref - calls @release(@arg) when the reply is freed.
 *
 * Once, on any thread, with no lock held; it must not wait.  @bytes: memory
 * that the reference pins, counted for the connection.  Returns 0; or -ENOMEM:
 * @release will not be called.
 */
int rpcbuf_reply_own_ref(struct rpcbuf_reply *reply, size_t bytes,
			 void (*release)(void *arg), void *arg);

/* Bytes that were added, record marks included. */
uint64_t rpcbuf_reply_bytes(const struct rpcbuf_reply *reply);
/* Pages that the reply owns, its first one included. */
uint32_t rpcbuf_reply_pages(const struct rpcbuf_reply *reply);

/* Frees a reply that was not handed over, with what it owns. */
void rpcbuf_reply_free(struct rpcbuf_reply *reply);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_REPLY_H */
