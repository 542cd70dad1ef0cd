/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-stat - the counters of a server that receives through rpcbuf.
 *
 * Reads the text file that the plug-in writes, so it needs no more than the
 * permission to read a file, and works on what a server has left behind.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fsal/stats_file.h"
#include "rates.h"
#include "server.h"
#include "show.h"

#define INTERVAL_MAX	86400
#define COUNT_MAX	1000000000
#define INTERVAL_LIKELY 60

const char *argp_program_version = "rpcbuf-stat " RPCBUF_VERSION;

struct arguments {
	const char *target; /* NULL: the only server */
	const char *folder;
	unsigned int interval, count;
	bool raw;
};

enum {
	OPTION_FOLDER = 256
};

static const struct argp_option options[] = {
	{"raw", 'r', NULL, 0,
	 "print the statistics file as it is, `name value' a line", 0},
	{"folder", OPTION_FOLDER, "DIR", 0,
	 "where servers write to (" STATS_FILE_FOLDER ")", 0},
	{0},
};

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

static unsigned int parse_number(struct argp_state *state, const char *what,
				 const char *text, unsigned int most)
{
	unsigned long value;

	errno = 0;
	value = strtoul(text, NULL, 10);
	if (!is_number(text) || errno || value < 1 || value > most)
		argp_error(state, "%s %s: a number from 1 to %u is expected",
			   what, text, most);
	return (unsigned int)value;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case 'r':
		args->raw = true;
		return 0;
	case OPTION_FOLDER:
		args->folder = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->target = strcmp(arg, "-") ? arg : NULL;
		else if (state->arg_num == 1)
			args->interval = parse_number(state, "interval of", arg,
						      INTERVAL_MAX);
		else if (state->arg_num == 2)
			args->count =
				parse_number(state, "count of", arg, COUNT_MAX);
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		if (args->raw && args->interval)
			argp_error(state,
				   "--raw prints once, without an interval");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse,
	.args_doc = "[PID|FILE|- [INTERVAL [COUNT]]]",
	.doc = "Prints the counters of a server that receives its calls through rpcbuf: "
	       "all of them, or with an INTERVAL in seconds a line of rates each time, "
	       "COUNT times or until the server ends.\v"
	       "The server is named by its process id or by its statistics file; `-' is the "
	       "only one that runs here, as is no argument. Exit statuses are listed in "
	       "rpcbuf-stat(1).",
};

static int find_pid(const struct arguments *args, struct server *server,
		    struct fault *fault)
{
	long pid;
	int status;
	size_t at;

	errno = 0;
	pid = strtol(args->target, NULL, 10);
	if (errno || pid < 1 || pid > INT_MAX)
		return fault_set(fault, STAT_NO_PROCESS,
				 "%s is not the id of any process",
				 args->target);
	status = server_by_pid(args->folder, (pid_t)pid, server, fault);
	/* Other tools of this kind take a lone number for an interval. */
	at = strlen(fault->text);
	if (status && !args->interval && pid <= INTERVAL_LIKELY)
		snprintf(fault->text + at, sizeof(fault->text) - at,
			 "; for rates every %ld s: rpcbuf-stat - %ld", pid,
			 pid);
	return status;
}

static int find(const struct arguments *args, struct server *server,
		struct fault *fault)
{
	if (!args->target)
		return server_only(args->folder, server, fault);
	if (is_number(args->target))
		return find_pid(args, server, fault);
	return server_by_file(args->target, server, fault);
}

/* What a server that has ended counted is worth a look, so it is printed
 * before the sentence that says so. */
static int print_once(const struct arguments *args, const struct server *server,
		      struct fault *fault)
{
	static struct sample sample;
	int status = server_read(server, &sample, fault);

	if (status)
		return status;
	if (args->raw)
		fputs(sample.text, stdout);
	else
		show(server, &sample);
	return server_check(server, &sample, fault);
}

int main(int argc, char **argv)
{
	struct arguments args = {.folder = STATS_FILE_FOLDER};
	static struct server server;
	static struct fault fault;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	status = find(&args, &server, &fault);
	if (!status && args.interval)
		status = rates(&server, args.interval, args.count, &fault);
	else if (!status)
		status = print_once(&args, &server, &fault);
	if (fflush(stdout) || ferror(stdout))
		status = fault_set(&fault, STAT_OUTPUT,
				   "the output cannot be written: %s",
				   strerror(errno));
	if (status)
		fprintf(stderr, "rpcbuf-stat: %s\n", fault.text);
	return status;
}
