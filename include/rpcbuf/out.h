/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/out.h - a send list: replies for a stream socket, in order.
 *
 * Any thread adds replies (rpcbuf/reply.h).  The thread that adds one while no
 * thread writes, and the socket is not full, sends what the list has, at most 1
 * MiB or 64 replies; other threads return at once.  No writer waits for
 * another, or for the peer.  (The kernel's server holds xpt_mutex around
 * svc_tcp_sendto(): its writers wait for each other and for the peer.)
 *
 * A connection of an engine has a list (rpcbuf_call_reply(),
 * rpcbuf_conn_send()), and the engine sends the rest when the socket was full.
 * The functions below make a list for a program without an engine, which sends
 * the rest with rpcbuf_out_flush().
 *
 * A list belongs to the process that created it.  In a forked child, functions
 * that return an error return -EPERM; a reply that is handed over is freed
 * there and not sent; rpcbuf_out_end() does nothing.
 */
#ifndef RPCBUF_OUT_H
#define RPCBUF_OUT_H

#include <rpcbuf/reply.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_out;

/*
 * rpcbuf_out_create - creates a list for the stream socket @fd.
 *
 * @fd stays the caller's and must outlive the list.  Returns 0; or -ENOMEM, and
 * *out is untouched.
 */
int rpcbuf_out_create(struct rpcbuf_out **out, int fd);

/* Drops unsent replies.  No other thread may use the list any more.  In a
 * forked child the replies are the parent's and stay untouched.  NULL is
 * allowed. */
void rpcbuf_out_free(struct rpcbuf_out *out);

/*
 * rpcbuf_out_send - appends @reply, which belongs to the list from now on in
 * any case.
 *
 * @more: another reply follows at once, because its call is at hand.  Then the
 * list may be corked: @reply waits for the next one, while the list has less
 * than 16 KiB and less than 64 replies, and for at most 50 us.  If no further
 * reply comes within 1 to 2 ms, a thread of the library sends the list; it
 * starts when it is needed first.
 *
 * Returns 0; 1 when the list is corked; -EPIPE when it is dead: the socket
 * failed, or rpcbuf_out_end() was called.  Any thread; never waits.
 */
int rpcbuf_out_send(struct rpcbuf_out *out, struct rpcbuf_reply *reply,
		    bool more);

/*
 * rpcbuf_out_join - copies a short reply into the page of the last one of a
 * corked list.
 *
 * The @len bytes at @bytes are a whole reply, record mark included.  That costs
 * less than a page for each of many short replies.  @more: as for
 * rpcbuf_out_send().
 *
 * Returns as rpcbuf_out_send(); or -EAGAIN, and nothing was sent: the list is
 * not corked, or its last reply has no room, or has bytes outside its first
 * page.
 */
int rpcbuf_out_join(struct rpcbuf_out *out, const void *bytes, size_t len,
		    bool more);

/*
 * rpcbuf_out_flush - waits until all replies were sent.
 *
 * Waits for the peer to read, until @until_ns of CLOCK_MONOTONIC; 0: sends what
 * the socket takes, and does not wait.  Returns 0; -ETIMEDOUT (if @until_ns is
 * not 0 the list is dead, and the rest was dropped); -EPIPE when the list is
 * dead.  After 0 and -EPIPE, and after a wait that timed out, memory that
 * replies refer to is not used any more.
 */
int rpcbuf_out_flush(struct rpcbuf_out *out, uint64_t until_ns);

/* Kills the list: drops unsent replies; nothing is sent any more.  Any
 * thread. */
void rpcbuf_out_end(struct rpcbuf_out *out);

/* Bytes that were added and not sent yet.  Any thread. */
uint64_t rpcbuf_out_unsent(const struct rpcbuf_out *out);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_OUT_H */
