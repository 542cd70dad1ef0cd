/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * finding.h - a look through a folder of segments.
 *
 * Containers may share one, and their processes may have the same ids: what
 * counts is the PID namespace that a segment names, never the number alone.
 */
#ifndef RPCBUF_COMMON_FINDING_H
#define RPCBUF_COMMON_FINDING_H

#include <limits.h>
#include <rpcbuf/segment.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define FOUND_MAX 64

/* What is looked for; zeroed: every program that runs. */
struct wanted {
	const char *name;   /* of the program, or that it gave its segment */
	pid_t pid;	    /* as the process sees itself, or 0 */
	uint64_t pid_space; /* of that: inode of the namespace; 0: not known */
	uint64_t start_ticks; /* ... and when it began; 0: not known */
	bool ended;	      /* programs that are gone, instead */
};

struct found {
	char path[PATH_MAX];
	char program[72];
	pid_t pid; /* as it is seen from here, or 0: it is not */
};

struct finding {
	struct found found[FOUND_MAX];
	unsigned int nr;
	unsigned int ended;	    /* left by programs that are gone */
	unsigned int closed;	    /* of other users, */
	char closed_path[PATH_MAX]; /* ... one of them */
};

/* Adds what is in @folder to @finding.  0, or an errno when the folder cannot be
 * read. */
int finding_look(struct finding *finding, const char *folder,
		 const struct wanted *wanted);

#endif
