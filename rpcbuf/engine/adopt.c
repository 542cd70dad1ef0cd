/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Adoption: a socket becomes a connection of a loop, within the limits.  Any
 * thread.
 */
#include <errno.h>
#include <sys/socket.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/engine/replies.h"
#include "rpcbuf/mm/fork.h"
#include "rpcbuf/os/pause.h"

static int check_stream(int fd)
{
	int type;
	socklen_t len = sizeof(type);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0)
		return -errno;
	return type == SOCK_STREAM ? 0 : -ESOCKTNOSUPPORT;
}

/* The limit that one more connection would exceed. */
struct excess {
	const char *what; /* NULL: nothing */
	uint64_t value, limit;
};

/* @before: connections without this one, which is counted already. */
static struct excess find_excess(const struct rpcbuf_engine *engine,
				 uint32_t before)
{
	uint32_t most = engine->options.max_connections;
	uint64_t limit = engine->heap.limit, of_conns = heap_conn_bytes(engine);

	if (most && before >= most)
		return (struct excess){"connections", before, most};
	if (of_conns > heap_conn_limit(engine))
		return (struct excess){"bytes of connections", of_conns,
				       heap_conn_limit(engine)};
	if (heap_bytes(engine) >= limit)
		return (struct excess){"heap bytes of connections and calls",
				       heap_bytes(engine), limit};
	return (struct excess){0};
}

/* Counts one more connection; true, and a log line, when that is one too
 * many. */
static bool is_full(struct rpcbuf_engine *engine, int fd)
{
	struct excess excess =
		find_excess(engine, os_fetch_add(&engine->connections, 1));
	char peer[LOG_PEER_MAX];

	if (!excess.what)
		return false;
	os_fetch_add(&engine->connections, -1);
	os_fetch_add(&engine->stats.refused_connections, 1);
	log_peer_name(fd, peer, sizeof(peer));
	engine_log(engine, RPCBUF_LOG_WARNING,
		   "refusing connection of %s: %s: %llu, limit %llu", peer,
		   excess.what, (unsigned long long)excess.value,
		   (unsigned long long)excess.limit);
	return true;
}

/*
 * Posts @conn to its loop, and stores it in *@out.  Both locks are held while
 * it becomes visible, as three threads may find it at once: the owner, which
 * may close it; a successor from the same port; and a thread that drops *@out.
 */
static int post_new(struct rpcbuf_conn *conn, struct rpcbuf_conn **out)
{
	struct loop *loop = conn->loop;
	struct rpcbuf_engine *engine = loop->engine;
	bool stopping;

	pthread_mutex_lock(&engine->clients.lock);
	pthread_mutex_lock(&loop->conns.lock);
	/* Checked under the lock: the owner of a loop that stops scans this
	 * list once more. */
	stopping = engine_stopping(engine);
	if (!stopping) {
		successor_join(conn);
		conns_join(conn);
		os_fetch_add(&engine->stats.connections_total, 1);
		__atomic_store_n(out, conn, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&loop->conns.lock);
	pthread_mutex_unlock(&engine->clients.lock);
	if (stopping)
		return -ESHUTDOWN;
	loop_kick(loop);
	return 0;
}

static struct loop *choose_loop(struct rpcbuf_engine *engine,
				const struct client *client, bool outgoing)
{
	return outgoing && replies_start(engine)
		       ? engine_replies(engine)
		       : client_choose_loop(engine, client);
}

/* Creates a connection that is on no list yet; NULL: out of memory. */
static struct rpcbuf_conn *create_unlinked(struct rpcbuf_engine *engine, int fd,
					   void *data, bool outgoing)
{
	struct client *client = client_get(engine, fd, outgoing);
	struct rpcbuf_conn *conn;

	if (!client)
		return NULL;
	conn = conn_create(choose_loop(engine, client, outgoing), client, fd,
			   data, outgoing);
	if (!conn) {
		client_put(engine, client);
		return NULL;
	}
	conn->succession.port = client_port(fd);
	return conn;
}

int rpcbuf_engine_adopt(struct rpcbuf_engine *engine, int fd, void *conn_data,
			bool outgoing, struct rpcbuf_conn **out)
{
	struct rpcbuf_conn *conn;
	int err;

	if (fork_is_child(engine->mm))
		return -EPERM;
	if (engine_stopping(engine))
		return -ESHUTDOWN;
	err = check_stream(fd);
	if (err)
		return err;
	if (outgoing)
		os_fetch_add(&engine->connections, 1);
	else if (is_full(engine, fd))
		return -EUSERS;
	conn = create_unlinked(engine, fd, conn_data, outgoing);
	err = -ENOMEM;
	if (conn) {
		os_pause_at("adopting");
		err = post_new(conn, out);
		if (!err)
			return 0;
		client_leave(conn);
		rpcbuf_conn_put(conn);
		rpcbuf_conn_put(conn);
	}
	os_fetch_add(&engine->connections, -1);
	return err;
}
