/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * What the options of an engine may be.  Before there is one: the sentence that
 * says what is wrong goes straight to the handler.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/sized.h"
#include "rpcbuf/os/why.h"

#define THREADS_MAX	4096u
#define BATCH_CALLS_MAX 1024u
#define HANDOVER_US_MIN 100u
#define READ_AHEAD_MIN	512u
#define READ_AHEAD_MAX	(1u << 30)
#define FRAGMENTS_MAX	(1u << 20)
#define LEAST_RATE_MAX	(1u << 20)
/* The longest record that a vector takes from any offset in its first page. */
#define LENGTH_MAX                                                   \
	(((uint64_t)RPCBUF_RQST_MAXPAGES_MAX << RPCBUF_PAGE_SHIFT) - \
	 (RPCBUF_PAGE_SIZE - 1))

struct range {
	const char *name;
	uint64_t value, least, most;
};

static void say(const struct rpcbuf_handlers *handlers, const char *line)
{
	if (handlers->log)
		handlers->log(RPCBUF_LOG_ERROR, line);
}

static void say_invalid(const struct rpcbuf_handlers *handlers,
			const char *line)
{
	os_why(-EINVAL, "%s", line);
	say(handlers, line);
}

static bool in_range(const struct rpcbuf_handlers *handlers,
		     const struct range *r)
{
	char line[128];

	if (r->value >= r->least && r->value <= r->most)
		return true;
	snprintf(line, sizeof(line),
		 "engine option %s is %llu, must be from %llu to %llu", r->name,
		 (unsigned long long)r->value, (unsigned long long)r->least,
		 (unsigned long long)r->most);
	say_invalid(handlers, line);
	return false;
}

int engine_budget_refused(const struct rpcbuf_handlers *handlers,
			  uint64_t pages, unsigned int least)
{
	char line[160];

	snprintf(line, sizeof(line),
		 "the budget is %llu pages, must be %u at least: for a call of "
		 "limits.max_length per receiver, and two more",
		 (unsigned long long)pages, least);
	say_invalid(handlers, line);
	return -EINVAL;
}

int engine_refused(const struct rpcbuf_handlers *handlers, int err)
{
	char line[320];

	snprintf(line, sizeof(line), "the engine cannot start: %s",
		 rpcbuf_why());
	say(handlers, line);
	return err;
}

int engine_options_read(struct rpcbuf_handlers *handlers,
			const struct rpcbuf_handlers *given_handlers,
			struct rpcbuf_engine_options *options,
			const struct rpcbuf_engine_options *given)
{
	char line[128];
	int err;

	err = sized_read(handlers, sizeof(*handlers), given_handlers);
	if (err)
		return os_why(err,
			      "the handlers have %zu bytes, or set what this "
			      "library does not know behind its %zu",
			      given_handlers->size, sizeof(*handlers));
	err = sized_read(options, sizeof(*options), given);
	if (!err)
		return 0;
	snprintf(line, sizeof(line),
		 "the engine options have %zu bytes, or set what this library "
		 "does not know behind its %zu",
		 given->size, sizeof(*options));
	say(handlers, line);
	return os_why(err, "%s", line);
}

bool engine_options_valid(const struct rpcbuf_handlers *handlers,
			  const struct rpcbuf_engine_options *o)
{
	const struct range ranges[] = {
		{"limits.max_length", o->limits.max_length, RPCBUF_PAGE_SIZE,
		 LENGTH_MAX},
		{"limits.max_fragments", o->limits.max_fragments, 1,
		 FRAGMENTS_MAX},
		{"backend", o->backend, RPCBUF_BACKEND_AUTO,
		 RPCBUF_BACKEND_URING},
		{"receivers", o->receivers, 0, ENGINE_RECEIVERS_MAX},
		{"max_threads", o->max_threads, 1, THREADS_MAX},
		{"read_ahead", o->read_ahead, READ_AHEAD_MIN, READ_AHEAD_MAX},
		{"handover_us", o->handover_us, HANDOVER_US_MIN, UINT32_MAX},
		{"batch_calls", o->batch_calls, 1, BATCH_CALLS_MAX},
		{"max_calls", o->max_calls, 0, INT32_MAX},
		{"least_rate", o->least_rate, 0, LEAST_RATE_MAX},
	};

	if (!handlers->call || !handlers->closed)
		return false;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (!in_range(handlers, &ranges[i]))
			return false;
	return true;
}
