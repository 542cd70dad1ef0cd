/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Finds the folder of the Python program (tools/rpcbuf_nfs): in the build tree,
 * then where it is installed.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "nfs.h"

#define FOLDER	"rpcbuf_nfs"
#define COMMAND 5 /* words in front of the arguments */
/* Debian packages install modules for this one. */
#define PYTHON	"/usr/bin/python3"

/* Relative to this program: a build tree, and an installation that may have
 * been moved. */
static const char *const places[] = {"/" FOLDER, "/../libexec/rpcbuf/" FOLDER};

/* Finds the path of this program, and the folder relative to it. */
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
	fprintf(stderr, "rpcbuf-bench: cannot start python3: %s\n",
		strerror(errno));
	free(command);
}
