/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <errno.h>
#include <rpcbuf/segment.h>
#include <stdlib.h>
#include <string.h>

#include "target.h"

enum {
	OPTION_FILE = 0x1000,
	OPTION_FOLDER,
};

static const struct argp_option options[] = {
	{"pid", 'p', "PID", 0, "the program with this process id", 10},
	{"name", 'n', "NAME", 0,
	 "the program with this name, or whose segment has this name", 10},
	{"file", OPTION_FILE, "FILE", 0, "the program with this segment", 10},
	{"folder", OPTION_FOLDER, "DIR", 0,
	 "the folder of the segments (" RPCBUF_SEGMENT_FOLDER ")", 10},
	{0},
};

static error_t parse_target(int key, char *arg, struct argp_state *state)
{
	struct target *target = state->input;

	switch (key) {
	case 'p':
		target->pid = arg;
		return 0;
	case 'n':
		target->name = arg;
		return 0;
	case OPTION_FILE:
		target->file = arg;
		return 0;
	case OPTION_FOLDER:
		target->folder = arg;
		return 0;
	case ARGP_KEY_END:
		if (!!target->pid + !!target->name + !!target->file > 1)
			argp_error(
				state,
				"--pid, --name and --file exclude each other");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp target_argp = {.options = options,
					.parser = parse_target};

const struct argp_child target_children[] = {
	{&target_argp, 0, "Which program:", 5},
	{0},
};

unsigned long target_number(struct argp_state *state, const char *what,
			    const char *text, unsigned long least,
			    unsigned long most)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, NULL, 10);
	if (!*text || strspn(text, "0123456789") != strlen(text) || errno ||
	    value < least || value > most)
		argp_error(state, "%s %s: a number from %lu to %lu is expected",
			   what, text, least, most);
	return value;
}
