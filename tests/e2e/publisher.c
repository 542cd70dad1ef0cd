/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A program that publishes without serving: figures that grow in proportion to
 * time, for tests of tools that read segments.
 *
 * usage: publisher FOLDER NAME [CLIENTS]
 */
#include <arpa/inet.h>
#include <rpcbuf/publish.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Growth per millisecond; gauges stay. */
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
	{"reply_bytes", 20 << 20, 0, RPCBUF_COUNTER},
	{"reply_pages", 15, 0, RPCBUF_COUNTER},
	{"reply_reserve_pages", 0, 9, RPCBUF_COUNTER},
	{"reply_reserve_empty", 0, 3, RPCBUF_COUNTER},
	{"unsent_bytes", 0, 3 << 20, RPCBUF_GAUGE},
	{"unsent_kept_bytes", 0, 4 << 20, RPCBUF_GAUGE},
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

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t start_ms;
static unsigned int nr_clients;

/*
 * Client i is 10.0.0.i, has i connections, i calls per millisecond, 3 i pages
 * and i KiB of unsent replies, which pin 4 i KiB; every fourth has waited since
 * 10 i seconds before the start, and every fifth was refused i times for its
 * length and once for its time.  The last is 2001:db8::1.
 */
static void show_clients(void *owner, struct rpcbuf_publisher *publisher)
{
	uint64_t ms = now_ms();

	(void)owner;
	for (unsigned int i = 1; i <= nr_clients; i++) {
		uint8_t address[16] = {[10] = 0xff, [11] = 0xff, [12] = 10};
		struct rpcbuf_client *row;

		address[14] = (uint8_t)(i >> 8);
		address[15] = (uint8_t)i;
		if (i == nr_clients)
			inet_pton(AF_INET6, "2001:db8::1", address);
		row = rpcbuf_publisher_client(publisher, address);
		if (!row)
			continue;
		row->connections = i;
		row->requests = ms * i;
		row->bytes = (ms * i) << 20;
		row->held_pages = 3 * i;
		row->held_bytes = 3 * i * 4096;
		row->in_flight = i % 7;
		row->reply_bytes = (ms * i) << 21;
		row->unsent_bytes = i << 10;
		row->unsent_kept_bytes = i << 12;
		if (i % 4 == 0) {
			row->waiting = i / 4;
			row->waiting_ns = (start_ms - 10000 * i) * 1000000;
			row->waits = i;
		}
		if (i % 5 == 0) {
			row->refused_length = i;
			row->refused_timeout = 1;
		}
	}
}

static void read_figures(void *owner, uint64_t *values)
{
	uint64_t ms = now_ms();

	(void)owner;
	for (size_t i = 0; i < NR_EVENS; i++)
		values[i] = evens[i].start + ms * evens[i].step;
	memset(values + NR_EVENS, 0, BUCKETS * sizeof(*values));
	values[NR_EVENS] = ms * 600;	 /* of one page */
	values[NR_EVENS + 6] = ms * 385; /* of up to 64 */
	values[NR_EVENS + 9] = ms * 15;	 /* of up to 512 */
}

int main(int argc, char **argv)
{
	struct rpcbuf_publisher_options options = RPCBUF_PUBLISHER_OPTIONS_INIT;
	struct rpcbuf_source source = {
		.size = sizeof(source),
		.owner = figures,
		.figures = figures,
		.nr_figures = NR_EVENS + 1,
		.read = read_figures,
	};
	struct rpcbuf_publisher *publisher;
	sigset_t signals;
	int signal, err;

	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: publisher FOLDER NAME [CLIENTS]\n");
		return 2;
	}
	if (argc == 4) {
		nr_clients = (unsigned int)atoi(argv[3]);
		source.clients = show_clients;
	}
	start_ms = now_ms();
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
