/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * rpcbuf-bench - measures the page allocator and its peers; with `nfs', an NFS
 * server with and without rpcbuf.
 */
#include <argp.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "figure.h"
#include "nfs.h"
#include "show.h"

#define REPEAT_DEFAULT	31
#define SECONDS_DEFAULT 0.002
#define SECONDS_MAX	10.0

/* Allocator libraries need static thread-local storage, which glibc reserves at
 * start. */
#define TLS_TUNABLE	"glibc.rtld.optional_static_tls=65536"

const char *argp_program_version = "rpcbuf-bench " RPCBUF_VERSION;

struct arguments {
	const char *peers; /* NULL: all */
	unsigned int cases;
	unsigned int repeat;
	double seconds;
	const int *cpus;
	const char *replay, *json;
	bool list;
};

enum {
	OPTION_CASES = 256,
	OPTION_PEERS,
	OPTION_SECONDS,
	OPTION_REPEAT,
	OPTION_PIN,
	OPTION_REPLAY,
	OPTION_JSON,
	OPTION_LIST,
};

static const struct argp_option options[] = {
	{"cases", OPTION_CASES, "NAME,...", 0, "measure these only", 0},
	{"peers", OPTION_PEERS, "NAME,...", 0, "measure these only", 0},
	{"repeat", OPTION_REPEAT, "COUNT", 0, "runs of each figure (31)", 0},
	{"seconds", OPTION_SECONDS, "SECONDS", 0, "length of a run (0.002)", 0},
	{"pin", OPTION_PIN, "CPU,CPU|none", 0,
	 "CPUs of the two threads (the first CPUs that may be used)", 0},
	{"replay", OPTION_REPLAY, "FILE", 0,
	 "a recorded mix: a number of pages per line", 0},
	{"json", OPTION_JSON, "FILE", 0, "also write the figures to FILE", 0},
	{"list", OPTION_LIST, NULL, 0, "name the cases and the peers", 0},
	{0},
};

static unsigned int parse_cases(struct argp_state *state, const char *names)
{
	unsigned int cases = 0, c;

	while (*names) {
		size_t len = strcspn(names, ",");

		for (c = 0; c < NR_CASES; c++)
			if (case_infos[c].name &&
			    strlen(case_infos[c].name) == len &&
			    !strncmp(case_infos[c].name, names, len))
				break;
		if (c == NR_CASES)
			argp_error(state, "there is no case '%.*s'", (int)len,
				   names);
		cases |= 1u << c;
		names += len + (names[len] == ',');
	}
	return cases;
}

static const int *parse_cpus(struct argp_state *state, const char *text)
{
	static int cpus[PEER_THREADS] = {CREW_UNPINNED, CREW_UNPINNED};
	char end;

	if (strcmp(text, "none") &&
	    (sscanf(text, "%d,%d%c", &cpus[0], &cpus[1], &end) != 2 ||
	     cpus[0] < 0 || cpus[1] < 0))
		argp_error(state, "--pin %s: two CPUs or none are expected",
			   text);
	return cpus;
}

static double parse_decimal(struct argp_state *state, const char *option,
			    const char *text, double least, double most)
{
	char *end;
	double value = strtod(text, &end);

	if (end == text || *end || !(value >= least && value <= most))
		argp_error(state, "--%s %s: a number from %g to %g is expected",
			   option, text, least, most);
	return value;
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct arguments *args = state->input;

	switch (key) {
	case OPTION_CASES:
		args->cases = parse_cases(state, arg);
		return 0;
	case OPTION_PEERS:
		args->peers = arg;
		return 0;
	case OPTION_REPEAT:
		args->repeat = (unsigned int)parse_decimal(state, "repeat", arg,
							   1, FIGURE_REPEATS);
		return 0;
	case OPTION_SECONDS:
		args->seconds =
			parse_decimal(state, "seconds", arg, 1e-4, SECONDS_MAX);
		return 0;
	case OPTION_PIN:
		args->cpus = parse_cpus(state, arg);
		return 0;
	case OPTION_REPLAY:
		args->replay = arg;
		return 0;
	case OPTION_JSON:
		args->json = arg;
		return 0;
	case OPTION_LIST:
		args->list = true;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num || strcmp(arg, "alloc"))
			argp_error(state,
				   "%s: only 'alloc' and 'nfs' can be measured",
				   arg);
		return 0;
	case ARGP_KEY_NO_ARGS:
		if (!args->list)
			argp_error(
				state,
				"what to measure is missing: 'alloc' or 'nfs'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp argp = {
	.options = options,
	.parser = parse_option,
	.args_doc = "alloc\nnfs [NFS OPTION...]",
	.doc = "`alloc' measures the time to fill an array with pages and to release them, "
	       "in ns per page, for rpcbuf and for all installed peers. "
	       "`nfs' measures an NFS server with and without rpcbuf; "
	       "`nfs --help' prints its options. Options of `alloc':\v"
	       "Cases, peers and goals are described in rpcbuf-bench(1).",
};

static void list(void)
{
	printf("cases\n");
	for (unsigned int c = 0; c < NR_CASES; c++)
		if (case_infos[c].name)
			printf("  %-16s %s\n", case_infos[c].name,
			       case_infos[c].about);
	printf("peers\n");
	peers_print();
}

static void reserve_tls(char **argv)
{
	const char *set = getenv("GLIBC_TUNABLES");
	char value[4096];

	if (set && strstr(set, "optional_static_tls"))
		return;
	snprintf(value, sizeof(value), "%s%s%s", set ? set : "", set ? ":" : "",
		 TLS_TUNABLE);
	if (!setenv("GLIBC_TUNABLES", value, 1))
		execv("/proc/self/exe", argv);
}

static bool measure_figures(struct bench *bench, const struct arguments *args)
{
	struct crew *crew;
	bool measured;

	if (!peers_open(&bench->set, args->peers) ||
	    !mix_read(&bench->mix, args->replay) ||
	    !figures_list(bench, args->cases))
		return false;
	crew = crew_start(&bench->set, args->cpus);
	if (!crew) {
		fprintf(stderr, "rpcbuf-bench: cannot start the threads\n");
		return false;
	}
	measured = figures_measure(bench, crew);
	crew_stop(crew);
	return measured;
}

int main(int argc, char **argv)
{
	struct arguments args = {.cases = ~0u,
				 .repeat = REPEAT_DEFAULT,
				 .seconds = SECONDS_DEFAULT};
	static struct bench bench;

	if (argc > 1 && !strcmp(argv[1], "nfs")) {
		nfs_replace(argv + 2);
		return EXIT_FAILURE;
	}
	argp_parse(&argp, argc, argv, 0, NULL, &args);
	if (args.list) {
		list();
		return EXIT_SUCCESS;
	}
	reserve_tls(argv);
	bench.repeat = args.repeat;
	bench.run_ns = args.seconds * 1e9;
	if (!measure_figures(&bench, &args))
		return EXIT_FAILURE;
	show(&bench);
	if (args.json && !show_json(&bench, args.json))
		return EXIT_FAILURE;
	figures_free(&bench);
	mix_free(&bench.mix);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}
