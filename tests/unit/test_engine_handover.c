/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a call that blocks in the kernel, even uninterruptibly, delays no
 * other: other connections' calls and later ones of its own are answered
 * meanwhile, once each, and connections can end.  A back end that the system
 * lacks is refused when named, and replaced when not; a thread that cannot have
 * a ring works without one.
 * Method: a single loop, and handlers that stay in a system call until the test
 * releases them: a read, which a signal would end, or the wait for a child of
 * vfork(2), which no signal ends.  A seccomp filter, a limit of descriptors.
 */
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "engine_util.h"

#define PEERS  8
#define CALLS  30u
#define ROUNDS 5

/* Ways to block: read(2), vfork(2).  ThreadSanitizer ends its work at
 * vfork(). */
#define WAYS (__SANITIZE_THREAD__ ? 1 : 2)

static struct peer peers[PEERS];
static int gate[2];
static unsigned int stuck;
static bool uninterruptible;

/* In the child, which shares the parent's memory. */
__attribute__((no_sanitize("thread", "address"))) static int
wait_as_child(void *arg)
{
	char byte;

	(void)arg;
	return read(gate[0], &byte, 1) == 1 ? 0 : 1;
}

/* Returns once a byte was written to the gate. */
static void stay(void)
{
	static char stacks[ROUNDS * 4][16384] __attribute__((aligned(16)));
	char *stack = stacks[count(stuck) % WIRE_NR(stacks)];
	char byte;
	pid_t pid;

	if (!uninterruptible) {
		must(read(gate[0], &byte, 1) == 1);
		return;
	}
	pid = clone(wait_as_child, stack + sizeof(stacks[0]),
		    CLONE_VM | CLONE_FILES | CLONE_VFORK | SIGCHLD, NULL);
	must(pid > 0);
	must(waitpid(pid, NULL, 0) == pid);
}

static void let_go(unsigned int calls)
{
	while (calls--)
		must(write(gate[1], "", 1) == 1);
}

static void stay_or_answer(struct rpcbuf_call *call)
{
	struct rpcbuf_cursor cursor;
	uint8_t xid[4];

	rpcbuf_cursor_init(&cursor, &call->message);
	must(rpcbuf_cursor_read(&cursor, xid, 4) == 0);
	if (xid[0] >> 4 == BLOCK)
		stay();
	reply(call);
}

/* Like a server that closes without a shutdown. */
static void close_at_once(void *data, enum rpcbuf_close_reason reason)
{
	struct peer *peer = data;

	peer->reason = reason;
	close(peer->fd);
	count(peer->closed);
}

static void start(void)
{
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_handlers with = handlers;

	with.call = stay_or_answer;
	with.closed = close_at_once;
	o.receivers = 1;
	must(pipe2(gate, O_CLOEXEC) == 0);
	server_start_with(16 << 20, &o, &with);
	for (int i = 0; i < PEERS; i++)
		peer_open(&peers[i]);
}

static void finish(void)
{
	server_stop();
	for (int i = 0; i < PEERS; i++) {
		ck_assert_uint_eq(seen(peers[i].closed), 1);
		peer_hang_up(&peers[i]);
		rpcbuf_conn_put(peers[i].conn);
	}
}

/* A call that does not return before the test releases it. */
static void send_stuck(struct peer *peer, uint32_t n)
{
	unsigned int before = seen(stuck);

	send_call(peer, XID(BLOCK, SMALL, n));
	eventually(seen(stuck) == before + 1);
}

static void call_all(uint64_t *seed)
{
	for (uint32_t n = 0; n < CALLS; n++)
		for (int i = 0; i < PEERS; i++)
			send_call(&peers[i], XID(ECHO, test_below(seed, 3), n));
	for (int i = 0; i < PEERS; i++)
		receive_replies(&peers[i], 0, CALLS);
	/* Once more, from an idle state. */
	for (int i = PEERS; i--;)
		check_alive(&peers[i]);
}

START_TEST(answered_meanwhile)
{
	uint64_t seed = test_seed();
	struct peer *leaving = &peers[PEERS - 1];

	uninterruptible = _i;
	start();
	for (uint32_t round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < PEERS; i++)
			check_alive(&peers[i]);
		send_stuck(&peers[0], CALLS + round);
		call_all(&seed);
		/* Nothing keeps its socket from closing. */
		shutdown(leaving->client, SHUT_WR);
		expect_end(leaving);
		eventually(seen(leaving->closed) == 1);
		ck_assert_int_eq(leaving->reason, RPCBUF_CLOSE_EOF);
		peer_hang_up(leaving);
		rpcbuf_conn_put(leaving->conn);
		peer_open(leaving);
		check_alive(leaving);
		let_go(1);
		receive_replies(&peers[0], CALLS + round, 1);
	}
	ck_assert_uint_ge(stats().handovers, ROUNDS);
	ck_assert_uint_eq(stats().requests, ROUNDS * (PEERS * (CALLS + 2) + 2));
	finish();
}
END_TEST

