/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A program that publishes without serving: figures that grow evenly with the
 * time, for tests of the tools that read segments.
 *
 * usage: publisher FOLDER NAME
 */
#include <rpcbuf/publish.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* What they grow by in a millisecond; gauges stay. */
static const struct even {
	const char *name;
	uint64_t step, start;
	enum rpcbuf_metric_kind kind;
} evens[] = {
	{"requests", 10, 0, RPCBUF_COUNTER},
	{"pages", 1250, 0, RPCBUF_COUNTER},
	{"runs", 20, 0, RPCBUF_COUNTER},
	{"pages_filled", 2570, 0, RPCBUF_COUNTER},
	{"bulk_calls", 2, 0, RPCBUF_COUNTER},
	{"bytes_received", 10 << 20, 0, RPCBUF_COUNTER},
	{"payloads_in_place", 199, 0, RPCBUF_COUNTER},
	{"payloads_copied", 1, 0, RPCBUF_COUNTER},
	{"sleeps", 0, 5, RPCBUF_COUNTER},
	{"sleep_ns", 0, 5, RPCBUF_COUNTER},
	{"records_refused", 0, 5, RPCBUF_COUNTER},
	{"refused_length", 0, 5, RPCBUF_COUNTER},
	{"connections", 0, 7, RPCBUF_GAUGE},
	{"mm_out_pages", 0, 1234567, RPCBUF_GAUGE},
	{"mm_cached_pages", 0, 12, RPCBUF_GAUGE},
	{"mm_kept_pages", 0, 259, RPCBUF_GAUGE},
	{"newer_than_the_tool", 0, 42, RPCBUF_MAXIMUM},
};
#define NR_EVENS (sizeof(evens) / sizeof(*evens))
#define BUCKETS	 14
static struct rpcbuf_figure figures[NR_EVENS + 1];

static void read_figures(void *owner, uint64_t *values)
{
	struct timespec now;
	uint64_t ms;

	(void)owner;
	clock_gettime(CLOCK_MONOTONIC, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	for (size_t i = 0; i < NR_EVENS; i++)
		values[i] = evens[i].start + ms * evens[i].step;
	memset(values + NR_EVENS, 0, BUCKETS * sizeof(*values));
	values[NR_EVENS] = ms * 600;	 /* of one page */
	values[NR_EVENS + 6] = ms * 385; /* of up to 64 */
	values[NR_EVENS + 9] = ms * 15;	 /* of up to 512 */
}

int main(int argc, char **argv)
{
	struct rpcbuf_publisher_options options = {0};
	const struct rpcbuf_source source = {
		.owner = figures,
		.figures = figures,
		.nr_figures = NR_EVENS + 1,
		.read = read_figures,
	};
	struct rpcbuf_publisher *publisher;
	sigset_t signals;
	int signal, err;

	if (argc != 3) {
		fprintf(stderr, "usage: publisher FOLDER NAME\n");
		return 2;
	}
	options.folder = argv[1];
	options.name = argv[2];
	for (size_t i = 0; i < NR_EVENS; i++)
		figures[i] = (struct rpcbuf_figure){evens[i].name, "even",
						    evens[i].kind, 0};
	figures[NR_EVENS] = (struct rpcbuf_figure){"pages_per_request", "even",
						   RPCBUF_HISTOGRAM, BUCKETS};
	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	err = rpcbuf_publisher_create(&publisher, &options);
	if (!err)
		err = rpcbuf_publisher_add(publisher, &source);
	if (err) {
		fprintf(stderr, "publisher: %s\n", strerror(-err));
		return 1;
	}
	sigwait(&signals, &signal);
	rpcbuf_publisher_destroy(publisher);
	return 0;
}
