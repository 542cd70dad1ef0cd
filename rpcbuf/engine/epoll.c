/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The epoll back end.  It is level triggered: a connection that was not read to
 * its end is reported again.  A connection stays registered while it is served,
 * so a call costs no epoll_ctl().  Its events are those of poll(2).
 */
#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/engine/engine_private.h"

#define EVENTS_MAX 64
/* The events of the receiving side. */
#define READING ((uint32_t)(EPOLLIN | EPOLLRDHUP))

/* Updates the registration of @conn. */
static int update_events(struct loop *loop, struct rpcbuf_conn *conn)
{
	struct epoll_event event = { .data.ptr = conn };
	int op = conn->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;

	if (conn->watched)
		event.events |= EPOLLIN | EPOLLRDHUP;
	if (conn->sending.watched)
		event.events |= EPOLLOUT;
	if (event.events == conn->events)
		return 0;
	if (!event.events)
		op = EPOLL_CTL_DEL;
	if (epoll_ctl(loop->poll_fd, op, conn->fd, &event) < 0)
		return -errno;
	conn->events = event.events;
	return 0;
}

static int epoll_backend_watch(struct loop *loop, struct rpcbuf_conn *conn)
{
	int err;

	if (conn->watched)
		return 0;
	conn->watched = true;
	err = update_events(loop, conn);
	if (err)
		conn->watched = false;
	return err;
}

static void epoll_backend_unwatch(struct loop *loop, struct rpcbuf_conn *conn)
{
	if (!conn->watched)
		return;
	conn->watched = false;
	(void)update_events(loop, conn);
}

static int epoll_backend_watch_out(struct loop *loop, struct rpcbuf_conn *conn)
{
	int err;

	if (conn->sending.watched)
		return 0;
	conn->sending.watched = true;
	err = update_events(loop, conn);
	if (err)
		conn->sending.watched = false;
	return err;
}

static void epoll_backend_unwatch_out(struct loop *loop,
				      struct rpcbuf_conn *conn)
{
	if (!conn->sending.watched)
		return;
	conn->sending.watched = false;
	(void)update_events(loop, conn);
}

static int epoll_backend_open(struct loop *loop)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };

	loop->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->poll_fd < 0)
		return -errno;
	if (epoll_ctl(loop->poll_fd, EPOLL_CTL_ADD, loop->kick_fd, &event) < 0)
		return -errno;
	return 0;
}

static void epoll_backend_close(struct loop *loop)
{
	if (loop->poll_fd >= 0)
		close(loop->poll_fd);
	loop->poll_fd = -1;
}

static int epoll_backend_wait(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(loop->poll_fd, events, EVENTS_MAX, timeout_ms);
	int reported = 0;

	for (int i = 0; i < n; i++) {
		struct rpcbuf_conn *conn = events[i].data.ptr;
		eventfd_t value;

		if (!conn) {
			(void)eventfd_read(loop->kick_fd, &value);
			loop->kicked = true;
			continue;
		}
		if (conn->sending.watched && events[i].events & ~READING)
			sending_resume(conn);
		if (conn->watched && events[i].events & ~(uint32_t)EPOLLOUT) {
			conn_event(conn, events[i].events);
			reported++;
		}
	}
	return reported;
}

const struct backend backend_epoll = {
	.name = "epoll",
	.open = epoll_backend_open,
	.close = epoll_backend_close,
	.watch = epoll_backend_watch,
	.unwatch = epoll_backend_unwatch,
	.watch_out = epoll_backend_watch_out,
	.unwatch_out = epoll_backend_unwatch_out,
	.wait = epoll_backend_wait,
};
