/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-stat - the counters of a program that receives through rpcbuf.
 *
 * Reads the program's segment in shared memory.  The program only copies its
 * figures there when it is asked to.
 */
#include <stdio.h>
#include <stdlib.h>

#include "tools/common/attach.h"
#include "tools/common/parameters.h"
#include "tools/rpcbuf_stat/listen.h"
#include "tools/rpcbuf_stat/print.h"
#include "tools/rpcbuf_stat/rates.h"
#include "tools/rpcbuf_stat/show.h"

#define INTERVAL_MAX 86400
#define COUNT_MAX    1000000000

const char *argp_program_version = "rpcbuf-stat " RPCBUF_VERSION;

enum form {
	FORM_TEXT,
	FORM_RAW,
	FORM_JSON,
	FORM_PROMETHEUS
};

struct arguments {
	struct target target;
	enum form form;
	const char *listen;
	bool wide;
	unsigned int interval, count;
};

enum {
	OPTION_LISTEN = 0x100,
	OPTION_PROMETHEUS,
	OPTION_PARAMETERS,
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "print JSON, one object per line", 0},
	{"raw", 'r', NULL, 0, "print lines `name value', for scripts", 0},
	{"wide", 'w', NULL, 0, "with an INTERVAL: more columns", 0},
	{"prometheus", OPTION_PROMETHEUS, NULL, 0,
	 "print Prometheus' text format", 0},
	{"listen", OPTION_LISTEN, "ADDRESS:PORT", 0,
	 "serve that over HTTP as /metrics, until a signal", 0},
	{"parameters", OPTION_PARAMETERS, NULL, 0,
	 "print the parameters of ganesha.conf", 0},
	{0},
};

static void set_form(struct argp_state *state, struct arguments *args,
		     enum form form)
{
	if (args->form != FORM_TEXT && args->form != form)
		argp_error(state,
			   "--json, --raw and --prometheus exclude each other");
	args->form = form;
}

static void check(struct argp_state *state, const struct arguments *args)
{
	if (args->listen && (args->interval || args->form == FORM_JSON ||
			     args->form == FORM_RAW))
		argp_error(state,
			   "--listen takes no INTERVAL, --json or --raw");
	if (args->interval &&
	    (args->form == FORM_RAW || args->form == FORM_PROMETHEUS))
		argp_error(state, "--raw and --prometheus take no INTERVAL");
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args->target;
		return 0;
	case 'j':
		set_form(state, args, FORM_JSON);
		return 0;
	case 'r':
		set_form(state, args, FORM_RAW);
		return 0;
	case OPTION_PROMETHEUS:
		set_form(state, args, FORM_PROMETHEUS);
		return 0;
	case OPTION_PARAMETERS:
		parameters_print(stdout);
		exit(fflush(stdout) ? FAULT_OUTPUT : FAULT_NONE);
	case OPTION_LISTEN:
		args->listen = arg;
		return 0;
	case 'w':
		args->wide = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num == 0)
			args->interval = (unsigned int)target_number(
				state, "interval of", arg, 1, INTERVAL_MAX);
		else if (state->arg_num == 1)
			args->count = (unsigned int)target_number(
				state, "count of", arg, 1, COUNT_MAX);
		else
			return ARGP_ERR_UNKNOWN;
		return 0;
	case ARGP_KEY_END:
		check(state, args);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.children = target_children,
	.args_doc = "[INTERVAL [COUNT]]",
	.doc = "Prints the counters of a program that receives calls through rpcbuf: "
	       "all of them, or with an INTERVAL in seconds a line of rates each time, "
	       "COUNT times or until the program ends.\v"
	       "Without --pid, --name or --file: the only such program that runs here. "
	       "Exit statuses are listed in rpcbuf-stat(1).",
};

/* For an ended program: prints its last figures, then the error. */
static int print_once(const struct arguments *args, struct server *server,
		      struct fault *fault)
{
	static struct rpcbuf_snapshot snapshot;
	int status = server_read(server, &snapshot, fault);

	if (status)
		return status;
	switch (args->form) {
	case FORM_TEXT:
		show(server, &snapshot);
		break;
	case FORM_RAW:
		print_raw(stdout, server, &snapshot);
		break;
	case FORM_JSON:
		print_json(stdout, server, NULL, &snapshot);
		break;
	case FORM_PROMETHEUS:
		print_prometheus(stdout, server, &snapshot);
		break;
	}
	return server_check(server, fault);
}

static int print_figures(const struct arguments *args, struct server *server,
			 struct fault *fault)
{
	int status;

	if (args->listen)
		return listen_for_scrapes(args->listen, &args->target, fault);
	status = server_attach(&args->target, server, fault);
	if (status)
		return status;
	if (args->interval)
		return rates(server, args->interval, args->count,
			     args->form == FORM_JSON ? RATES_JSON
			     : args->wide	     ? RATES_WIDE
						     : RATES_TEXT,
			     fault);
	return print_once(args, server, fault);
}

int main(int argc, char **argv)
{
	static struct arguments args;
	static struct server server;
	static struct fault fault;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, &args);
	status = print_figures(&args, &server, &fault);
	if (fault_flush(&fault))
		status = fault.status;
	if (status)
		fprintf(stderr, "rpcbuf-stat: %s\n", fault.text);
	server_detach(&server);
	return status;
}
