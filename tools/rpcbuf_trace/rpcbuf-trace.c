/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-trace - prints pages and times of each call when it is done.
 *
 * Reads the ring of events in a program's segment.  While it runs, it asks the
 * program to write events.
 */
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "filter.h"
#include "output.h"
#include "rpcbuf/os/clock.h"

#define COUNT_MAX   1000000000
#define SECONDS_MAX 31536000
#define PAGES_MAX   1024
#define REFRESH_MS  2000
/* Poll period: a third of the time in which a busy program fills its ring. */
#define PAUSE_NS    10000000
/* Within this time a busy loop notices the request. */
#define SETTLE_NS   5000000

const char *argp_program_version = "rpcbuf-trace " RPCBUF_VERSION;

static struct arguments {
	struct target target;
	struct filter filter;
	const struct output *form;
	const char *ctf, *mix;
	unsigned long count, seconds;
} args = {.form = &output_text};

enum {
	OPTION_CTF = 0x100,
	OPTION_HIST,
	OPTION_MIX,
	OPTION_MIN_PAGES,
	OPTION_MIN_WAIT,
};

static const struct argp_option options[] = {
	{"json", 'j', NULL, 0, "print JSON, one object per line", 0},
	{"hist", OPTION_HIST, NULL, 0, "print histograms at the end", 0},
	{"ctf", OPTION_CTF, "DIR", 0, "write a trace for babeltrace2", 0},
	{"mix", OPTION_MIX, "FILE", 0,
	 "also write the pages of each call to FILE, for rpcbuf-bench to replay",
	 0},
	{"count", 'N', "NUMBER", 0, "end after NUMBER calls", 1},
	{"seconds", 's', "NUMBER", 0, "end after NUMBER seconds", 1},
	{"client", 'c', "ADDRESS[/BITS]", 0,
	 "only calls from these addresses; may be repeated", 2},
	{"proc", 'P', "NAME", 0,
	 "only calls of this procedure, or with this operation, such as WRITE "
	 "or NFS3.WRITE; may be repeated",
	 2},
	{"min-pages", OPTION_MIN_PAGES, "NUMBER", 0,
	 "only calls of at least NUMBER pages", 2},
	{"min-wait", OPTION_MIN_WAIT, "TIME", 0,
	 "only calls that waited for pages at least TIME, such as 10us", 2},
	{0},
};

static void set_form(struct argp_state *state, const struct output *form)
{
	if (args.form != &output_text && args.form != form)
		argp_error(state,
			   "--json, --hist and --ctf exclude each other");
	args.form = form;
}

