/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: what cannot work is refused at creation, with an errno and a sentence
 * that names the value, and leaves nothing behind.
 * Method: each mistake once, on real sockets; the sentence, the errno, and that
 * no transport, page or descriptor is left.  One case is a fork.
 */
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/tirpc/tirpc_util.h"

static int descriptors(void)
{
	int nr = 0;

	for (int fd = 0; fd < 1000; fd++)
		nr += fcntl(fd, F_GETFD) >= 0;
	return nr;
}

static void refused(int fd, const struct rpcbuf_svc_options *o, int err,
		    const char *words)
{
	int before = descriptors();

	errno = 0;
	ck_assert_ptr_null(svc_rpcbuf_create(fd, o));
	ck_assert_int_eq(errno, err);
	if (!logged(words))
		ck_abort_msg("'%s' is not in '%s'", words, server.log);
	ck_assert_int_eq(descriptors(), before);
}

START_TEST(bad_descriptors)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	int udp = socket(AF_INET, SOCK_DGRAM, 0);
	int idle = socket(AF_INET, SOCK_STREAM, 0);
	int file = open("/dev/null", O_RDONLY);

	refused(987, &o, EBADF, "descriptor 987");
	refused(file, &o, ENOTSOCK, "socket");
	refused(udp, &o, ESOCKTNOSUPPORT, "not a stream socket");
	refused(idle, &o, EINVAL, "does not listen");
	ck_assert_ptr_null(svc_rpcbuf_fd_create(987, &o));
	ck_assert_int_eq(errno, EBADF);
	ck_assert_ptr_null(svc_rpcbuf_fd_create(udp, &o));
	ck_assert_int_eq(errno, ESOCKTNOSUPPORT);
	ck_assert_ptr_null(svc_rpcbuf_fd_create(idle, &o));
	ck_assert_int_eq(errno, ENOTCONN);
	ck_assert(logged("not connected"));
	close(udp);
	close(idle);
	close(file);
}
END_TEST

START_TEST(options_out_of_range)
{
	struct rpcbuf_svc_options good = svc_options_for_tests(), o;
	int fd = listening();

	o = good;
	o.memory = 1;
	refused(fd, &o, EINVAL, "memory is 1, must be from 65536");
	o = good;
	o.limits.max_length = 10;
	refused(fd, &o, EINVAL, "limits.max_length is 10, must be from 40");
	o.limits.max_length = UINT32_MAX;
	refused(fd, &o, EINVAL, "limits.max_length");
	o = good;
	o.limits.max_fragments = 0;
	refused(fd, &o, EINVAL, "limits.max_fragments is 0");
	o = good;
	o.limits.min_length = o.limits.max_length + 1;
	refused(fd, &o, EINVAL, "limits.min_length");
	o = good;
	o.send_timeout = 0;
	refused(fd, &o, EINVAL, "send_timeout is 0, must be from 1 to 3600");
	o.send_timeout = 3601;
	refused(fd, &o, EINVAL, "send_timeout is 3601");
	close(fd);
}
END_TEST

/* Programs that were built when the structs had fewer members, or more. */
START_TEST(options_of_another_size)
{
	struct {
		struct rpcbuf_svc_options known;
		uint64_t newer;
	} o = {svc_options_for_tests(), 0};
	int fd = listening();
	SVCXPRT *xprt;

	o.known.size = sizeof(o);
	xprt = svc_rpcbuf_create(fd, &o.known);
	ck_assert_ptr_nonnull(xprt);
	svc_destroy(xprt);
	fd = listening();
	o.newer = 1;
	errno = 0;
	ck_assert_ptr_null(svc_rpcbuf_create(fd, &o.known));
	ck_assert_int_eq(errno, E2BIG);
	o.known.size = offsetof(struct rpcbuf_svc_options, send_timeout);
	o.known.send_timeout = 0; /* not looked at */
	xprt = svc_rpcbuf_create(fd, &o.known);
	ck_assert_ptr_nonnull(xprt);
	svc_destroy(xprt);
}
END_TEST

START_TEST(statistics_of_another_size)
{
	struct {
		struct rpcbuf_svc_stats known;
		uint64_t newer, behind;
	} s = {RPCBUF_SVC_STATS_INIT, 1, 1};
	struct rpcbuf_engine_stats engine = RPCBUF_ENGINE_STATS_INIT;

	s.known.size += sizeof(s.newer);
	engine.threads = 1;
	ck_assert_int_eq(rpcbuf_svc_stats(&s.known, &engine), 0);
	ck_assert_uint_eq(s.newer, 0);
	ck_assert_uint_eq(s.behind, 1);
	ck_assert_uint_eq(engine.threads, 0);
	s.known.size = offsetof(struct rpcbuf_svc_stats, refused);
	s.known.refused = 99;
	ck_assert_int_eq(rpcbuf_svc_stats(&s.known, NULL), 0);
	ck_assert_uint_eq(s.known.refused, 99);
	s.known.size = 0;
	engine.threads = 1;
	ck_assert_int_eq(rpcbuf_svc_stats(&s.known, &engine), -EINVAL);
	ck_assert_uint_eq(engine.threads, 1);
}
END_TEST

