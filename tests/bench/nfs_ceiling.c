/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the highest rate that an NFS server can reach on this machine with this
 * client.  A server on the receive engine without a file system: it speaks as
 * much NFSv3 and MOUNT as fio's client (libnfs) needs for one file "data",
 * reads come from one buffer, writes are dropped.  Used by nfs-fio.
 *
 * usage: nfs_ceiling ADDRESS PORT SIZE_IN_BYTES serves until SIGTERM
 */
#include <arpa/inet.h>
#include <endian.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/mm.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define LONGEST	   (1u << 20)
#define PROG_MOUNT 100005
#define PROG_NFS   100003
#define REPLY_MAX  512u
/* A file handle is one of these words. */
enum {
	ROOT = 1,
	DATA = 2
};
/* MOUNT and NFSv3 procedures. */
enum {
	MNT = 1,
	EXPORT = 5
};
enum {
	GETATTR = 1,
	SETATTR,
	LOOKUP,
	ACCESS,
	READ = 6,
	WRITE,
	CREATE,
	FSSTAT = 18,
	FSINFO,
	PATHCONF,
	COMMIT
};

static uint64_t file_size;
static uint8_t *content;
static struct rpcbuf_engine *engine;

struct peer {
	int fd;
	struct rpcbuf_conn *conn;
	pthread_mutex_t sending;
};

/* The current reply: words, then @data_len bytes of the content. */
struct reply {
	uint32_t words[REPLY_MAX / 4];
	unsigned int nr;
	size_t data_len;
};

static void put(struct reply *r, uint32_t word)
{
	r->words[r->nr++] = htonl(word);
}

static void put64(struct reply *r, uint64_t value)
{
	put(r, (uint32_t)(value >> 32));
	put(r, (uint32_t)value);
}

static void put_zeros(struct reply *r, unsigned int nr)
{
	while (nr--)
		put(r, 0);
}

static void put_attr(struct reply *r, uint32_t handle)
{
	bool dir = handle == ROOT;

	put(r, dir ? 2 : 1);
	put(r, dir ? 0777 : 0666);
	put(r, 1);
	put_zeros(r, 2); /* owner */
	put64(r, dir ? 4096 : file_size);
	put64(r, dir ? 4096 : file_size);
	put_zeros(r, 2); /* device */
	put64(r, 1);	 /* file system */
	put64(r, handle);
	put_zeros(r, 6); /* times */
}

static void put_some_attr(struct reply *r, uint32_t handle)
{
	put(r, 1);
	put_attr(r, handle);
}

/* No attributes from before, those of now. */
static void put_wcc(struct reply *r, uint32_t handle)
{
	put(r, 0);
	put_some_attr(r, handle);
}

static void put_handle(struct reply *r, uint32_t handle)
{
	put(r, sizeof(handle));
	put(r, handle);
}

static uint32_t get(struct rpcbuf_cursor *cursor)
{
	uint32_t word = 0;

	rpcbuf_cursor_read(cursor, &word, sizeof(word));
	return ntohl(word);
}

static void skip_opaque(struct rpcbuf_cursor *cursor)
{
	rpcbuf_cursor_skip(cursor, (get(cursor) + 3) & ~3u);
}

static uint32_t get_handle(struct rpcbuf_cursor *cursor)
{
	get(cursor);
	return get(cursor);
}

static void mount_call(struct reply *r, uint32_t proc)
{
	if (proc == MNT) {
		put(r, 0);
		put_handle(r, ROOT);
		put(r, 1); /* one flavor, AUTH_SYS */
		put(r, 1);
	} else if (proc == EXPORT) {
		put(r, 0); /* the end of the list */
	}
}

static void lookup(struct reply *r, struct rpcbuf_cursor *args)
{
	char name[5] = "";
	uint32_t len;

	get_handle(args);
	len = get(args);
	rpcbuf_cursor_read(args, name, len < 5 ? len : 5);
	if (len != 4 || memcmp(name, "data", 4) != 0) {
		put(r, 2); /* there is no such file */
		put(r, 0);
		return;
	}
	put(r, 0);
	put_handle(r, DATA);
	put_some_attr(r, DATA);
	put(r, 0);
}

static void read_call(struct reply *r, struct rpcbuf_cursor *args)
{
	uint32_t handle = get_handle(args), count;

	rpcbuf_cursor_skip(args, 8); /* offset */
	count = get(args);
	if (count > LONGEST)
		count = LONGEST;
	r->data_len = count & ~3u;
	put(r, 0);
	put_some_attr(r, handle);
	put(r, (uint32_t)r->data_len);
	put(r, 0); /* not the end */
	put(r, (uint32_t)r->data_len);
}

static void write_call(struct reply *r, struct rpcbuf_cursor *args)
{
	uint32_t handle = get_handle(args), count;

	rpcbuf_cursor_skip(args, 8);
	count = get(args);
	put(r, 0);
	put_wcc(r, handle);
	put(r, count);
	put(r, get(args)); /* as stable as requested */
	put_zeros(r, 2);
}

static void fsinfo(struct reply *r)
{
	put_zeros(r, 2);
	for (int i = 0; i < 2; i++) { /* reads, writes */
		put(r, LONGEST);
		put(r, LONGEST);
		put(r, 4096);
	}
	put(r, 65536);
	put64(r, INT64_MAX);
	put64(r, 1);
	put(r, 0x1b);
}

