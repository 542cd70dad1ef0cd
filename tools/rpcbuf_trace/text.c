/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * A line per call, in columns; the column that may contain blanks is the last.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "names.h"
#include "output.h"

static int text_begin(const struct server *server, const char *path,
		      struct fault *fault)
{
	(void)server;
	(void)path;
	(void)fault;
	printf("%-15s %-21s %8s %8s %4s %5s %5s %5s %4s %4s %9s %9s %9s %8s %6s %5s %s\n",
	       "TIME", "CLIENT", "XID", "BYTES", "FRAG", "PAGES", "FILL",
	       "REUSE", "RUNS", "BULK", "WAIT_US", "RECV_US", "REPLY_US",
	       "RBYTES", "RPAGES", "RSRVD", "CALL");
	return FAULT_NONE;
}

static void print_time(uint64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char text[16] = "";
	struct tm tm;

	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%T", &tm);
	printf("%8s.%06" PRIu64, text, ns / 1000 % 1000000);
}

static void print_client(const struct rpcbuf_event *event)
{
	char address[ADDRESS_LENGTH], text[ADDRESS_LENGTH + 8];

	snprintf(text, sizeof(text), "%s:%u",
		 name_address(event->address, address), event->port);
	printf(" %-21s", text);
}

static void print_us(uint64_t ns)
{
	printf(" %7" PRIu64 ".%" PRIu64, ns / 1000, ns / 100 % 10);
}

static void print_call(const struct rpcbuf_event *event)
{
	char program[NAME_LENGTH], name[NAME_LENGTH];
	unsigned int nr = name_nr_operations(event);

	if (event->flags & RPCBUF_EVENT_NO_CALL) {
		printf(" reply\n");
		return;
	}
	printf(" %s %s", name_program(event, program),
	       name_procedure(event, name));
	for (unsigned int i = 0; i < nr; i++)
		printf(" %s", name_operation(event->ops[i], name));
	puts(nr < event->nr_ops || event->flags & RPCBUF_EVENT_CUT_OPS ? " ..."
								       : "");
}

static void text_event(const struct rpcbuf_event *event, uint64_t time_ns)
{
	print_time(time_ns);
	print_client(event);
	printf(" %08x %8u %4u %5u %5u %5u %4u %4u", event->xid, event->bytes,
	       event->fragments, event->pages, event->filled, event->reused,
	       event->runs, event->bulk_calls);
	print_us(event->wait_ns);
	print_us(event->receive_ns);
	print_us(event->reply_ns);
	printf(" %8u %6u %5u", event->reply_bytes, event->reply_pages,
	       event->reply_reserved);
	print_call(event);
}

static void text_lost(uint64_t nr)
{
	printf("# %" PRIu64 " calls lost here\n", nr);
}

static int text_end(uint64_t shown, uint64_t lost, struct fault *fault)
{
	(void)fault;
	printf("# %" PRIu64 " calls, %" PRIu64 " lost\n", shown, lost);
	return FAULT_NONE;
}

const struct output output_text = {
	.begin = text_begin,
	.event = text_event,
	.lost = text_lost,
	.end = text_end,
};
