/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * Checks the options of an engine, before it exists: errors go straight to the
 * log handler.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "rpcbuf/engine/engine_private.h"
#include "rpcbuf/os/sized.h"
#include "rpcbuf/os/why.h"

struct range {
	const char *name;
	uint64_t value, least, most;
};

static void log_error(const struct rpcbuf_handlers *handlers, const char *line)
{
	if (handlers->log)
		handlers->log(RPCBUF_LOG_ERROR, line);
}

static void log_invalid(const struct rpcbuf_handlers *handlers,
			const char *line)
{
	os_why(-EINVAL, "%s", line);
	log_error(handlers, line);
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
	log_invalid(handlers, line);
	return false;
}

int engine_budget_refused(const struct rpcbuf_handlers *handlers,
			  uint64_t pages, unsigned int least)
{
	char line[160];

	snprintf(line, sizeof(line),
		 "the budget is %llu pages, must be at least %u: one call of "
		 "limits.max_length for the receiver, and two more",
		 (unsigned long long)pages, least);
	log_invalid(handlers, line);
	return -EINVAL;
}

int engine_refused(const struct rpcbuf_handlers *handlers, int err)
{
	char line[320];

	snprintf(line, sizeof(line), "the engine cannot start: %s",
		 rpcbuf_why());
	log_error(handlers, line);
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
		return os_why(err, "the handlers" SIZED_WRONG,
			      given_handlers->size, sizeof(*handlers));
	err = sized_read(options, sizeof(*options), given);
	if (!err)
		return 0;
	snprintf(line, sizeof(line), "the engine options" SIZED_WRONG,
		 given->size, sizeof(*options));
	log_error(handlers, line);
	return os_why(err, "%s", line);
}

bool engine_options_valid(const struct rpcbuf_handlers *handlers,
			  const struct rpcbuf_engine_options *o)
{
	const struct range ranges[] = {
#define X(type, member, least, most, ...) \
	{"limits." #member, o->limits.member, least, most},
		RPCBUF_LIMIT_OPTIONS(X)
#undef X
#define X(type, member, least, most, ...) \
	{#member, (uint64_t)o->member, least, most},
		RPCBUF_ENGINE_OPTIONS(X)
#undef X
	};

	if (!handlers->call || !handlers->closed)
		return false;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(*ranges); i++)
		if (!in_range(handlers, &ranges[i]))
			return false;
	return true;
}
