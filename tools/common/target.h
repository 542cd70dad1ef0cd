/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * target.h - the program that a tool is asked to look at, by options that all
 * tools have.
 */
#ifndef RPCBUF_COMMON_TARGET_H
#define RPCBUF_COMMON_TARGET_H

#include <argp.h>

/* All NULL: the only program there is. */
struct target {
	const char *pid;    /* a number */
	const char *name;   /* of the program, or that it gave its segment */
	const char *file;   /* a segment */
	const char *folder; /* where segments are; NULL: the usual place */
};

/* The children of a tool's parser: one, with a struct target as its input. */
extern const struct argp_child target_children[];

/* Parses @text as a number from @least to @most, or ends the tool with a
 * sentence that begins with @what. */
unsigned long target_number(struct argp_state *state, const char *what,
			    const char *text, unsigned long least,
			    unsigned long most);

#endif
