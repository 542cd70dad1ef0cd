/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * The pages of each call, one number per line, for rpcbuf-bench to replay.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "output.h"
#include "tools/rpcbuf_bench/mix.h"

static FILE *file;
static char name[4096];
static uint64_t nr, left_out;

static int mix_failed(struct fault *fault, int err)
{
	return fault_set(fault, FAULT_OUTPUT, "%s cannot be written: %s", name,
			 strerror(err));
}

static int mix_begin(const struct server *server, const char *path,
		     struct fault *fault)
{
	snprintf(name, sizeof(name), "%s", path);
	file = fopen(path, "we");
	if (!file)
		return mix_failed(fault, errno);
	fprintf(file, "# pages of the calls of %s, process %d\n",
		server->header->program, (int)server->pid);
	return FAULT_NONE;
}

static void mix_event(const struct rpcbuf_event *event, uint64_t time_ns)
{
	(void)time_ns;
	if (!event->pages || event->pages > MIX_PAGES_MAX ||
	    nr >= MIX_REQUESTS_MAX) {
		left_out++;
		return;
	}
	nr++;
	fprintf(file, "%u\n", event->pages);
}

static int mix_flush(struct fault *fault)
{
	return fflush(file) || ferror(file) ? mix_failed(fault, errno)
					    : FAULT_NONE;
}

static int mix_end(uint64_t shown, uint64_t lost, struct fault *fault)
{
	bool bad;

	(void)shown;
	fprintf(file, "# %" PRIu64 " calls, %" PRIu64 " lost\n", nr, lost);
	bad = ferror(file);
	if (fclose(file) || bad)
		return mix_failed(fault, errno);
	if (left_out)
		fprintf(stderr,
			"rpcbuf-trace: %" PRIu64
			" calls were left out of %s: it takes %u calls of at most %u pages\n",
			left_out, name, MIX_REQUESTS_MAX, MIX_PAGES_MAX);
	return FAULT_NONE;
}

const struct output output_mix = {
	.begin = mix_begin,
	.event = mix_event,
	.flush = mix_flush,
	.end = mix_end,
};
