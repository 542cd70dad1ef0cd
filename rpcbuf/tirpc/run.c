/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf_svc_run(): the engine for our connections, and for everything else in
 * libtirpc's table of descriptors (listeners, UDP, stock TCP) a loop like that
 * of svc_run(), on the thread that called.
 *
 * Registering a transport may reallocate the table, so it is copied under
 * table_lock(), which our registrations take; libtirpc's own happen on this thread.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "rpcbuf/engine/show.h"
#include "rpcbuf/tirpc/tirpc_private.h"
#include "rpcbuf/os/sized.h"

#define STOP_MS	  10000u
/* Most calls of one connection, which run one at a time: queued ones pin pages. */
#define CALLS_MAX 8u
/* Default: a loop admits two records of 1 MiB at a time, which is enough to have
 * a whole one in the socket while another one is received. */
#define RECEIVING (2u << 20)
/* Default: replies that leave together share a system call.  A corked reply waits
 * at most 50 us, unless the last call of its batch runs longer. */
#define BATCH	  32u

/* One for the process, never closed: rpcbuf_svc_exit() may come at any time,
 * in a signal handler too. */
static int wake_fd = -1;
static bool exit_asked; /* atomic */

static void wake_table_thread(void)
{
	const uint64_t one = 1;
	int fd = os_load(&wake_fd);
	int saved = errno;

	if (fd >= 0)
		(void)!write(fd, &one, sizeof(one));
	errno = saved;
}

void rpcbuf_svc_exit(void)
{
	os_store_release(&exit_asked, true);
	wake_table_thread();
}

void run_poke(void)
{
	wake_table_thread();
}

