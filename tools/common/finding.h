/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * finding.h - searches a folder for segments.
 *
 * Containers may share a folder, and their processes may have equal ids.  So a
 * process is identified by its id together with the PID namespace that its
 * segment names.
 */
#ifndef RPCBUF_COMMON_FINDING_H
#define RPCBUF_COMMON_FINDING_H

#include <limits.h>
#include <rpcbuf/segment.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FOUND_MAX 64

/* Search criteria; zeroed: every program that runs. */
struct wanted {
	const char *name;     /* of the program or of its segment */
	pid_t pid;	      /* in its own PID namespace; 0: any */
	uint64_t pid_space;   /* inode of that namespace; 0: unknown */
	uint64_t start_ticks; /* start time of the process; 0: unknown */
	bool ended;	      /* only programs that have ended */
};

struct found {
	char path[PATH_MAX];
	char program[72];
	pid_t pid; /* in this tool's namespace; 0: not visible */
};

struct finding {
	struct found found[FOUND_MAX];
	unsigned int nr;
	unsigned int ended;	    /* segments of programs that have ended */
	unsigned int closed;	    /* segments without read permission */
	char closed_path[PATH_MAX]; /* one of those */
};

/* Adds the matching segments of @folder to @finding.  Returns 0, or an errno
 * when the folder cannot be read. */
int finding_look(struct finding *finding, const char *folder,
		 const struct wanted *wanted);

#endif
