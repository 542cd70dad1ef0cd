/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf/acceptor.h - accepts connections, while there are descriptors.
 *
 * One thread accepts for up to 64 listening sockets, round robin, at most 64
 * connections of one at a time.  Without a free descriptor it accepts none,
 * uses no CPU, and tries again ten times a second.  It holds some descriptors
 * in reserve, so that the handler of a connection can open what it needs.
 *
 * An acceptor belongs to the process that created it.  In a child, after
 * fork(2), rpcbuf_acceptor_add() returns -EPERM and the others do nothing; the
 * child's copies of the sockets close at exec(3).
 */
#ifndef RPCBUF_ACCEPTOR_H
#define RPCBUF_ACCEPTOR_H

#include <rpcbuf/engine.h>
#include <sys/socket.h>

#ifdef __cplusplus
extern "C" {
#endif

struct rpcbuf_acceptor;

/* All are called on the thread that accepts, without a lock.  `accepted` is
 * required. */
struct rpcbuf_acceptor_handlers {
	size_t size; /* sizeof(struct rpcbuf_acceptor_handlers) */
	/* @fd, of the peer @peer, was accepted from the socket that came with
	 * @listener, and belongs to this function from now on. */
	void (*accepted)(void *listener, int fd,
			 const struct sockaddr_storage *peer, socklen_t len);
	/* The first call on the thread, with its name.  May be NULL. */
	void (*thread_start)(const char *name);
	/* One line without a newline.  May be NULL. */
	void (*log)(enum rpcbuf_log_level level, const char *line);
};

/*
 * rpcbuf_acceptor_create - start the thread, with all signals blocked.
 *
 * @reserve: descriptors to hold in reserve, at most 64; @first: their lowest
 * number.  Returns 0; -EINVAL, -ENOMEM, -E2BIG for a wrong `size`, or -errno of eventfd(2) or
 * pthread_create(3), and *acceptor is untouched.
 */
int rpcbuf_acceptor_create(struct rpcbuf_acceptor **acceptor,
			   const struct rpcbuf_acceptor_handlers *handlers,
			   unsigned int reserve, int first);

/*
 * rpcbuf_acceptor_add - accept from the listening socket @fd from now on.
 *
 * It uses a descriptor of its own, so @fd may be closed.  The socket becomes
 * non-blocking.  `accepted` gets @listener.  Returns 0; -ENOMEM when there are 64
 * already; -errno of fcntl(2) with F_DUPFD; -EPERM in a child, after fork(2).  Any
 * thread.
 */
int rpcbuf_acceptor_add(struct rpcbuf_acceptor *acceptor, int fd,
			void *listener);

/*
 * rpcbuf_acceptor_release_fd - give up a descriptor of the reserve.
 *
 * For a caller that cannot get one.  The reserve is filled before the next
 * connection is accepted.  Returns 0; -ENOENT when the reserve is empty; -EPERM in
 * a child, after fork(2).  Any thread.
 */
int rpcbuf_acceptor_release_fd(struct rpcbuf_acceptor *acceptor);

/* Stops the thread, and closes the acceptor's descriptors.  Not from a handler.
 * NULL is allowed. */
void rpcbuf_acceptor_destroy(struct rpcbuf_acceptor *acceptor);

#ifdef __cplusplus
}
#endif
#endif /* RPCBUF_ACCEPTOR_H */
