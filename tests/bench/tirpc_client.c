/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The load of tests/bench/tirpc: calls of one kind on many connections, DEPTH
 * calls at a time on each, by up to four threads with as little work as
 * possible: the same bytes are sent again and again, which costs less than
 * sendfile() from a file in memory (half at 1 MiB). Prints calls per second.
 *
 * tirpc_client ADDRESS PORT CONNECTIONS PROCEDURE BYTES DEPTH SECONDS
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROG	  0x20000bf3u
#define THREADS	  4u
#define HEAD	  44u /* mark, call, no credential */
#define DEPTH_MAX 64u
#define REPLY_MAX 64u

enum {
	NUL,
	EIGHT,
	OPAQUE,
	REFER
};

static struct {
	in_addr_t ip;
	uint16_t port;
	unsigned int connections, procedure, depth;
	uint32_t bytes;
	double seconds;
	char *call;	 /* depth of them, one behind the other */
	size_t call_len; /* of all */
} load;

struct crew {
	pthread_t thread;
	unsigned int connections;
	uint64_t calls;
	double seconds;
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void make_call(void)
{
	uint32_t args = load.procedure == NUL	  ? 0
			: load.procedure == EIGHT ? 8
						  : 4 + load.bytes;
	size_t one = HEAD + args;
	uint32_t *word;

	load.call_len = one * load.depth;
	load.call = calloc(1, load.call_len);
	if (!load.call)
		die("calloc");
	word = (uint32_t *)(void *)load.call;
	word[0] = htonl(0x80000000u | (HEAD - 4 + args));
	word[3] = htonl(2);
	word[4] = htonl(PROG);
	word[5] = htonl(1);
	word[6] = htonl(load.procedure);
	if (load.procedure >= OPAQUE)
		word[11] = htonl(load.bytes);
	for (unsigned int i = 1; i < load.depth; i++)
		memcpy(load.call + i * one, load.call, one);
}

static int connected(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_port = htons(load.port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;

	address.sin_addr.s_addr = load.ip;
	if (fd < 0 || connect(fd, (void *)&address, sizeof(address)))
		die("connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

static void send_calls(int fd)
{
	size_t sent = 0;

	while (sent < load.call_len) {
		ssize_t n = send(fd, load.call + sent, load.call_len - sent,
				 MSG_NOSIGNAL);

		if (n < 0)
			die("send");
		sent += (size_t)n;
	}
}

/* The replies to one send: short ones, all of a length. */
static void receive_replies(int fd)
{
	char replies[REPLY_MAX * DEPTH_MAX];
	size_t got = 0, len = sizeof(replies);
	uint32_t mark;

	while (got < len) {
		ssize_t n = recv(fd, replies + got, sizeof(replies) - got, 0);

		if (n <= 0)
			die("recv");
		got += (size_t)n;
		if (got < sizeof(mark))
			continue;
		memcpy(&mark, replies, sizeof(mark));
		len = (4 + (ntohl(mark) & 0x7fffffff)) * load.depth;
		if (len > sizeof(replies))
			break;
	}
	if (got != len || len < 28 || replies[24] || replies[27]) {
		fprintf(stderr, "tirpc_client: not the reply to a call\n");
		exit(1);
	}
}

static void run_one(struct crew *crew, int fd)
{
	double begin = now(), end;

	do {
		for (int i = 0; i < 16; i++) {
			send_calls(fd);
			receive_replies(fd);
		}
		crew->calls += 16 * load.depth;
		end = now();
	} while (end - begin < load.seconds);
	crew->seconds = end - begin;
}

static void run_many(struct crew *crew, const int *fds)
{
	struct epoll_event events[64];
	int epoll = epoll_create1(0);
	double begin, end;

	for (unsigned int i = 0; i < crew->connections; i++) {
		struct epoll_event event = {.events = EPOLLIN,
					    .data.fd = fds[i]};

		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fds[i], &event))
			die("epoll_ctl");
	}
	begin = now();
	for (unsigned int i = 0; i < crew->connections; i++)
		send_calls(fds[i]);
	do {
		int nr = epoll_wait(epoll, events, 64, 10000);

		if (nr <= 0)
			die("no reply");
		for (int i = 0; i < nr; i++) {
			receive_replies(events[i].data.fd);
			send_calls(events[i].data.fd);
		}
		crew->calls += (uint64_t)nr * load.depth;
		end = now();
	} while (end - begin < load.seconds);
	crew->seconds = end - begin;
}

static void *run(void *arg)
{
	struct crew *crew = arg;
	int *fds = calloc(crew->connections, sizeof(*fds));

	if (!fds)
		die("calloc");
	for (unsigned int i = 0; i < crew->connections; i++)
		fds[i] = connected();
	if (crew->connections == 1)
		run_one(crew, fds[0]);
	else
		run_many(crew, fds);
	free(fds);
	return NULL;
}

int main(int argc, char **argv)
{
	struct crew crews[THREADS] = {0};
	unsigned int nr;
	double rate = 0;

	if (argc != 8) {
		fprintf(stderr, "usage: tirpc_client ADDRESS PORT CONNECTIONS "
				"PROCEDURE BYTES DEPTH SECONDS\n");
		return 64;
	}
	load.ip = inet_addr(argv[1]);
	load.port = (uint16_t)atoi(argv[2]);
	load.connections = (unsigned int)atoi(argv[3]);
	load.procedure = (unsigned int)atoi(argv[4]);
	load.bytes = (uint32_t)strtoul(argv[5], NULL, 10) & ~3u;
	load.depth = (unsigned int)atoi(argv[6]);
	load.seconds = atof(argv[7]);
	if (!load.depth || load.depth > DEPTH_MAX) {
		fprintf(stderr,
			"tirpc_client: %u calls at a time, must be "
			"1 to %u\n",
			load.depth, DEPTH_MAX);
		return 64;
	}
	make_call();
	nr = load.connections < THREADS ? load.connections : THREADS;
	for (unsigned int i = 0; i < nr; i++) {
		crews[i].connections = (load.connections + i) / nr;
		if (pthread_create(&crews[i].thread, NULL, run, &crews[i]))
			die("pthread_create");
	}
	for (unsigned int i = 0; i < nr; i++) {
		pthread_join(crews[i].thread, NULL);
		rate += (double)crews[i].calls / crews[i].seconds;
	}
	printf("%.0f\n", rate);
	return 0;
}
