/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: replies given to a send list arrive once, in order and whole, wherever
 * the socket stops taking bytes and on whatever thread.  A list that ends
 * releases all; a thread waits for another only if it asked to.
 * Method: lists over sockets with buffers of 4 KiB; sendmsg() and send() are
 * cut at every position of a reply; readers that stop within each reply, reset,
 * or are slow; many threads; lists that are ended at any moment, or forked.
 * After each step the list is checked against its header.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include "fork_util.h"
#include "reply_util.h"

#include "rpcbuf/engine/flush.h"
#include "rpcbuf/engine/cork.h"
#include "rpcbuf/engine/round.h"
#include "rpcbuf/os/plain.h"

#define NR 5u /* replies of a test */

static const struct shape shape = {40, 200, 330, 33};
static const struct shape large = {100, 4096, 200000, 1000};

static struct rpcbuf *mm;
static struct rpcbuf_out out;
static int reader; /* the peer's end */
static unsigned int wrote, counts;
static uint64_t counted_bytes, counted_pinned;

/* Bytes that the socket takes at the next call; -1: no limit; afterwards it
 * takes nothing, once. */
static ssize_t take = -1;
static bool full;
static unsigned int calls;

ssize_t __real_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags);
ssize_t __real_send(int fd, const void *bytes, size_t len, int flags);
ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags);

ssize_t __wrap_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct iovec iov[1024];
	struct msghdr cut = *msg;
	size_t left;

	calls++;
	require(flags == (MSG_NOSIGNAL | MSG_DONTWAIT));
	if (full || take == 0) {
		full = false;
		take = -1;
		errno = EAGAIN;
		return -1;
	}
	if (take < 0)
		return __real_sendmsg(fd, msg, flags);
	left = (size_t)take;
	memcpy(iov, msg->msg_iov, msg->msg_iovlen * sizeof(*iov));
	cut.msg_iov = iov;
	cut.msg_iovlen = 0;
	for (unsigned int i = 0; left && i < msg->msg_iovlen; i++) {
		iov[i].iov_len = rpcbuf_min(left, iov[i].iov_len);
		left -= iov[i].iov_len;
		cut.msg_iovlen++;
	}
	take = -1;
	full = true;
	return __real_sendmsg(fd, &cut, flags);
}

ssize_t __wrap_send(int fd, const void *bytes, size_t len, int flags)
{
	struct iovec iov = {(void *)(uintptr_t)bytes, len};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return __wrap_sendmsg(fd, &msg, flags);
}

static void on_wrote(struct rpcbuf_out *o)
{
	must(o == &out);
	count(wrote);
}

static void on_charge(struct rpcbuf_out *o, uint64_t bytes, uint64_t pinned)
{
	must(o == &out);
	counted_bytes += bytes;
	counted_pinned += pinned;
	count(counts);
}

static const struct out_ops ops = {.wrote = on_wrote, .charge = on_charge};

static bool is_valid(void)
{
	bool valid;

	pthread_mutex_lock(&out.lock);
	valid = out_is_valid(&out);
	/* While no thread writes, all is counted. */
	if (!out.writes)
		valid = valid && out.charged_bytes == out.bytes &&
			counted_bytes == out.bytes &&
			counted_pinned == out.pinned;
	pthread_mutex_unlock(&out.lock);
	return valid;
}

