/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * target.h - options that select a program, the same in all tools.
 */
#ifndef RPCBUF_COMMON_TARGET_H
#define RPCBUF_COMMON_TARGET_H

#include <argp.h>

/* All NULL: the only program that runs. */
struct target {
	const char *pid;    /* a number */
	const char *name;   /* of the program or of its segment */
	const char *file;   /* path of a segment */
	const char *folder; /* NULL: RPCBUF_SEGMENT_FOLDER */
};

/* Children of a tool's argp: one, with a struct target as its input. */
extern const struct argp_child target_children[];

/* Parses a number from @least to @most; otherwise ends the tool with an error
 * that begins with @what. */
unsigned long target_number(struct argp_state *state, const char *what,
			    const char *text, unsigned long least,
			    unsigned long most);

#endif
