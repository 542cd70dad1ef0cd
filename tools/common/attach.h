/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * attach.h - finding a program's segment, and what is wrong where there is
 * none.
 */
#ifndef RPCBUF_COMMON_ATTACH_H
#define RPCBUF_COMMON_ATTACH_H

#include <limits.h>
#include <rpcbuf/segment.h>
#include <sys/types.h>

#include "fault.h"
#include "target.h"

struct server {
	char path[PATH_MAX];
	pid_t pid; /* as it is seen from here */
	struct rpcbuf_segment *segment;
	const struct rpcbuf_segment_header *header;
};

/*
 * Attaches to the program that @target names.  Returns FAULT_NONE, or the
 * status in @fault.  A segment that a dead program left is attached to as well,
 * when it was named: server_check() tells.
 */
int server_attach(const struct target *target, struct server *server,
		  struct fault *fault);
void server_detach(struct server *server);

/* FAULT_NONE, or FAULT_ENDED. */
int server_check(const struct server *server, struct fault *fault);

/* A publication of now, if the program answers and lets itself be asked, or the
 * last one. */
int server_read(const struct server *server, struct rpcbuf_snapshot *snapshot,
		struct fault *fault);

/* Asks for RPCBUF_WATCH_* bits. */
int server_watch(const struct server *server, unsigned int what,
		 struct fault *fault);

#endif
