/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A server on an engine: it sends each record (RFC 5531, section 11) back to the
 * client that sent it, and ends with its input.
 *
 *	cc echo.c $(pkg-config --cflags --libs rpcbuf) && ./a.out 4000
 */
#include <arpa/inet.h>
#include <rpcbuf/acceptor.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/mempool.h>
#include <rpcbuf/why.h>
#include <rpcbuf/writer.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct rpcbuf *mm;
static struct rpcbuf_engine *engine;
static struct rpcbuf_engine_options options = RPCBUF_ENGINE_OPTIONS_INIT;

/* Copies the call into a reply, over as many pages as it needs. */
static int echo(struct rpcbuf_call *call, struct rpcbuf_reply **reply)
{
	struct rpcbuf_cursor c;
	struct rpcbuf_writer w;
	const uint8_t *bytes;
	size_t len;
	int err = rpcbuf_writer_begin(&w, mm, options.replies, &call->respages);

	if (err)
		return err;
	rpcbuf_cursor_init(&c, &call->message);
	while (!err && (bytes = rpcbuf_cursor_window(&c, &len))) {
		err = rpcbuf_writer_put(&w, bytes, len);
		rpcbuf_cursor_skip(&c, len);
	}
	return rpcbuf_writer_end(&w, !err, reply);
}

static void on_call(struct rpcbuf_call *call)
{
	struct rpcbuf_reply *reply;

	if (echo(call, &reply))
		rpcbuf_conn_drop(call->conn); /* no page: the client comes again */
	else
		rpcbuf_call_reply(call, reply);
	rpcbuf_call_done(call);
}

static void on_closed(void *fd, enum rpcbuf_close_reason reason)
{
	(void)reason;
	shutdown((int)(intptr_t)fd, SHUT_RDWR); /* see rpcbuf_conn_drop() */
	close((int)(intptr_t)fd);
}

static void on_accepted(void *listener, int fd,
			const struct sockaddr_storage *peer, socklen_t len)
{
	struct rpcbuf_conn *conn;

	(void)listener, (void)peer, (void)len;
	if (rpcbuf_engine_adopt(engine, fd, (void *)(intptr_t)fd, false, &conn))
		close(fd);
	else
		rpcbuf_conn_put(conn);
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = { .sin_family = AF_INET };
	struct rpcbuf_options memory = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_handlers handlers = { .size = sizeof(handlers),
		.call = on_call, .closed = on_closed };
	struct rpcbuf_acceptor_handlers accepting = { .size = sizeof(accepting),
		.accepted = on_accepted };
	struct rpcbuf_acceptor *acceptor;
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	addr.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 4000));
	options.limits.min_length = 0; /* records, not calls of ONC RPC */
	options.max_calls = 1; /* else replies may overtake each other */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, 128))
		return perror("echo"), 1;
	if (rpcbuf_create(&mm, &memory) ||
	    rpcbuf_mempool_create(&options.replies, mm, 16) ||
	    rpcbuf_engine_create(&engine, mm, &handlers, &options) ||
	    rpcbuf_acceptor_create(&acceptor, &accepting, 0, 0) ||
	    rpcbuf_acceptor_add(acceptor, fd, NULL))
		return fprintf(stderr, "echo: cannot start: %s\n", rpcbuf_why()), 1;
	while (getchar() != EOF);
	rpcbuf_acceptor_destroy(acceptor);
	if (rpcbuf_engine_stop(engine, 10000))
		return fprintf(stderr, "echo: calls still run\n"), 1;
	rpcbuf_engine_destroy(engine);
	return rpcbuf_mempool_destroy(options.replies) || rpcbuf_destroy(mm);
}
