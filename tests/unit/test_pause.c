/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a point holds one thread, only on request, until it is released.
 * Method: threads pass a point whose file exists or not; the folder and their
 * counts show which of them wait.
 */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include "rpcbuf/os/pause.h"
#include "until_util.h"

#define THREADS 4

static char folder[32];
static int passed;

static const char *path(const char *name)
{
	static char at[128];

	snprintf(at, sizeof(at), "%s/%s", folder, name);
	return at;
}

static void ask_for(const char *name)
{
	int fd = open(path(name), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void setup(void)
{
	strcpy(folder, "/tmp/rpcbuf-pause.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	setenv("RPCBUF_PAUSE", folder, 1);
	passed = 0;
}

static void teardown(void)
{
	ck_assert_int_eq(rmdir(folder), 0);
}

static void *pass(void *arg)
{
	errno = ENOTTY;
	os_pause_at("one");
	ck_assert_int_eq(errno, ENOTTY);
	__atomic_add_fetch(&passed, 1, __ATOMIC_SEQ_CST);
	return arg;
}

static int have_passed(void)
{
	return __atomic_load_n(&passed, __ATOMIC_SEQ_CST);
}

START_TEST(test_not_asked)
{
	pass(NULL);
	ask_for("other");
	pass(NULL);
	ck_assert_int_eq(unlink(path("other")), 0);
	unsetenv("RPCBUF_PAUSE");
	ask_for("one");
	pass(NULL);
	ck_assert_int_eq(unlink(path("one")), 0);
}
END_TEST

START_TEST(test_holds_one)
{
	pthread_t threads[THREADS];

	ask_for("one");
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, pass, NULL),
				 0);
	eventually(have_passed() == THREADS - 1);
	eventually(access(path("one.here"), F_OK) == 0);
	ck_assert_int_ne(access(path("one"), F_OK), 0);
	ck_assert_int_eq(have_passed(), THREADS - 1);
	ck_assert_int_eq(unlink(path("one.here")), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	ck_assert_int_eq(have_passed(), THREADS);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pause");
	TCase *tcase = tcase_create("pause");
	SRunner *runner;
	int failed;

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, test_not_asked);
	tcase_add_test(tcase, test_holds_one);
	suite_add_tcase(suite, tcase);
	runner = srunner_create(suite);
	srunner_run_all(runner, CK_NORMAL);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
