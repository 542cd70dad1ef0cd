/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Replies that leave together.  To send costs more than a small call, so while
 * another call of the connection is at hand its replies are copied into a page,
 * and leave with the reply to that call: in one system call.
 *
 * Where a call lasts, what was collected leaves meanwhile: the engine's watcher
 * sees to that, under svc_run() a thread of ours (watch.c).  The thread that
 * runs the call adds and takes; it and the watcher settle by the lock of the
 * connection what is whose.  Nobody waits under that.
 */
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "rpcbuf/tirpc/tirpc_private.h"

void collect_init(struct conn *conn)
{
	pthread_mutex_init(&conn->collected.lock, NULL);
}

static void drop_page(struct collected *c)
{
	rpcbuf_free_page(home.mm, c->page);
	os_store(&c->page, NULL);
}

void collect_exit(struct conn *conn)
{
	if (conn->collected.page)
		drop_page(&conn->collected);
	pthread_mutex_destroy(&conn->collected.lock);
}

void collect_begin_call(struct conn *conn)
{
	os_store(&conn->collected.let_go, false);
}

/* Under the lock: a page with room for @len bytes more. */
static bool has_room(struct collected *c, size_t len)
{
	if (os_load(&c->let_go))
		return false;
	if (c->page)
		return len <= RPCBUF_PAGE_SIZE - c->end;
	if (len > RPCBUF_PAGE_SIZE || rpcbuf_wait_pending(home.mm))
		return false;
	os_store(&c->page, rpcbuf_alloc_page(home.mm, RPCBUF_GFP_NOWAIT));
	c->begin = c->end = 0;
	return c->page;
}

bool collect_reply(struct conn *conn, const struct iovec *iov, unsigned int nr,
		   size_t len)
{
	struct collected *c = &conn->collected;
	bool room;

	pthread_mutex_lock(&c->lock);
	room = has_room(c, len);
	for (unsigned int i = 0; room && i < nr; i++) {
		memcpy(c->page + c->end, iov[i].iov_base, iov[i].iov_len);
		c->end += (uint32_t)iov[i].iov_len;
	}
	pthread_mutex_unlock(&c->lock);
	return room;
}

void *collect_take(struct conn *conn, struct iovec *iov)
{
	struct collected *c = &conn->collected;
	void *page;

	if (!collect_some(conn))
		return NULL;
	pthread_mutex_lock(&c->lock);
	page = c->page;
	if (page) {
		iov->iov_base = c->page + c->begin;
		iov->iov_len = c->end - c->begin;
		os_store(&c->page, NULL);
	}
	pthread_mutex_unlock(&c->lock);
	return page;
}

void collect_flush(struct conn *conn)
{
	struct collected *c = &conn->collected;
	int fd = conn->xprt.xp_fd, one = 1;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	os_store(&c->let_go, true);
	if (c->page) {
		n = send(fd, c->page + c->begin, c->end - c->begin,
			 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n > 0) {
			svc_stat_add(reply_bytes, (uint64_t)n);
			c->begin += (uint32_t)n;
		}
		if (c->begin == c->end)
			drop_page(c);
	} else if (os_load(&c->in_socket)) {
		/* Setting it pushes out what waits. */
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
				 sizeof(one));
	}
	pthread_mutex_unlock(&c->lock);
}
