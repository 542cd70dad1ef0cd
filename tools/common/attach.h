/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * attach.h - finds a program's segment, or says why there is none.
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
	pid_t pid; /* in this tool's PID namespace */
	struct rpcbuf_segment *segment;
	const struct rpcbuf_segment_header *header;
};

/*
 * Attaches to the program that @target names.  Returns FAULT_NONE, or the
 * status in @fault.  When the segment of an ended program was named, attaches
 * to that as well: see server_check().
 */
int server_attach(const struct target *target, struct server *server,
		  struct fault *fault);
void server_detach(struct server *server);

/* FAULT_NONE; FAULT_ENDED when the program has ended. */
int server_check(const struct server *server, struct fault *fault);

/* Reads a fresh publication; the last one if the program does not answer, or
 * the segment is read-only. */
int server_read(const struct server *server, struct rpcbuf_snapshot *snapshot,
		struct fault *fault);

/* Asks for RPCBUF_WATCH_* bits. */
int server_watch(const struct server *server, unsigned int what,
		 struct fault *fault);

#endif