static void start(void)
{
	int fds[2], room = 4096;

	lend();
	mm = test_create(4096);
	require(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	reader = fds[1];
	take = -1;
	full = false;
	wrote = counts = calls = 0;
	counted_bytes = counted_pinned = 0;
	out_init(&out, fds[0], &ops);
}

static void stop(void)
{
	struct rpcbuf_mm_counts mm_counts = RPCBUF_MM_COUNTS_INIT;

	out_exit(&out);
	require(counted_bytes == 0 && counted_pinned == 0);
	close(out.fd);
	if (reader >= 0)
		close(reader);
	rpcbuf_mm_counts(mm, &mm_counts);
	ck_assert_uint_eq(mm_counts.pages_out, 0);
	ck_assert_uint_eq(lent, returned);
	test_destroy(mm);
}

static int add_of(uint32_t number, const struct shape *s)
{
	struct rpcbuf_reply *reply = reply_make(mm, number, s);

	must(reply);
	return out_append(&out, reply, true);
}

/* In its first page alone. */
static int add_alone(uint32_t number, const struct shape *s)
{
	uint8_t *page = rpcbuf_alloc_page(mm, RPCBUF_GFP_NOWAIT);
	struct rpcbuf_reply *reply;

	must(page);
	reply_fill(page + RPCBUF_REPLY_HEAD, number, 0, s->head);
	reply = rpcbuf_reply_create(mm, page);
	must(!rpcbuf_reply_add(reply, page + RPCBUF_REPLY_HEAD, s->head));
	return out_append(&out, reply, true);
}

static int add(uint32_t number)
{
	return add_of(number, &shape);
}

/* Checks received bytes against replies of @s, numbered from 0, from byte *@at;
 * reads @most bytes at most, and returns their number. */
static size_t read_on(const struct shape *s, size_t *at, size_t most)
{
	static uint8_t bytes[1 << 20];
	ssize_t n = recv(reader, bytes, rpcbuf_min(most, sizeof(bytes)),
			 MSG_DONTWAIT);

	for (ssize_t i = 0; i < n; i++, ++*at)
		must(bytes[i] == shape_byte(s, (uint32_t)(*at / shape_bytes(s)),
					    *at % shape_bytes(s)));
	return n > 0 ? (size_t)n : 0;
}

/* Reads all @nr replies, while the list continues. */
static void read_all(const struct shape *s, size_t *at, unsigned int nr)
{
	while (*at < nr * shape_bytes(s)) {
		struct pollfd pfd = {.fd = reader, .events = POLLIN};

		out_write(&out);
		must(is_valid());
		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		must(read_on(s, at, SIZE_MAX));
	}
	must(!read_on(s, at, SIZE_MAX));
}

START_TEST(at_once)
{
	size_t at = 0;

	start();
	for (uint32_t i = 0; i < NR; i++) {
		require(add(i) == 0);
		require(out_state(&out) == OUT_EMPTY && is_valid());
		require(read_on(&shape, &at, SIZE_MAX) == shape_bytes(&shape));
	}
	ck_assert_uint_eq(calls, NR);
	ck_assert_uint_eq(wrote, NR);
	/* A reply that never waits is not counted: threads share the
	 * counter. */
	ck_assert_uint_eq(counts, 0);
	stop();
}
END_TEST

/* The socket takes so many bytes and is full then, for every number. */
START_TEST(every_split)
{
	size_t all = 3 * shape_bytes(&shape);

	start();
	for (size_t cut = 0; cut <= all; cut++) {
		size_t at = 0;

		/* The first reply is cut and the others wait behind it; or all
		 * are sent together, and are cut. */
		take = _i == 0 ? (ssize_t)cut : -1;
		if (_i != 0)
			out_more(&out, true);
		for (uint32_t i = 0; i < 3; i++) {
			add(i);
			require(is_valid());
		}
		if (_i != 0) {
			take = (ssize_t)cut;
			out_uncork(&out);
		}
		take = full ? -1 : take;
		full = false;
		require(is_valid());
		read_all(&shape, &at, 3);
		require(out_state(&out) == OUT_EMPTY);
		require(rpcbuf_out_unsent(&out) == 0);
	}
	stop();
}
END_TEST

/* A reader takes part of what fills the socket and stops, within each reply;
 * nothing is lost, and unread bytes are counted exactly. */
START_TEST(readers_that_stop)
{
	size_t all = NR * shape_bytes(&large);

	start();
	for (size_t stop_at = 1; stop_at < all;
	     stop_at += TEST_SANITIZED ? 40009 : 4001) {
		size_t at = 0, n;

		for (uint32_t i = 0; i < NR; i++)
			require(add_of(i, &large) == 0);
		require(out_state(&out) == OUT_BLOCKED && is_valid());
		while (at < stop_at) {
			n = read_on(&large, &at, stop_at - at);
			require(n || out_state(&out) == OUT_BLOCKED);
			out_write(&out);
			require(is_valid());
		}
		/* A repeated call changes nothing. */
		out_write(&out);
		out_write(&out);
		require(rpcbuf_out_unsent(&out) <= all - stop_at);
		require(at == stop_at);
		read_all(&large, &at, NR);
		require(out_state(&out) == OUT_EMPTY);
	}
	stop();
}
END_TEST

/* Unsent replies are released when the peer resets, or the list is ended. */
START_TEST(dies)
{
	start();
	for (uint32_t i = 0; i < NR; i++)
		require(add_of(i, &large) == 0);
	require(out_state(&out) == OUT_BLOCKED);
	require(counted_pinned > NR * (uint64_t)large.lent - (64 << 10));
	if (_i == 0) {
		close(reader);
		reader = -1;
		out_write(&out);
	} else {
		rpcbuf_out_end(&out);
	}
	require(out_state(&out) == OUT_DEAD && is_valid());
	require(all_returned() && rpcbuf_out_unsent(&out) == 0);
	require(add(0) == -EPIPE && all_returned());
	out_write(&out);
	out_uncork(&out);
	require(rpcbuf_out_flush(&out, 0) == -EPIPE);
	rpcbuf_out_end(&out);
	stop();
}
END_TEST

/* Corked while more follow, within the limits; then sent in one call. */
START_TEST(corked)
{
	size_t at = 0;

	start();
	out_more(&out, true);
	require(add(0) == 1);
	out.cork_until_ns = UINT64_MAX; /* however slow the machine is */
	require(add(1) == 1);
	require(out_state(&out) == OUT_CORKED && is_valid() && !calls);
	out_more(&out, false);
	require(add(2) == 0 && calls == 1);
	read_all(&shape, &at, 3);
	/* By another thread, while the one that corks is in a call. */
	out_more(&out, true);
	at = 0;
	require(add(0) == 1);
	out_uncork(&out);
	require(calls == 2 && out_state(&out) == OUT_EMPTY);
	/* ...  after which nothing is corked. */
	require(add(1) == 0);
	read_all(&shape, &at, 2);
	/* A reply of another thread uncorks the list. */
	out_more(&out, true);
	at = 0;
	require(add(0) == 1);
	require(!out_append(&out, reply_make(mm, 1, &shape), false));
	require(out_state(&out) == OUT_EMPTY);
	read_all(&shape, &at, 2);
	stop();
}
END_TEST

/* Short replies are copied behind a corked one, while its page has room and is
 * not shared. */
START_TEST(joined)
{
	const struct shape small = {28, 0, 0, 1}, page = {28, 100, 0, 1};
	uint8_t bytes[600];
	unsigned int nr = 1;
	size_t at = 0;
	int ret;

	start();
	reply_fill(bytes, 0, 0, sizeof(bytes));
	require(out_join(&out, bytes, 28, true) == -EAGAIN);
	out_more(&out, true);
	/* The second owns a page: its free rest may be used. */
	require(add_of(0, &page) == 1);
	require(out_join(&out, bytes, 28, true) == -EAGAIN && out.nr == 1);
	out_uncork(&out);
	while (read_on(&page, &at, SIZE_MAX))
		;
	at = 0;
	out_more(&out, true);
	require(add_alone(0, &small) == 1);
	do {
		out.cork_until_ns = UINT64_MAX;
		reply_fill(bytes, nr, 0, 28);
		ret = out_join(&out, bytes, 28, true);
		nr += ret == 1;
		require(is_valid());
	} while (ret == 1);
	require(ret == -EAGAIN && out.nr == 1);
	ck_assert_uint_eq(nr, (RPCBUF_PAGE_SIZE - RPCBUF_REPLY_HEAD) / 28);
	out_uncork(&out);
	read_all(&small, &at, nr);
	/* The last one uncorks the list. */
	at = 0;
	out_more(&out, true);
	require(add_alone(0, &small) == 1);
	reply_fill(bytes, 1, 0, 28);
	require(out_join_own(&out, bytes, 28, false) == 0);
	require(out_state(&out) == OUT_EMPTY);
	read_all(&small, &at, 2);
	rpcbuf_out_end(&out);
	require(out_join(&out, bytes, 28, true) == -EPIPE);
	stop();
}
END_TEST

/* In bytes, in replies, and in time. */
START_TEST(cork_limits)
{
	const struct shape small = {28, 0, 0, 1}, page = {100, 4096, 0, 1};
	uint64_t until;
	unsigned int nr = 0;

	start();
	out_more(&out, true);
	while (add_of(nr, &small) == 1) {
		out.cork_until_ns = UINT64_MAX;
		nr++;
	}
	ck_assert_uint_eq(nr, CORK_REPLIES - 1);
	require(out_state(&out) != OUT_CORKED);
	close(reader);
	out_exit(&out);
	close(out.fd);
	start();
	out_more(&out, true);
	for (nr = 0; add_of(nr, &page) == 1; nr++)
		out.cork_until_ns = UINT64_MAX;
	ck_assert_uint_eq(nr, (CORK_BYTES - 1) / shape_bytes(&page));
	rpcbuf_out_end(&out);
	stop();
	start();
	out_more(&out, true);
	require(add(0) == 1);
	until = os_now() + CORK_NS;
	while (os_now() < until)
		;
	require(add(1) == 0 && out_state(&out) == OUT_EMPTY);
	stop();
}
END_TEST

/* A round ends though the socket would take more: other lists are next. */
START_TEST(a_round)
{
	const struct shape small = {1, 0, 0, 1};
	int room = 4 << 20;
	size_t at = 0;

	start();
	setsockopt(out.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	take = 0;
	for (uint32_t i = 0; i < 200; i++)
		require(add_of(i, &small) == 0);
	require(rpcbuf_out_unsent(&out) == 200);
	out_write(&out);
	require(out_state(&out) == OUT_BLOCKED);
	ck_assert_uint_eq(rpcbuf_out_unsent(&out), 200 - 64);
	read_all(&small, &at, 200);
	stop();
}
END_TEST

/* ...  but not within a reply: one of 1 MiB and its header leaves at once. */
START_TEST(longer_than_a_round)
{
	const struct shape longer = {132, 0, 1 << 20, 1 << 20};
	int room = 4 << 20;
	size_t at = 0;

	start();
	setsockopt(out.fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	require(add_of(1, &longer) == 0);
	require(out_state(&out) == OUT_EMPTY && calls == 1);
	while (at < shape_bytes(&longer)) {
		size_t before = at;

		at += (size_t)recv(reader, (uint8_t[4096]){0}, 4096, 0);
		require(at > before);
	}
	stop();
}
END_TEST

static void *slow_reader(void *arg)
{
	struct pollfd pfd = {.fd = reader, .events = POLLIN};
	size_t at = 0;

	while (at < NR * shape_bytes(&large)) {
		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		read_on(&large, &at, 7001);
	}
	return arg;
}

/* A caller that asks to wait does so until the peer has taken all, or for its
 * timeout. */
START_TEST(flush)
{
	pthread_t thread;
	uint64_t now;

	start();
	for (uint32_t i = 0; i < NR; i++)
		add_of(i, &large);
	require(rpcbuf_out_flush(&out, 0) == -ETIMEDOUT);
	require(out_state(&out) == OUT_BLOCKED);
	must(!pthread_create(&thread, NULL, slow_reader, NULL));
	require(rpcbuf_out_flush(&out, os_now() + GUARD_S * OS_SECOND_NS) == 0);
	require(out_state(&out) == OUT_EMPTY && all_returned());
	pthread_join(thread, NULL);
	require(rpcbuf_out_flush(&out, 0) == 0);
	for (uint32_t i = 0; i < NR; i++)
		add_of(i, &large);
	now = os_now();
	require(rpcbuf_out_flush(&out, now + 50000000) == -ETIMEDOUT);
	require(os_now() >= now + 50000000);
	require(out_state(&out) == OUT_DEAD && all_returned());
	stop();
}
END_TEST

enum {
	WRITERS = 6,
	EACH = 300
};

static void *writer(void *arg)
{
	const struct shape s = {8, 100, 0, 1};

	for (int i = 0; i < TEST_ROUNDS(EACH); i++) {
		struct rpcbuf_reply *reply = reply_make(mm, 9, &s);

		must(reply);
		out_append(&out, reply, false);
	}
	return arg;
}

static volatile bool loop_ends;

static void *loop(void *arg)
{
	struct pollfd pfd = {.fd = out.fd, .events = POLLOUT};

	while (!os_load(&loop_ends)) {
		if (out_state(&out) == OUT_BLOCKED && poll(&pfd, 1, 1) == 1)
			out_write(&out);
		if (out_state(&out) == OUT_DEAD)
			break;
	}
	return arg;
}

/* Many writers, one thread that continues for them, and a reader: each reply is
 * whole.  Or the list ends meanwhile, and nothing is left. */
START_TEST(many_threads)
{
	const struct shape s = {8, 100, 0, 1};
	pthread_t threads[WRITERS], looper;
	size_t bytes = shape_bytes(&s), at = 0;
	size_t all = WRITERS * TEST_ROUNDS(EACH) * bytes;
	uint8_t got[4096];

	start();
	loop_ends = false;
	must(!pthread_create(&looper, NULL, loop, NULL));
	for (int i = 0; i < WRITERS; i++)
		must(!pthread_create(&threads[i], NULL, writer, NULL));
	while (at < (_i ? all / 3 : all)) {
		struct pollfd pfd = {.fd = reader, .events = POLLIN};
		ssize_t n;

		must(poll(&pfd, 1, GUARD_S * 1000) == 1);
		n = recv(reader, got, sizeof(got), 0);
		must(n > 0);
		for (ssize_t i = 0; i < n; i++, at++)
			must(got[i] == reply_byte(9, at % bytes));
		must(is_valid());
	}
	if (_i == 1)
		rpcbuf_out_end(&out);
	if (_i == 2) {
		close(reader);
		reader = -1;
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	if (_i == 0)
		eventually(out_state(&out) == OUT_EMPTY);
	else
		eventually(out_state(&out) == OUT_DEAD);
	os_store(&loop_ends, true);
	pthread_join(looper, NULL);
	require(is_valid());
	stop();
}
END_TEST

static struct rpcbuf_out *alone;

static void *holder(void *arg)
{
	must(rpcbuf_out_send(alone, reply_make(mm, 0, &shape), true) == 1);
	return arg;
}

/* Without an engine, a thread of the library sends corked replies when nothing
 * follows. */
START_TEST(uncorked_by_thread)
{
	size_t at = 0;

	start();
	for (int i = 0; i < 20; i++) {
		pthread_t thread;

		require(!rpcbuf_out_create(&alone, out.fd));
		must(!pthread_create(&thread, NULL, holder, NULL));
		pthread_join(thread, NULL);
		if (i % 2) {
			at = 0;
			while (at < shape_bytes(&shape))
				read_on(&shape, &at, SIZE_MAX);
		}
		/* Or it is freed meanwhile. */
		rpcbuf_out_free(alone);
		require(all_returned());
		while (recv(reader, &at, 1, MSG_DONTWAIT) == 1)
			;
	}
	stop();
}
END_TEST

/* Every pair of states. */
START_TEST(chart)
{
	start();
	require(out_state(&out) == OUT_EMPTY);
	out_write(&out);
	out_uncork(&out);
	require(out_state(&out) == OUT_EMPTY && !wrote);
	out_more(&out, true);
	add(0);
	out_write(&out);
	require(out_state(&out) == OUT_CORKED);
	take = 0;
	out_uncork(&out);
	require(out_state(&out) == OUT_BLOCKED);
	out_more(&out, true);
	require(add(1) == 0);
	out_uncork(&out);
	require(out_state(&out) == OUT_BLOCKED);
	require(seen(out.blocked_ns));
	out_write(&out);
	require(out_state(&out) == OUT_EMPTY && !seen(out.blocked_ns));
	stop();
}
END_TEST

/* The time without progress of a peer begins anew when it took something, even
 * less than a reply. */
START_TEST(progress)
{
	uint64_t since;
	size_t at = 0;

	start();
	add_of(0, &large);
	since = seen(out.blocked_ns);
	require(out_state(&out) == OUT_BLOCKED && since);
	take = 0;
	out_write(&out);
	require(seen(out.blocked_ns) == since);
	must(read_on(&large, &at, SIZE_MAX));
	out_write(&out);
	require(out_state(&out) == OUT_BLOCKED);
	require(seen(out.blocked_ns) > since);
	read_all(&large, &at, 1);
	require(!seen(out.blocked_ns));
	stop();
}
END_TEST

/* A list of the parent. */
static struct rpcbuf_out *list;
static struct rpcbuf_reply *unadded;

static int child(void)
{
	uint64_t unsent = rpcbuf_out_unsent(list);
	uint8_t bytes[8] = {0};

	if (rpcbuf_out_flush(list, 0) != -EPERM ||
	    rpcbuf_out_flush(list, UINT64_MAX) != -EPERM)
		return 1;
	if (rpcbuf_out_join(list, bytes, sizeof(bytes), false) != -EPERM)
		return 2;
	if (rpcbuf_out_send(list, unadded, true) != -EPERM)
		return 3;
	/* The list frees it in any case. */
	if (lent != returned + NR)
		return 4;
	rpcbuf_out_end(list);
	if (!unsent || rpcbuf_out_unsent(list) != unsent)
		return 5;
	rpcbuf_out_free(list);
	return 0;
}

/* Unsent replies at a fork belong to the parent: the child sends none of them,
 * though the socket would take them, and does not hang in a lock that was
 * held. */
START_TEST(forked)
{
	size_t at = 0, all = NR * shape_bytes(&large);

	start();
	must(rpcbuf_out_create(&list, out.fd) == 0);
	for (uint32_t i = 0; i < NR; i++)
		must(rpcbuf_out_send(list, reply_make(mm, i, &large), false) ==
		     0);
	unadded = reply_make(mm, NR, &large);
	while (read_on(&large, &at, SIZE_MAX))
		;
	if (_i == 1)
		pthread_mutex_lock(&list->lock);
	fork_and_run(child);
	if (_i == 1)
		pthread_mutex_unlock(&list->lock);
	require(!read_on(&large, &at, SIZE_MAX));
	while (at < all) {
		must(rpcbuf_out_flush(list, 0) != -EPIPE);
		read_on(&large, &at, SIZE_MAX);
	}
	require(rpcbuf_out_flush(list, 0) == 0);
	rpcbuf_out_free(list);
	rpcbuf_reply_free(unadded);
	stop();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("out");
	TCase *tcase = tcase_create("out");

	tcase_set_timeout(tcase, 2 * GUARD_S);
	tcase_add_test(tcase, chart);
	tcase_add_test(tcase, progress);
	tcase_add_test(tcase, at_once);
	tcase_add_loop_test(tcase, every_split, 0, 2);
	tcase_add_test(tcase, readers_that_stop);
	tcase_add_loop_test(tcase, dies, 0, 2);
	tcase_add_test(tcase, corked);
	tcase_add_test(tcase, joined);
	tcase_add_test(tcase, cork_limits);
	tcase_add_test(tcase, a_round);
	tcase_add_test(tcase, longer_than_a_round);
	tcase_add_test(tcase, flush);
	tcase_add_loop_test(tcase, many_threads, 0, 3);
	tcase_add_test(tcase, uncorked_by_thread);
	tcase_add_loop_test(tcase, forked, 0, 2);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
