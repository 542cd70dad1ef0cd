/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Looks for the folder with the Python program (tools/rpcbuf_nfs): beside this
 * one, then where it is installed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nfs.h"

#define FOLDER	"rpcbuf_nfs"
#define COMMAND 5 /* words before the arguments */
/* The one that Debian's packages install libraries for. */
#define PYTHON	"/usr/bin/python3"

/* Seen from the folder of this program: a build tree, and what was installed,
 * wherever it was moved to. */
static const char *const places[] = {"/" FOLDER, "/../libexec/rpcbuf/" FOLDER};

/* This program, and the folder, if it is near. */
static void find_program_folder(char program[PATH_MAX], char folder[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", program, PATH_MAX - 1);
	const char *slash;

	program[len > 0 ? len : 0] = '\0';
	slash = strrchr(program, '/');
	for (size_t i = 0; slash && i < sizeof(places) / sizeof(*places); i++)
		if (snprintf(folder, PATH_MAX, "%.*s%s", (int)(slash - program),
			     program, places[i]) < PATH_MAX &&
		    access(folder, R_OK) == 0)
			return;
	snprintf(folder, PATH_MAX, "%s/%s", RPCBUF_LIBEXEC, FOLDER);
}

void nfs_replace(char **arguments)
{
	char program[PATH_MAX], folder[PATH_MAX];
	size_t nr = 0;
	char **command;

	find_program_folder(program, folder);
	while (arguments[nr])
		nr++;
	command = calloc(COMMAND + nr + 1, sizeof(*command));
	if (!command) {
		fprintf(stderr, "rpcbuf-bench: out of memory\n");
		return;
	}
	command[0] = (char *)PYTHON;
	command[1] = folder;
	command[2] = (char *)"bench";
	command[3] = (char *)RPCBUF_VERSION;
	command[4] = program;
	memcpy(command + COMMAND, arguments, nr * sizeof(*command));
	execv(PYTHON, command);
	execvp("python3", command);
	fprintf(stderr, "rpcbuf-bench: python3 cannot be started: %s\n",
		strerror(errno));
	free(command);
}
