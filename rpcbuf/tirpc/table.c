/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * libtirpc's table of descriptors, in which svc_getreq_common() finds the transport
 * of a call.  Its lock serialises our registrations with the loop of run.c, which
 * reads it.
 *
 * The table ends where the limit of descriptors was when libtirpc first asked
 * for it.  A connection above is put, for the time of a call, into one of a
 * few places below, whose descriptors are taken before others take them.
 *
 * Any thread; the places are under `places.lock`.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "rpcbuf/tirpc/tirpc_private.h"

static pthread_mutex_t table = PTHREAD_MUTEX_INITIALIZER;

void table_lock(void)
{
	pthread_mutex_lock(&table);
}

void table_unlock(void)
{
	pthread_mutex_unlock(&table);
}

#define PLACES 32u

/* Descriptors below the end of the table that are not polled; a byte each, by
 * descriptor.  Under table_lock(). */
static uint8_t *owned;

static struct {
	pthread_mutex_t lock;
	pthread_cond_t freed;
	unsigned int nr, nr_free;
	int free[PLACES];
} places = {.lock = PTHREAD_MUTEX_INITIALIZER,
	    .freed = PTHREAD_COND_INITIALIZER};

bool table_owns(int fd)
{
	return owned && fd < _rpc_dtablesize() && owned[fd];
}

/* Takes places while there are low descriptors. */
static void reserve_places(void)
{
	int fds[PLACES], size = _rpc_dtablesize();
	unsigned int nr = 0;

	pthread_mutex_lock(&places.lock);
	while (places.nr + nr < PLACES) {
		int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			break;
		if (fd >= size) {
			close(fd);
			break;
		}
		fds[nr++] = fd;
	}
	for (unsigned int i = 0; i < nr; i++)
		places.free[places.nr_free++] = fds[i];
	places.nr += nr;
	pthread_mutex_unlock(&places.lock);
	table_lock();
	for (unsigned int i = 0; i < nr; i++)
		owned[fds[i]] = 1;
	table_unlock();
}

static int place_get(void)
{
	int fd;

	pthread_mutex_lock(&places.lock);
	while (!places.nr_free)
		pthread_cond_wait(&places.freed, &places.lock);
	fd = places.free[--places.nr_free];
	pthread_mutex_unlock(&places.lock);
	return fd;
}

static void place_put(int fd)
{
	pthread_mutex_lock(&places.lock);
	places.free[places.nr_free++] = fd;
	pthread_cond_signal(&places.freed);
	pthread_mutex_unlock(&places.lock);
}

int table_register(struct conn *conn)
{
	int size = _rpc_dtablesize(), fd = conn->xprt.xp_fd;

	table_lock();
	if (!owned)
		owned = calloc((size_t)size, 1);
	if (!owned) {
		table_unlock();
		return -ENOMEM;
	}
	if (fd < size) {
		xprt_register(&conn->xprt);
		owned[fd] = 1;
	}
	table_unlock();
	if (fd >= size - size / 4 && !places.nr)
		reserve_places();
	if (fd < size || places.nr)
		return 0;
	svc_log(&conn->options, RPCBUF_LOG_WARNING,
		"closing a connection: its descriptor is %d, libtirpc's table "
		"ends at %d, and none is free below",
		fd, size);
	return -EMFILE;
}

void table_unregister(struct conn *conn)
{
	int fd = conn->xprt.xp_fd;

	if (fd >= _rpc_dtablesize())
		return;
	table_lock();
	xprt_unregister(&conn->xprt);
	if (owned)
		owned[fd] = 0;
	table_unlock();
}

/* @fd: what libtirpc is to think that the descriptor is. */
static void put_in_table(struct conn *conn, int fd, void (*put)(SVCXPRT *xprt))
{
	int real = conn->xprt.xp_fd;

	table_lock();
	conn->xprt.xp_fd = fd;
	put(&conn->xprt);
	conn->xprt.xp_fd = real;
	table_unlock();
}

void table_dispatch(struct conn *conn)
{
	int fd = conn->xprt.xp_fd;

	if (fd < _rpc_dtablesize()) {
		svc_getreq_common(fd);
		return;
	}
	fd = place_get();
	put_in_table(conn, fd, xprt_register);
	svc_getreq_common(fd);
	put_in_table(conn, fd, xprt_unregister);
	place_put(fd);
}
