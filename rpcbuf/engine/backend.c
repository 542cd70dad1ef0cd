/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Chooses the back end of an engine, when it is created.
 */
#include <errno.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/why.h"

/* Why there is no io_uring; NULL for an error that epoll is likely to meet as
 * well. */
static const char *why_not(int err)
{
	switch (err) {
	case -ENOSYS:
		return "the kernel has none";
	case -EPERM:
	case -EACCES:
		return "it is forbidden, by the sysctl kernel.io_uring_disabled or by a container's filter of system calls";
	case -EINVAL:
		return "the kernel's is too old, Linux 6.1 is needed";
	}
	return NULL;
}

/* 0 with engine->backend, or -errno. */
int backend_choose(struct rpcbuf_engine *engine)
{
	enum rpcbuf_backend wanted = engine->options.backend;
	const char *why;
	int err;

	engine->backend = &backend_epoll;
	if (wanted == RPCBUF_BACKEND_EPOLL)
		return 0;
	err = backend_uring.probe();
	if (!err) {
		engine->backend = &backend_uring;
		return 0;
	}
	why = why_not(err);
	if (wanted == RPCBUF_BACKEND_AUTO && why) {
		engine_log(engine, RPCBUF_LOG_INFO,
			   "using epoll: io_uring is not available: %s (%s)",
			   why, strerror(-err));
		return 0;
	}
	os_why(err, "io_uring is not available%s%s", why ? ": " : "",
	       why ? why : "");
	return why ? -ENOTSUP : err;
}