/* Its own budget too small, or that of the program's instance in use. */
START_TEST(budget_exhausted)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	static void *pages[256];
	int fd = listening();
	SVCXPRT *xprt;

	o.memory = 1 << 20;
	refused(fd, &o, ENOMEM, "within the budget");
	options.memory = 2 << 20;
	/* Its thread opens files for a moment, and the test counts
	 * descriptors. */
	options.no_thread = true;
	must(rpcbuf_create(&o.mm, &options) == 0);
	must(rpcbuf_alloc_bulk_array(o.mm, 0, 256, pages) == 256);
	refused(fd, &o, ENOMEM, "1056768 bytes");
	rpcbuf_free_bulk_array(o.mm, 256, pages);
	xprt = svc_rpcbuf_create(fd, &o);
	ck_assert_ptr_nonnull(xprt);
	svc_destroy(xprt);
	ck_assert_int_eq(rpcbuf_destroy(o.mm), 0);
}
END_TEST

START_TEST(one_instance)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	struct rpcbuf_options options = RPCBUF_OPTIONS_INIT;
	SVCXPRT *xprt = svc_rpcbuf_create(RPC_ANYSOCK, &o);
	int fd = listening();

	ck_assert_ptr_nonnull(xprt);
	ck_assert_uint_ne(xprt->xp_port, 0);
	ck_assert_uint_ne(xprt->xp_port, (u_short)-1);
	must(rpcbuf_create(&o.mm, &options) == 0);
	refused(fd, &o, EINVAL, "share one instance");
	ck_assert_int_eq(rpcbuf_destroy(o.mm), 0);
	o.mm = NULL;
	svc_destroy(xprt);
	/* The next one may have another. */
	xprt = svc_rpcbuf_create(fd, &o);
	ck_assert_ptr_nonnull(xprt);
	svc_destroy(xprt);
}
END_TEST

START_TEST(runs_only_with_a_transport)
{
	struct rpcbuf_engine_options engine = RPCBUF_ENGINE_OPTIONS_INIT;
	struct rpcbuf_svc_options o = svc_options_for_tests();
	SVCXPRT *xprt;

	ck_assert_int_eq(rpcbuf_svc_run(NULL), -EINVAL);
	o.memory = 16 << 20;
	xprt = svc_rpcbuf_create(RPC_ANYSOCK, &o);
	ck_assert_ptr_nonnull(xprt);
	engine.max_threads = 100000;
	ck_assert_int_eq(rpcbuf_svc_run(&engine), -EINVAL);
	ck_assert(logged("max_threads is 100000, must be from 1 to 4096"));
	engine.max_threads = 10;
	engine.limits.max_length = 100 << 20;
	ck_assert_int_eq(rpcbuf_svc_run(&engine), -EINVAL);
	ck_assert(logged("max_length is 104857600"));
	engine.limits.max_length = 15 << 20;
	ck_assert_int_eq(rpcbuf_svc_run(&engine), -EINVAL);
	ck_assert(logged("the budget is"));
	/* An earlier request to exit. */
	rpcbuf_svc_exit();
	ck_assert_int_eq(rpcbuf_svc_run(NULL), 0);
	rpcbuf_svc_exit();
	ck_assert_int_eq(rpcbuf_svc_run(NULL), 0);
	svc_destroy(xprt);
}
END_TEST

/* As daemon(3) does it. */
START_TEST(fork_after_creation)
{
	struct rpcbuf_svc_options o = svc_options_for_tests();
	SVCXPRT *xprt = svc_rpcbuf_create(RPC_ANYSOCK, &o);
	int status;
	pid_t child;

	ck_assert_ptr_nonnull(xprt);
	child = fork();
	if (!child) {
		bool ok = rpcbuf_svc_run(NULL) == -ECHILD;

		ok &= logged("after daemon() or fork()");
		server.log[0] = 0;
		ok &= !svc_rpcbuf_create(RPC_ANYSOCK, &o) && errno == ECHILD;
		ok &= logged("after daemon() or fork()");
		_exit(ok ? 0 : 1);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert_int_eq(status, 0);
	svc_destroy(xprt);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tirpc_create");
	TCase *tcase = tcase_create("create");

	tcase_set_timeout(tcase, 100);
	tcase_add_test(tcase, bad_descriptors);
	tcase_add_test(tcase, options_out_of_range);
	tcase_add_test(tcase, options_of_another_size);
	tcase_add_test(tcase, statistics_of_another_size);
	tcase_add_test(tcase, budget_exhausted);
	tcase_add_test(tcase, one_instance);
	tcase_add_test(tcase, runs_only_with_a_transport);
	tcase_add_test(tcase, fork_after_creation);
	suite_add_tcase(suite, tcase);
	return wire_run(suite);
}