static error_t parse_filter(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case 'c':
		if (!filter_add_client(&args.filter, arg))
			argp_error(
				state,
				"client %s: ADDRESS or ADDRESS/BITS is expected, at most %d times",
				arg, FILTER_MAX);
		return 0;
	case 'P':
		if (!filter_add_procedure(&args.filter, arg))
			argp_error(
				state,
				"no procedure or operation is named %s, or there are more than %d names",
				arg, FILTER_MAX);
		return 0;
	case OPTION_MIN_PAGES:
		args.filter.min_pages = (uint32_t)target_number(
			state, "pages of", arg, 0, PAGES_MAX);
		return 0;
	case OPTION_MIN_WAIT:
		if (!filter_time(arg, &args.filter.min_wait_ns))
			argp_error(
				state,
				"wait of %s: a number with ns, us, ms or s is expected",
				arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = &args.target;
		return 0;
	case 'j':
		set_form(state, &output_json);
		return 0;
	case OPTION_HIST:
		set_form(state, &output_histograms);
		return 0;
	case OPTION_CTF:
		set_form(state, &output_ctf);
		args.ctf = arg;
		return 0;
	case OPTION_MIX:
		args.mix = arg;
		return 0;
	case 'N':
		args.count =
			target_number(state, "count of", arg, 1, COUNT_MAX);
		return 0;
	case 's':
		args.seconds =
			target_number(state, "seconds of", arg, 1, SECONDS_MAX);
		return 0;
	default:
		return parse_filter(key, arg, state);
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.children = target_children,
	.doc = "Prints a line for each call of a program that receives through rpcbuf, "
	       "when the call is done, until a signal comes.\v"
	       "Without --pid, --name or --file: the only such program that runs here. "
	       "Columns and exit statuses are listed in rpcbuf-trace(1).",
};

static volatile sig_atomic_t stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static void sleep_ns(uint64_t ns)
{
	const struct timespec pause = {.tv_nsec = (long)ns};

	nanosleep(&pause, NULL);
}

static struct {
	uint64_t shown, lost, lost_said;
	uint64_t to_realtime_ns; /* from CLOCK_MONOTONIC */
	uint64_t renew_ns, end_ns;
} trace;

static bool is_over(void)
{
	return stop || (args.seconds && os_now() >= trace.end_ns);
}

static bool is_enough(void)
{
	return args.count && trace.shown >= args.count;
}

static void say_losses(const struct server *server)
{
	trace.lost = rpcbuf_segment_lost(server->segment);
	if (trace.lost > trace.lost_said && args.form->lost)
		args.form->lost(trace.lost - trace.lost_said);
	trace.lost_said = trace.lost;
}

/* Takes all available events, one ring full at most. */
static void take_events(const struct server *server)
{
	uint32_t most = server->header->sections[RPCBUF_SECTION_EVENTS].entries;
	struct rpcbuf_event event;
	uint64_t time_ns;

	while (most-- && !is_enough() &&
	       rpcbuf_segment_next_event(server->segment, &event) == 1) {
		say_losses(server);
		if (!filter_passes(&args.filter, &event))
			continue;
		time_ns = event.time_ns + trace.to_realtime_ns;
		args.form->event(&event, time_ns);
		if (args.mix)
			output_mix.event(&event, time_ns);
		trace.shown++;
	}
	say_losses(server);
}

static int flush_outputs(struct fault *fault)
{
	if (fault_flush(fault))
		return fault->status;
	if (args.form->flush && args.form->flush(fault))
		return fault->status;
	if (args.mix && output_mix.flush(fault))
		return fault->status;
	return FAULT_NONE;
}

/* Twice a second: renews the lease, and follows changes of the wall clock. */
static int renew_lease(const struct server *server, struct fault *fault)
{
	uint64_t now = os_now();

	if (now < trace.renew_ns)
		return FAULT_NONE;
	trace.renew_ns = now + OS_SECOND_NS / 2;
	trace.to_realtime_ns = os_wall_clock() - now;
	return server_watch(server, RPCBUF_WATCH_EVENTS, fault);
}

/* Requests events, and waits until the program has noticed. */
static int start_tracing(struct server *server, struct fault *fault)
{
	struct rpcbuf_event event;

	if (server_attach(&args.target, server, fault) ||
	    server_check(server, fault))
		return fault->status;
	if ((args.form->begin && args.form->begin(server, args.ctf, fault)) ||
	    (args.mix && output_mix.begin(server, args.mix, fault)))
		return fault->status;
	(void)rpcbuf_segment_next_event(server->segment, &event);
	if (renew_lease(server, fault))
		return fault->status;
	if (rpcbuf_segment_refresh(server->segment, REFRESH_MS))
		return fault_set(
			fault, FAULT_SILENT,
			"process %d runs but does not answer: it is stopped or hangs",
			(int)server->pid);
	sleep_ns(SETTLE_NS);
	trace.end_ns = os_now() + args.seconds * OS_SECOND_NS;
	fprintf(stderr, "rpcbuf-trace: tracing process %d (%s)\n",
		(int)server->pid, server->header->program);
	return FAULT_NONE;
}

static int trace_calls(struct server *server, struct fault *fault)
{
	int status = FAULT_NONE, at_end = FAULT_NONE;

	while (!status && !at_end && !is_enough()) {
		bool last = is_over();

		/* Check before taking: an ended program writes no more. */
		at_end = server_check(server, fault);
		take_events(server);
		status = flush_outputs(fault);
		if (status || last)
			break;
		if (!at_end && !is_enough()) {
			status = renew_lease(server, fault);
			sleep_ns(PAUSE_NS);
		}
	}
	return status ? status : at_end;
}

static int finish(int status, struct fault *fault)
{
	struct fault late = {0};

	args.form->end(trace.shown, trace.lost, &late);
	if (args.mix && !late.status)
		output_mix.end(trace.shown, trace.lost, &late);
	fault_flush(&late);
	if (!status && late.status) {
		*fault = late;
		status = late.status;
	}
	if (trace.lost)
		fprintf(stderr, "rpcbuf-trace: %llu calls were lost\n",
			(unsigned long long)trace.lost);
	return status;
}

int main(int argc, char **argv)
{
	const struct sigaction action = {.sa_handler = on_signal};
	static struct server server;
	static struct fault fault;
	int status;

	argp_parse(&argp, argc, argv, 0, NULL, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	status = start_tracing(&server, &fault);
	if (!status)
		status = finish(trace_calls(&server, &fault), &fault);
	if (status)
		fprintf(stderr, "rpcbuf-trace: %s\n", fault.text);
	server_detach(&server);
	return status;
}