static int wake_open(void)
{
	if (wake_fd < 0)
		os_store(&wake_fd, eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
	return wake_fd < 0 ? -errno : 0;
}

/* libtirpc's descriptors without the engine's. */
struct pollset {
	struct pollfd *fds;
	nfds_t nr, room;
};

static bool build_pollset(struct pollset *set)
{
	uint64_t count;

	(void)!read(wake_fd, &count, sizeof(count));
	table_lock();
	if (set->room < (nfds_t)svc_max_pollfd + 1) {
		nfds_t room = 2 * (nfds_t)svc_max_pollfd + 1;
		struct pollfd *fds = realloc(set->fds, room * sizeof(*fds));

		if (!fds) {
			table_unlock();
			return false;
		}
		set->fds = fds;
		set->room = room;
	}
	set->nr = 0;
	set->fds[set->nr++] = (struct pollfd){wake_fd, POLLIN, 0};
	for (int i = 0; i < svc_max_pollfd; i++) {
		struct pollfd pfd = svc_pollfd[i];

		pfd.revents = 0;
		if (pfd.fd >= 0 && !table_owns(pfd.fd))
			set->fds[set->nr++] = pfd;
	}
	table_unlock();
	return true;
}

/* svc_exit() empties libtirpc's table; rpcbuf_svc_exit() asks us. */
static bool goes_on(void)
{
	return !os_load_acquire(&exit_asked) && svc_pollfd;
}

static int serve_table(void)
{
	struct pollset set = {0};
	int err = 0;

	while (goes_on()) {
		int nr;

		if (!build_pollset(&set)) {
			err = -ENOMEM;
			break;
		}
		if (!goes_on())
			break;
		nr = poll(set.fds, set.nr, -1);
		for (nfds_t i = 1; nr > 0 && i < set.nr && goes_on(); i++) {
			if (set.fds[i].revents)
				svc_getreq_poll(&set.fds[i], 1);
		}
	}
	free(set.fds);
	return err;
}

/* Connections that were there before, under svc_run() or made with
 * svc_rpcbuf_fd_create(). */
static void adopt_all(void)
{
	struct conn *conn, *tmp;
	struct list_head failed;

	list_init(&failed);
	list_for_each_entry_safe(conn, tmp, &home.conns, struct conn, link)
	{
		bool clean = !conn->slots || rpcbuf_stream_empty(&conn->stream);

		poll_reset(conn);
		table_unregister(conn);
		if (clean && !table_register(conn) &&
		    !svc_conn_adopt(conn))
			continue;
		svc_log(&conn->options, RPCBUF_LOG_WARNING,
			"closing a connection that rpcbuf_svc_run() cannot "
			"take over");
		list_del(&conn->link);
		list_add(&conn->link, &failed);
	}
	pthread_mutex_unlock(&home.lock);
	list_for_each_entry_safe(conn, tmp, &failed, struct conn, link)
		svc_conn_free(conn);
	pthread_mutex_lock(&home.lock);
}

/* Publishing is optional: a failure is logged only.  -EEXIST: the program
 * publishes by itself. */
static void publish_service(void)
{
	int err = show_server(home.engine, home.mm, &home.publisher);

	if (err && err != -EEXIST)
		svc_log(&home.options, RPCBUF_LOG_INFO,
			"rpcbuf_svc_run: " SHOW_FAILED, strerror(-err));
}

static int start_service(struct rpcbuf_engine_options *options)
{
	if (!home.refs) {
		svc_log(NULL, RPCBUF_LOG_ERROR,
			"rpcbuf_svc_run: there is no transport: create one "
			"with svc_rpcbuf_create() first");
		return -EINVAL;
	}
	if (!home_is_ours(&home.options))
		return -ECHILD;
	if (home.running) {
		svc_log(&home.options, RPCBUF_LOG_ERROR,
			"rpcbuf_svc_run: it runs already");
		return -EBUSY;
	}
	if (wake_open())
		return -errno;
	options->replies = home.reserve;
	int err = rpcbuf_engine_create(&home.engine, home.mm,
				       &dispatch_handlers, options);

	if (err) {
		home.engine = NULL;
		/* The engine has logged what is wrong with an option. */
		if (err != -EINVAL)
			svc_log(&home.options, RPCBUF_LOG_ERROR,
				"rpcbuf_svc_run: the engine cannot be made: %s",
				strerror(-err));
		return err;
	}
	/* Pages that svc_run() kept are the engine's to use. */
	rpcbuf_rqst_release(home.rqst);
	home.running = true;
	home.refs++; /* the instance outlives the engine */
	publish_service();
	adopt_all();
	return 0;
}

/* Connections that the engine has closed when it stopped. */
static void free_all(void)
{
	struct conn *conn, *tmp;
	struct list_head ended;

	list_init(&ended);
	pthread_mutex_lock(&home.lock);
	list_for_each_entry_safe(conn, tmp, &home.conns, struct conn, link)
	{
		if (!conn->engine_conn)
			continue;
		list_del(&conn->link);
		list_add(&conn->link, &ended);
	}
	pthread_mutex_unlock(&home.lock);
	list_for_each_entry_safe(conn, tmp, &ended, struct conn, link)
		svc_conn_free(conn);
}

static int stop_service(void)
{
	struct rpcbuf_engine *engine = home.engine;
	int err;

	os_store(&home.stopping, true);
	err = rpcbuf_engine_stop(engine, STOP_MS);
	if (err) {
		svc_log(&home.options, RPCBUF_LOG_ERROR,
			"rpcbuf_svc_run: calls are still running after %u s, "
			"and are left alone",
			STOP_MS / 1000);
		/* They may still write events. */
		if (home.publisher)
			rpcbuf_publisher_end(home.publisher);
		return err;
	}
	free_all();
	pthread_mutex_lock(&home.lock);
	home.engine = NULL;
	home.running = false;
	os_store(&home.stopping, false);
	pthread_mutex_unlock(&home.lock);
	rpcbuf_engine_destroy(engine);
	rpcbuf_publisher_destroy(home.publisher);
	home.publisher = NULL;
	os_store(&exit_asked, false);
	home_put();
	return 0;
}

int rpcbuf_svc_run(const struct rpcbuf_engine_options *given)
{
	struct rpcbuf_engine_options options = RPCBUF_ENGINE_OPTIONS_INIT;
	int err = 0, end_err;

	options.max_receiving = RECEIVING;
	options.batch_calls = BATCH;
	if (given)
		err = sized_read(&options, sizeof(options), given);
	if (err) {
		svc_log(NULL, RPCBUF_LOG_ERROR,
			"rpcbuf_svc_run: the options" SIZED_WRONG, given->size,
			sizeof(options));
		return err;
	}
	options.handler_size = DISPATCH_BYTES;
	if (!options.max_calls || options.max_calls > CALLS_MAX)
		options.max_calls = CALLS_MAX;
	pthread_mutex_lock(&home.lock);
	err = start_service(&options);
	pthread_mutex_unlock(&home.lock);
	if (err)
		return err;
	err = serve_table();
	end_err = stop_service();
	return err ? err : end_err;
}
