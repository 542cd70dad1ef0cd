/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/reply.h - a reply on its way to the socket.
 *
 * A reply is a chain of pieces: bytes in pages that it owns, and references to
 * bytes that lie elsewhere, which come back through a function of their owner's
 * once the last byte of the reply has left or never will.  It lies in the front
 * of its first page, so a small reply is one page and no other memory.  (The
 * kernel's rq_res, struct xdr_buf: head, pages, tail; svc_tcp_sendto() in
 * net/sunrpc/svcsock.c.)
 *
 * A reply whose only piece ends in its first page, and that owns nothing else,
 * may get the bytes of later replies behind that piece while it is held back
 * (rpcbuf_out_join()): what is behind them in the page must be nobody's.
 *
 * Made by one thread, which hands it over whole: rpcbuf_call_reply() and
 * rpcbuf_conn_send() (rpcbuf/engine.h), or rpcbuf_out_send() (rpcbuf/out.h).
 * From then on it is the list's, which frees it in any case, on any thread.
 */
#ifndef RPCBUF_REPLY_H
#define RPCBUF_REPLY_H

#include <rpcbuf/mm.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_mempool;
struct rpcbuf_reply;

/* Bytes in front of the first page that the reply itself takes; what is behind
 * them may be filled before rpcbuf_reply_create(), and is not touched by it. */
#define RPCBUF_REPLY_HEAD 384u

/*
 * rpcbuf_reply_create - a reply without a byte, in @page.
 *
 * @page: of @mm, with one reference, which is the reply's from now on.  Never
 * fails, and never waits.
 */
struct rpcbuf_reply *rpcbuf_reply_create(struct rpcbuf *mm, void *page);

/* Its pages go back to @pool, whose reserve they fill first (rpcbuf/mempool.h):
 * what replies were lent of it is for replies again.  @pool is of the same
 * instance, and outlives the reply. */
void rpcbuf_reply_return_to(struct rpcbuf_reply *reply,
			    struct rpcbuf_mempool *pool);

/*
 * rpcbuf_reply_add - @len bytes at @base follow those before.
 *
 * They are sent from where they lie: they stay as they are until the reply is
 * freed.  In pages of the reply's, or of somebody who is told of that by
 * rpcbuf_reply_own_ref().  0; -ENOMEM: the reply is as it was.  @len may be 0.
 */
int rpcbuf_reply_add(struct rpcbuf_reply *reply, const void *base, size_t len);

/*
 * rpcbuf_reply_own_pages - @nr pages go back to their instance with the reply.
 *
 * One reference on each.  0; -ENOMEM: they are still the caller's, all of them.
 */
int rpcbuf_reply_own_pages(struct rpcbuf_reply *reply, unsigned int nr,
			   void *const *pages);

/*
 * rpcbuf_reply_own_run - @nr adjacent pages from @first on, likewise.
 *
 * As rpcbuf_alloc_run() gave them, or the front of that; nobody else has a
 * reference on one of them.  They go back past the caches.  0; -ENOMEM: they are
 * still the caller's.
 */
int rpcbuf_reply_own_run(struct rpcbuf_reply *reply, unsigned int nr,
			 void *first);

/*
 * rpcbuf_reply_own_ref - @release(@arg) is called when the reply is freed.
 *
 * Once, on any thread, without a lock held; it must not wait.  @bytes: what it
 * keeps from being used otherwise meanwhile, counted as the connection's.  0;
 * -ENOMEM: nothing will be called.
 */
int rpcbuf_reply_own_ref(struct rpcbuf_reply *reply, size_t bytes,
			 void (*release)(void *arg), void *arg);

/* Bytes that are added: those that are sent, record marks included. */
uint64_t rpcbuf_reply_bytes(const struct rpcbuf_reply *reply);
/* Pages that are its own, the first included. */
uint32_t rpcbuf_reply_pages(const struct rpcbuf_reply *reply);

/* Of a reply that was not handed over: pages and references go back. */
void rpcbuf_reply_free(struct rpcbuf_reply *reply);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_REPLY_H */
