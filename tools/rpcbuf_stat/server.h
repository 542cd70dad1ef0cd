/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * server.h - from what the user names to the statistics file of a server.
 */
#ifndef RPCBUF_STAT_SERVER_H
#define RPCBUF_STAT_SERVER_H

#include <limits.h>

#include "sample.h"

struct server {
	char path[PATH_MAX];
	pid_t pid; /* 0: whichever the file names */
};

/* Each returns STAT_OK, or the status in @fault with @server undefined. */

/* The only one that runs and writes to @folder. */
int server_only(const char *folder, struct server *server, struct fault *fault);

int server_by_pid(const char *folder, pid_t pid, struct server *server,
		  struct fault *fault);

int server_by_file(const char *path, struct server *server,
		   struct fault *fault);

/* Reads the file of @server.  One that has ended is STAT_OK: ask below. */
int server_read(const struct server *server, struct sample *sample,
		struct fault *fault);

/* Does the server that wrote @sample still run?  STAT_OK or STAT_ENDED. */
int server_check(const struct server *server, const struct sample *sample,
		 struct fault *fault);

pid_t server_pid(const struct server *server, const struct sample *sample);

#endif
