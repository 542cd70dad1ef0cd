/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A server that consists of the engine only, and calls that wait in the sockets
 * of two clients from the beginning, for tests/check-trace-cost: callgrind
 * counts the instructions of the loop between two of the calls.
 *
 * Each run is the same: the sockets have all calls from the start, and the
 * clock counts its calls.  Each receive takes one call, and with two clients
 * the loop polls the back end for each call, which is the most expensive case.
 */
#include <arpa/inet.h>
#include <rpcbuf/engine.h>
#include <rpcbuf/publish.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

/* A record; the smallest size that one receive can be limited to. */
#define RECORD 512u
/* Of each client: the first ones are received page by page. */
#define FIRST  80u
#define CALLS  130u

#define must(condition)                                               \
	do {                                                          \
		if (!(condition)) {                                   \
			fprintf(stderr, "line %d: %s\n", __LINE__,    \
				#condition);                          \
			exit(1);                                      \
		}                                                     \
	} while (0)

/* About 20 us per call, as in a busy server. */
#define TICK_NS UINT64_C(5000)

/* Replaces the C library's function: each thread has its own clock. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	static __thread uint64_t ns;

	if (!ns) {
		syscall(SYS_clock_gettime, clock, now);
		ns = (uint64_t)now->tv_sec * 1000000000 +
		     (uint64_t)now->tv_nsec;
	}
	ns += TICK_NS;
	now->tv_sec = (time_t)(ns / 1000000000);
	now->tv_nsec = (long)(ns % 1000000000);
	return 0;
}

static unsigned int seen;
static bool adopted; /* both */

static void on_call(struct rpcbuf_call *call)
{
	unsigned int n = __atomic_add_fetch(&seen, 1, __ATOMIC_RELAXED);

	while (!__atomic_load_n(&adopted, __ATOMIC_ACQUIRE))
		usleep(1000);
	if (n == 2 * FIRST || n == 2 * CALLS)
		CALLGRIND_TOGGLE_COLLECT;
	rpcbuf_call_done(call);
}

static void on_closed(void *fd, enum rpcbuf_close_reason reason)
{
	(void)reason;
	close((int)(intptr_t)fd);
}

static int listen_here(struct sockaddr_in *address)
{
	socklen_t len = sizeof(*address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	must(bind(fd, (void *)address, sizeof(*address)) == 0);
	must(listen(fd, 2) == 0);
	must(getsockname(fd, (void *)address, &len) == 0);
	return fd;
}

/* A connection from 127.0.0.@host with all its calls in it; returns the
 * server's end. */
static int connect_from(int listener, const struct sockaddr_in *to, int host)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	static uint8_t record[RECORD] = { 0x80, 0, 1, 0xfc };
	int fd = socket(AF_INET, SOCK_STREAM, 0), end;

	from.sin_addr.s_addr = htonl(INADDR_LOOPBACK - 1 + (in_addr_t)host);
	must(bind(fd, (void *)&from, sizeof(from)) == 0);
	must(connect(fd, (const void *)to, sizeof(*to)) == 0);
	end = accept(listener, NULL, NULL);
	must(end >= 0);
	for (unsigned int i = 0; i < CALLS; i++)
		must(write(fd, record, RECORD) == RECORD);
	return end;
}

int main(int argc, char **argv)
{
	struct rpcbuf_options mm_options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_engine_options o = RPCBUF_ENGINE_OPTIONS_INIT;
	static const struct rpcbuf_handlers handlers = { .size = sizeof(handlers), .call = on_call,
							 .closed = on_closed };
	struct rpcbuf_publisher_options p = { .size = sizeof(p), .folder = argc > 1 ? argv[1]
								 : NULL };
	struct rpcbuf_publisher *publisher = NULL;
	struct rpcbuf_conn *conns[2];
	struct rpcbuf_engine *engine;
	struct sockaddr_in address;
	struct rpcbuf *mm;
	int fds[2], listener = listen_here(&address);

	mm_options.memory = 64 << 20;
	mm_options.no_thread = true;
	o.backend = RPCBUF_BACKEND_EPOLL;
	o.receivers = 1;
	o.handover_us = 1u << 30;
	o.spin_us = 0;
	o.batch_calls = 1;
	o.read_ahead = RECORD;
	must(rpcbuf_create(&mm, &mm_options) == 0);
	must(rpcbuf_engine_create(&engine, mm, &handlers, &o) == 0);
	if (p.folder) {
		must(rpcbuf_publisher_create(&publisher, &p) == 0);
		must(rpcbuf_engine_publish(engine, publisher) == 0);
	}
	for (int i = 0; i < 2; i++)
		fds[i] = connect_from(listener, &address, 1 + i);
	for (int i = 0; i < 2; i++)
		must(rpcbuf_engine_adopt(engine, fds[i],
					 (void *)(intptr_t)fds[i], false,
					 &conns[i]) == 0);
	__atomic_store_n(&adopted, true, __ATOMIC_RELEASE);
	while (__atomic_load_n(&seen, __ATOMIC_RELAXED) < 2 * CALLS)
		usleep(1000);
	must(rpcbuf_engine_stop(engine, 60000) == 0);
	for (int i = 0; i < 2; i++)
		rpcbuf_conn_put(conns[i]);
	rpcbuf_engine_destroy(engine);
	rpcbuf_publisher_destroy(publisher);
	printf("%u\n", 2 * (CALLS - FIRST));
	return rpcbuf_destroy(mm) != 0;
}