static void nfs_call(struct reply *r, uint32_t proc, struct rpcbuf_cursor *args)
{
	switch (proc) {
	case GETATTR:
		put(r, 0);
		put_attr(r, get_handle(args));
		break;
	case ACCESS:
		put(r, 0);
		put_some_attr(r, get_handle(args));
		put(r, get(args));
		break;
	case LOOKUP:
		lookup(r, args);
		break;
	case READ:
		read_call(r, args);
		break;
	case WRITE:
		write_call(r, args);
		break;
	case CREATE:
		put(r, 0);
		put(r, 1);
		put_handle(r, DATA);
		put_some_attr(r, DATA);
		put_wcc(r, ROOT);
		break;
	case SETATTR:
	case COMMIT:
		put(r, 0);
		put_wcc(r, get_handle(args));
		put_zeros(r, proc == COMMIT ? 2 : 0);
		break;
	case FSINFO:
		fsinfo(r);
		break;
	case FSSTAT:
		put_zeros(r, 2 + 13);
		break;
	case PATHCONF:
		put_zeros(r, 2);
		for (uint32_t i = 0; i < 6; i++)
			put(r, i < 2 ? 255 : 1);
		break;
	}
}

/* Waits for a client that does not read; another thread takes over the loop
 * then. */
static void send_reply(struct peer *peer, struct reply *r)
{
	struct iovec iov[2] = {
		{r->words, r->nr * sizeof(*r->words)},
		{content, r->data_len},
	};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};
	size_t left = iov[0].iov_len + iov[1].iov_len;

	r->words[0] = htonl((uint32_t)(left - 4) | RPCBUF_MARK_LAST);
	pthread_mutex_lock(&peer->sending);
	while (left) {
		ssize_t n = sendmsg(peer->fd, &msg, MSG_NOSIGNAL);

		if (n < 0)
			break;
		left -= (size_t)n;
		for (int i = 0; i < 2; i++) {
			size_t part = (size_t)n < iov[i].iov_len
					      ? (size_t)n
					      : iov[i].iov_len;

			iov[i].iov_base = (char *)iov[i].iov_base + part;
			iov[i].iov_len -= part;
			n -= (ssize_t)part;
		}
	}
	pthread_mutex_unlock(&peer->sending);
}

static void on_call(struct rpcbuf_call *call)
{
	struct reply *r = call->private_data;
	struct rpcbuf_cursor cursor;
	uint32_t xid, program, proc;

	rpcbuf_cursor_init(&cursor, &call->message);
	xid = get(&cursor);
	rpcbuf_cursor_skip(&cursor, 8); /* CALL, RPC version */
	program = get(&cursor);
	rpcbuf_cursor_skip(&cursor, 4);
	proc = get(&cursor);
	for (int i = 0; i < 2; i++) { /* credential, verifier */
		rpcbuf_cursor_skip(&cursor, 4);
		skip_opaque(&cursor);
	}
	r->nr = 1; /* the mark */
	r->data_len = 0;
	put(r, xid);
	put(r, 1); /* a reply */
	put_zeros(r, 4);
	if (program == PROG_MOUNT)
		mount_call(r, proc);
	else if (program == PROG_NFS)
		nfs_call(r, proc, &cursor);
	call->reply_bytes = (uint32_t)r->data_len;
	send_reply(call->conn_data, r);
	rpcbuf_call_done(call);
}

static void on_closed(void *data, enum rpcbuf_close_reason reason)
{
	struct peer *peer = data;

	(void)reason;
	close(peer->fd);
	rpcbuf_conn_put(peer->conn);
	pthread_mutex_destroy(&peer->sending);
	free(peer);
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void start_engine(void)
{
	struct rpcbuf_engine_options o = RPCBUF_ENGINE_OPTIONS_INIT;
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	static const struct rpcbuf_handlers handlers = {
		.size = sizeof(handlers),
		.call = on_call,
		.closed = on_closed,
	};
	struct rpcbuf *mm;

	options.memory = 256 << 20;
	o.limits.max_length = LONGEST + 2 * RPCBUF_PAGE_SIZE;
	o.handler_size = sizeof(struct reply);
	if (rpcbuf_create(&mm, &options) ||
	    rpcbuf_engine_create(&engine, mm, &handlers, &o))
		die("nfs_ceiling: engine");
}

static int listen_on(in_addr_t ip, uint16_t port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = ip,
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (void *)&address, sizeof(address)) || listen(fd, 1024))
		die("nfs_ceiling: listen");
	return fd;
}

static void serve(int listener)
{
	for (;;) {
		struct peer *peer = calloc(1, sizeof(*peer));
		int one = 1;

		peer->fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
		if (peer->fd < 0)
			die("nfs_ceiling: accept");
		pthread_mutex_init(&peer->sending, NULL);
		setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &one,
			   sizeof(one));
		if (rpcbuf_engine_adopt(engine, peer->fd, peer, false,
					&peer->conn))
			die("nfs_ceiling: adopt");
	}
}

int main(int argc, char **argv)
{
	if (argc != 4) {
		fprintf(stderr,
			"usage: nfs_ceiling ADDRESS PORT SIZE_IN_BYTES\n");
		return 2;
	}
	file_size = strtoull(argv[3], NULL, 10);
	content = malloc(LONGEST);
	memset(content, 0x5a, LONGEST);
	signal(SIGPIPE, SIG_IGN);
	start_engine();
	serve(listen_on(inet_addr(argv[1]), (uint16_t)atoi(argv[2])));
	return 0;
}
