/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/acceptor.h - accepts connections, while there are descriptors.
 *
 * One thread accepts for any number of listening sockets, a few connections of
 * each in turn.  Without a free descriptor it accepts none, uses no CPU, and
 * looks ten times a second for one.  Some are kept in reserve, so that the owner of
 * a new connection can open what it needs (rpcbuf_acceptor_spare()).
 *
 * It stays with the process that made it.  In a child, after fork(2),
 * rpcbuf_acceptor_add() returns -EPERM and the others do nothing; the sockets, as
 * the child has them, close with exec(3).
 */
#ifndef RPCBUF_ACCEPTOR_H
#define RPCBUF_ACCEPTOR_H

#include <rpcbuf/engine.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_acceptor;

/* All on the thread that accepts, without a lock held.  `accepted` is required. */
struct rpcbuf_acceptor_handlers {
	size_t size; /* sizeof(struct rpcbuf_acceptor_handlers) */
	/* @fd, of the peer @peer, was accepted from the socket that came with
	 * @listener, and belongs to this function from now on. */
	void (*accepted)(void *listener, int fd,
			 const struct sockaddr_storage *peer, socklen_t len);
	/* Its first call, with its name.  May be NULL. */
	void (*thread_start)(const char *name);
	/* One line without a newline.  May be NULL. */
	void (*log)(enum rpcbuf_log_level level, const char *line);
};

/*
 * rpcbuf_acceptor_create - start the thread, with all signals blocked.
 *
 * @reserve: descriptors to keep, at most 64; @first: their lowest number.  Returns
 * 0; -EINVAL, -ENOMEM or the errno of what could not be created, and *acceptor is
 * untouched.
 */
int rpcbuf_acceptor_create(struct rpcbuf_acceptor **acceptor,
			   const struct rpcbuf_acceptor_handlers *handlers,
			   unsigned int reserve, int first);

/*
 * rpcbuf_acceptor_add - accept from the listening socket @fd from now on.
 *
 * By a descriptor of its own: @fd may be closed, and connections are accepted
 * all the same.  The socket does not block from here on.  @listener is given to
 * `accepted`.  0; -ENOMEM, or the errno of dup().  Any thread.
 */
int rpcbuf_acceptor_add(struct rpcbuf_acceptor *acceptor, int fd,
			void *listener);

/*
 * rpcbuf_acceptor_spare - give up a descriptor of the reserve.
 *
 * For a caller that cannot get one.  The reserve is filled before the next
 * connection is accepted.  Returns 0; -ENOENT when the reserve is empty; -EPERM in
 * a child, after fork(2).  Any thread.
 */
int rpcbuf_acceptor_spare(struct rpcbuf_acceptor *acceptor);

/* Nothing is accepted any more when this returns, and the sockets are let go.
 * Not from a handler.  NULL is allowed. */
void rpcbuf_acceptor_destroy(struct rpcbuf_acceptor *acceptor);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_ACCEPTOR_H */
