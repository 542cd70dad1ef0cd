/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A server on an engine: it sends each record back to the client that sent it.
 *
 *	cc echo.c $(pkg-config --cflags --libs rpcbuf) && ./a.out 4000
 *
 * Records are those of RFC 5531, section 11: four bytes with the length, the
 * highest bit set in the last fragment, and the bytes.  Ends with its input.
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
	struct rpcbuf_cursor cursor;
	struct rpcbuf_writer writer;
	const uint8_t *bytes;
	size_t len;
	int err = rpcbuf_writer_begin(&writer, mm, options.replies,
				      &call->respages);

	if (err)
		return err;
	rpcbuf_cursor_init(&cursor, &call->message);
	while (!err && (bytes = rpcbuf_cursor_window(&cursor, &len))) {
		err = rpcbuf_writer_put(&writer, bytes, len);
		rpcbuf_cursor_skip(&cursor, len);
	}
	return rpcbuf_writer_end(&writer, !err, reply);
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
	struct sockaddr_in address = { .sin_family = AF_INET };
	struct rpcbuf_options memory = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_handlers handlers = { .size = sizeof(handlers),
		.call = on_call, .closed = on_closed };
	struct rpcbuf_acceptor_handlers accepting = { .size = sizeof(accepting),
		.accepted = on_accepted };
	struct rpcbuf_acceptor *acceptor;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	address.sin_port = htons((uint16_t)(argc > 1 ? atoi(argv[1]) : 4000));
	options.limits.min_length = 0; /* lines, not calls of ONC RPC */
	options.max_calls = 1; /* else replies may overtake each other */
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 128) || rpcbuf_create(&mm, &memory) ||
	    rpcbuf_mempool_create(&options.replies, mm, 16) ||
	    rpcbuf_engine_create(&engine, mm, &handlers, &options) ||
	    rpcbuf_acceptor_create(&acceptor, &accepting, 0, 0) ||
	    rpcbuf_acceptor_add(acceptor, fd, NULL))
		return fprintf(stderr, "echo: %m; %s\n", rpcbuf_why()), 1;
	while (getchar() != EOF);
	rpcbuf_acceptor_destroy(acceptor);
	if (rpcbuf_engine_stop(engine, 10000))
		return fprintf(stderr, "echo: calls still run\n"), 1;
	rpcbuf_engine_destroy(engine);
	return rpcbuf_mempool_destroy(options.replies) || rpcbuf_destroy(mm);
}
