/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Helpers for tests of forks: a child that reports errors by its exit status.
 */
#ifndef FORK_UTIL_H
#define FORK_UTIL_H

#include <check.h>
#include <sys/wait.h>
#include <unistd.h>

/* @run returns 0, or the number of the failed check.  A child that hangs is
 * killed. */
static inline void fork_and_run(int (*run)(void))
{
	int status;
	pid_t pid;

	pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0) {
		alarm(20);
		_exit(run());
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status), "the child was ended by signal %d",
		      WTERMSIG(status));
	ck_assert_int_eq(WEXITSTATUS(status), 0);
}

#endif /* FORK_UTIL_H */
