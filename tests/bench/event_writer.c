/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Goal: a writer of events at a constant rate, whatever the load of the
 * machine.
 * Method: once a reader traces, RATE events a second for SECONDS, all that are
 * due at a time; their number is printed.
 *
 * usage: event_writer FOLDER RATE SECONDS
 */
#include <rpcbuf/publish.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void write_event(struct rpcbuf_publisher *publisher, uint64_t number,
			uint64_t now)
{
	struct rpcbuf_event event = {
		.time_ns = now - 20000,
		.address = {[10] = 0xff, [11] = 0xff, 127, 0, 0, 1},
		.xid = (uint32_t)number,
		.program = 100003,
		.version = 3,
		.procedure = 6,
		.bytes = 140,
		.fragments = 1,
		.pages = 1,
		.filled = 1,
		.runs = 1,
		.reply_ns = 20000,
	};

	rpcbuf_publisher_write_event(publisher, &event);
}

int main(int argc, char **argv)
{
	struct rpcbuf_publisher_options options = RPCBUF_PUBLISHER_OPTIONS_INIT;
	struct rpcbuf_publisher *publisher;
	uint64_t rate, seconds, start, written = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: event_writer FOLDER RATE SECONDS\n");
		return 2;
	}
	options.folder = argv[1];
	rate = strtoull(argv[2], NULL, 10);
	seconds = strtoull(argv[3], NULL, 10);
	if (rpcbuf_publisher_create(&publisher, &options))
		return 1;
	while (!(rpcbuf_publisher_watched(publisher, now_ns()) &
		 RPCBUF_WATCH_EVENTS))
		usleep(1000);
	sleep(1); /* the reader has begun */
	start = now_ns();
	while (written < rate * seconds) {
		uint64_t now = now_ns();
		uint64_t due = (now - start) / 1000 * rate / 1000000;

		while (written < due && written < rate * seconds)
			write_event(publisher, written++, now);
		usleep(100);
	}
	sleep(1); /* it has read all of it */
	printf("%llu\n", (unsigned long long)written);
	rpcbuf_publisher_destroy(publisher);
	return 0;
}
