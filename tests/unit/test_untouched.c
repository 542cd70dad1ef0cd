/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: the function tells exactly whether a byte of a TCP connection was ever
 * read, whatever lies unread, arrives meanwhile, or has ended.
 * Method: connections on 127.0.0.1 in each state; and thousands of checks while
 * a thread sends, byte by byte, to a connection without a reader, and to one of
 * which one byte was read.
 */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "rpcbuf/engine/untouched.h"

#define SENDS 20000

static int peer, fd; /* the sender, and the socket that is checked */

static void setup(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert(bind(listener, (struct sockaddr *)&at, len) == 0);
	ck_assert(listen(listener, 1) == 0);
	ck_assert(getsockname(listener, (struct sockaddr *)&at, &len) == 0);
	ck_assert(connect(peer, (struct sockaddr *)&at, len) == 0);
	setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fd = accept(listener, NULL, NULL);
	ck_assert(fd >= 0);
	close(listener);
}

static void teardown(void)
{
	close(peer);
	close(fd);
}

/* Returns when @fd has @events. */
static void come(short events)
{
	struct pollfd pfd = {.fd = fd, .events = events};

	ck_assert(poll(&pfd, 1, -1) == 1);
	ck_assert(pfd.revents & events);
}

static void send_bytes(const char *bytes, size_t len)
{
	ck_assert(send(peer, bytes, len, 0) == (ssize_t)len);
	come(POLLIN);
}

static void read_byte(void)
{
	char byte;

	ck_assert(recv(fd, &byte, 1, 0) == 1);
}

static void end_stream(void)
{
	ck_assert(shutdown(peer, SHUT_WR) == 0);
	come(POLLRDHUP);
}

START_TEST(nothing_came)
{
	ck_assert(untouched(fd));
	end_stream();
	ck_assert(untouched(fd));
}
END_TEST

START_TEST(unread_bytes)
{
	send_bytes("call", 4);
	ck_assert(untouched(fd));
	end_stream();
	ck_assert(untouched(fd));
}
END_TEST

START_TEST(read_bytes)
{
	send_bytes("call", 4);
	read_byte();
	ck_assert(!untouched(fd));
	end_stream();
	ck_assert(!untouched(fd));
}
END_TEST

/* All bytes were read, and then the end came; then that was read as well. */
START_TEST(read_all)
{
	char byte;

	send_bytes("c", 1);
	read_byte();
	ck_assert(!untouched(fd));
	end_stream();
	ck_assert(!untouched(fd));
	ck_assert(recv(fd, &byte, 1, 0) == 0);
	ck_assert(!untouched(fd));
}
END_TEST

START_TEST(no_connection)
{
	int pair[2];

	ck_assert(!untouched(-1));
	ck_assert(!untouched(STDERR_FILENO));
	ck_assert(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	ck_assert(!untouched(pair[0]));
	close(pair[0]);
	close(pair[1]);
}
END_TEST

static bool sent; /* atomic */

static void *sender(void *arg)
{
	(void)arg;
	for (int i = 0; i < SENDS; i++)
		if (send(peer, "x", 1, MSG_DONTWAIT) != 1)
			break;
	__atomic_store_n(&sent, true, __ATOMIC_RELEASE);
	return NULL;
}

/* @_i: bytes that were read before. */
START_TEST(while_bytes_come)
{
	pthread_t thread;

	if (_i) {
		send_bytes("call", 4);
		read_byte();
	}
	ck_assert(pthread_create(&thread, NULL, sender, NULL) == 0);
	while (!__atomic_load_n(&sent, __ATOMIC_ACQUIRE))
		if (untouched(fd) != !_i)
			ck_abort_msg("wrong answer, %d bytes were read", _i);
	pthread_join(thread, NULL);
	ck_assert(untouched(fd) == !_i);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("untouched");
	TCase *tcase = tcase_create("untouched");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_set_timeout(tcase, 120);
	tcase_add_test(tcase, nothing_came);
	tcase_add_test(tcase, unread_bytes);
	tcase_add_test(tcase, read_bytes);
	tcase_add_test(tcase, read_all);
	tcase_add_test(tcase, no_connection);
	tcase_add_loop_test(tcase, while_bytes_come, 0, 2);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