/* Several at once, released in the middle of the traffic. */
START_TEST(several_at_once)
{
	uint64_t seed = test_seed();

	uninterruptible = _i;
	start();
	for (int round = 0; round < ROUNDS; round++) {
		for (int i = 0; i < 4; i++)
			send_stuck(&peers[i], CALLS);
		for (uint32_t n = 0; n < CALLS; n++)
			for (int i = 0; i < PEERS; i++) {
				send_call(&peers[i],
					  XID(ECHO, test_below(&seed, 3), n));
				if (n == CALLS / 2 && i < 4)
					let_go(1);
			}
		for (int i = 0; i < PEERS; i++)
			receive_replies(&peers[i], 0, CALLS + (i < 4));
	}
	finish();
}
END_TEST

/* No descriptors for more rings: new threads work without. */
START_TEST(no_descriptors)
{
	uint64_t seed = test_seed();
	struct rlimit limit;

	start();
	check_alive(&peers[0]);
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 3;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	for (int i = 0; i < 4; i++)
		send_stuck(&peers[i], CALLS);
	call_all(&seed);
	if (tested_backend() == RPCBUF_BACKEND_URING)
		ck_assert_uint_ge(seen(server.log_lines), 1);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	call_all(&seed);
	let_go(4);
	for (int i = 0; i < 4; i++)
		receive_replies(&peers[i], CALLS, 1);
	call_all(&seed);
	finish();
}
END_TEST

/* io_uring_setup(2) fails with @err from now on, in this process. */
static void forbid_io_uring(uint32_t err)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
			 offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | err),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = WIRE_NR(code),
		.filter = code,
	};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
	must(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
}

START_TEST(forbidden)
{
	static const struct {
		uint32_t err;
		const char *why;
	} cases[] = {
		{EPERM, "forbidden"},
		{ENOSYS, "the kernel has none"},
		{EINVAL, "too old"},
	};
	struct rpcbuf_options mm_options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf_engine *engine;
	struct rpcbuf *mm;

	forbid_io_uring(cases[_i].err);
	must(rpcbuf_create(&mm, &mm_options) == 0);
	o.backend = RPCBUF_BACKEND_URING;
	ck_assert_int_eq(rpcbuf_engine_create(&engine, mm, &handlers, &o),
			 -ENOTSUP);
	ck_assert_msg(strstr(server.log, "io_uring is not available") &&
			      strstr(server.log, cases[_i].why),
		      "%s", server.log);
	ck_assert_uint_eq(server.log_lines, 1);
	o.backend = RPCBUF_BACKEND_AUTO;
	ck_assert_int_eq(rpcbuf_engine_create(&engine, mm, &handlers, &o), 0);
	ck_assert_str_eq(rpcbuf_engine_backend(engine), "epoll");
	ck_assert_msg(strstr(server.log, "using epoll") &&
			      strstr(server.log, cases[_i].why),
		      "%s", server.log);
	server.engine = engine; /* for the handlers */
	must(rpcbuf_engine_stop(engine, GUARD_S * 1000) == 0);
	rpcbuf_engine_destroy(engine);
	must(rpcbuf_destroy(mm) == 0);
}
END_TEST

/* By default the engine takes the back end that measured better. */
START_TEST(automatic)
{
	struct rpcbuf_options mm_options = RPCBUF_OPTIONS_INIT;
	struct rpcbuf_engine_options o = server_options();
	struct rpcbuf *mm;

	must(rpcbuf_create(&mm, &mm_options) == 0);
	o.backend = RPCBUF_BACKEND_AUTO;
	ck_assert_int_eq(
		rpcbuf_engine_create(&server.engine, mm, &handlers, &o), 0);
	if (tested_backend() == RPCBUF_BACKEND_URING)
		ck_assert_str_eq(rpcbuf_engine_backend(server.engine),
				 "io_uring");
	must(rpcbuf_engine_stop(server.engine, GUARD_S * 1000) == 0);
	rpcbuf_engine_destroy(server.engine);
	must(rpcbuf_destroy(mm) == 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine_handover");
	TCase *tcase = tcase_create("handover");

	tcase_set_timeout(tcase, 4 * GUARD_S);
	tcase_add_loop_test(tcase, answered_meanwhile, 0, WAYS);
	tcase_add_loop_test(tcase, several_at_once, 0, WAYS);
	tcase_add_test(tcase, no_descriptors);
	tcase_add_loop_test(tcase, forbidden, 0, 3);
	tcase_add_test(tcase, automatic);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
