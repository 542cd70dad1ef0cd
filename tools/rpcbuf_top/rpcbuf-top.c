/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-top - the clients of a server that receives through rpcbuf: their
 * pages, waits and refused calls.
 *
 * Reads the program's segment in shared memory.  While it runs, it asks the
 * program for the table of clients.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "batch.h"
#include "screen.h"

#define DELAY_MIN     0.1
#define DELAY_MAX     3600
#define DELAY_DEFAULT 2
#define COUNT_MAX     1000000000

const char *argp_program_version = "rpcbuf-top " RPCBUF_VERSION;

struct arguments {
	struct target target;
	struct order order;
	double delay;
	unsigned int count;
	bool batch;
};

static const struct argp_option options[] = {
	{"batch", 'b', NULL, 0, "print plain text instead of using the screen",
	 0},
	{"count", 'n', "COUNT", 0, "end after COUNT pictures", 0},
	{"delay", 'd', "SECONDS", 0, "time between pictures (2)", 0},
	{"reverse", 'r', NULL, 0, "the smallest first", 0},
	{"sort", 's', "COLUMN", 0, "sort by this column (HELD)", 0},
	{0},
};

static double parse_delay(struct argp_state *state, const char *text)
{
	char *end;
	double value;

	errno = 0;
	value = strtod(text, &end);
	if (end == text || *end || errno ||
	    strspn(text, "0123456789.") != strlen(text) || value < DELAY_MIN ||
	    value > DELAY_MAX)
		argp_error(state,
			   "delay of %s: a number from %.1f to %d is expected",
			   text, DELAY_MIN, DELAY_MAX);
	return value;
}

static unsigned int parse_sort(struct argp_state *state, const char *text)
{
	int column = column_find_title(text);

	if (column < 0)
		argp_error(state,
			   "there is no column %s: rpcbuf-top(1) lists them",
			   text);
	return (unsigned int)column;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->target;
		return 0;
	case 'b':
		args->batch = true;
		return 0;
	case 'n':
		args->count = (unsigned int)target_number(state, "count of",
							  arg, 1, COUNT_MAX);
		return 0;
	case 'd':
		args->delay = parse_delay(state, arg);
		return 0;
	case 'r':
		args->order.reverse = true;
		return 0;
	case 's':
		args->order.column = parse_sort(state, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.children = target_children,
	.doc = "Shows the clients of a program that receives calls through rpcbuf: "
	       "their pages, their waits for pages, and their refused calls.\v"
	       "Without --pid, --name or --file: the only such program that runs here. "
	       "Keys: h for help, q to quit. "
	       "Columns and exit statuses are listed in rpcbuf-top(1).",
};

int main(int argc, char **argv)
{
	static struct arguments args = {.delay = DELAY_DEFAULT};
	static struct sampler sampler;
	static struct fault fault;
	uint64_t delay_ns;
	int status;

	args.order.column = (unsigned int)column_find_title("HELD");
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	delay_ns = (uint64_t)(args.delay * 1e9);
	status = sampler_open(&sampler, &args.target, &fault);
	if (!status)
		status = args.batch ? batch(&sampler, &args.order, delay_ns,
					    args.count, &fault)
				    : screen(&sampler, &args.order, delay_ns,
					     args.count, &fault);
	if (fault_flush(&fault))
		status = fault.status;
	if (status)
		fprintf(stderr, "rpcbuf-top: %s\n", fault.text);
	sampler_close(&sampler);
	return status;
}
