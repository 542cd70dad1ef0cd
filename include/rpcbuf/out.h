/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/out.h - what is sent on a stream socket, in order: the send list.
 *
 * A list takes replies (rpcbuf/reply.h) from any thread.  Whoever adds one while
 * nobody writes, and the socket takes bytes, writes what the list has, at most
 * 1 MiB or 64 replies; the others leave at once: no writer waits for another,
 * nor for the peer.  (The kernel's server takes xpt_mutex around
 * svc_tcp_sendto(), and its writers wait for each other and for the peer.)
 *
 * Connections of an engine have one each (rpcbuf_call_reply(),
 * rpcbuf_conn_send()), and the engine goes on with what a full socket leaves.
 * The functions below make a list for programs that have no engine: what is
 * left they send with rpcbuf_out_flush().
 *
 * What a list has stays with the process that made it: in a child, after fork(2),
 * functions that return an error return -EPERM, a reply that is handed over is
 * freed there, and none is sent; rpcbuf_out_end() does nothing.
 */
#ifndef RPCBUF_OUT_H
#define RPCBUF_OUT_H

#include <rpcbuf/reply.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_out;

/*
 * rpcbuf_out_create - a list for the stream socket @fd, which stays the
 * caller's and must outlive it.
 *
 * 0 or -ENOMEM; *out is untouched then.
 */
int rpcbuf_out_create(struct rpcbuf_out **out, int fd);

/* What it still has is dropped.  Nobody else may use it any more.  In a child of
 * the process that made it: what it has is the parent's, and left alone.  NULL
 * is allowed. */
void rpcbuf_out_free(struct rpcbuf_out *out);

/*
 * rpcbuf_out_send - @reply follows those before.
 *
 * It is the list's in any case.  @more: another one follows at once, as its
 * call is at hand already: this one may be held back, to leave with it, while
 * what is held back is less than 16 KiB and 64 replies, and for 50 us.  A list
 * whose next reply does not come within a millisecond or two is sent by a
 * thread of the library's, which is started the first time.
 *
 * Returns 0; 1 when it is held back; -EPIPE when the list is dead: the socket
 * failed, or rpcbuf_out_end() was called.  Any thread; never waits.
 */
int rpcbuf_out_send(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		    bool more);

/*
 * rpcbuf_out_join - a short reply follows one that is held back, in its page.
 *
 * The @len bytes at @bytes, record mark included, are copied: that is cheaper than
 * a page for each of many short replies.  @more: as with rpcbuf_out_send().
 *
 * Returns as that, or -EAGAIN: none is held back, or it has no room or is more
 * than bytes in its first page; then nothing was sent.
 */
int rpcbuf_out_join(struct rpcbuf_out *out, const void *bytes, size_t len,
		    bool more);

/*
 * rpcbuf_out_flush - all that was added has left, or never will.
 *
 * Waits for the peer to read until @until_ns of CLOCK_MONOTONIC at most; 0: it
 * sends what the socket takes, and does not wait.  Returns 0; -ETIMEDOUT (of a
 * list that was waited for the rest is dropped then, and it is dead); -EPIPE
 * when it is dead.  After 0 and -EPIPE, and a wait that timed out, nothing that
 * a reply refers to is used any more.
 */
int rpcbuf_out_flush(struct rpcbuf_out *out, uint64_t until_ns);

/* The list is dead: what it has is dropped, nothing is sent any more.  Any
 * thread. */
void rpcbuf_out_end(struct rpcbuf_out *out);

/* Bytes that were added and have not left.  Any thread. */
uint64_t rpcbuf_out_unsent(const struct rpcbuf_out *out);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_OUT_H */
