/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Runs a test program on a back end of the engine.
 */
#ifndef BACKEND_UTIL_H
#define BACKEND_UTIL_H

#include <errno.h>
#include <rpcbuf/engine.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "until_util.h"

/* Skips the whole program where the system does not allow io_uring. */
static inline __attribute__((constructor)) void need_backend(void)
{
	const char *name = getenv("RPCBUF_BACKEND");

	if (name && strcmp(name, "io_uring") == 0 &&
	    syscall(SYS_io_uring_setup, 0, NULL) < 0 &&
	    (errno == ENOSYS || errno == EPERM)) {
		fprintf(stderr, "skipped: no io_uring: %s\n", strerror(errno));
		exit(77);
	}
}

/* Every program runs once per back end. */
static inline enum rpcbuf_backend tested_backend(void)
{
	const char *name = getenv("RPCBUF_BACKEND");

	if (!name || strcmp(name, "epoll") == 0)
		return RPCBUF_BACKEND_EPOLL;
	must(strcmp(name, "io_uring") == 0);
	return RPCBUF_BACKEND_URING;
}

static inline const char *tested_backend_name(void)
{
	return tested_backend() == RPCBUF_BACKEND_EPOLL ? "epoll" : "io_uring";
}

#endif /* BACKEND_UTIL_H */
