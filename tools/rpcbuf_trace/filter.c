/* SPDX-License-Identifier: LGPL-3.0-or-later */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "filter.h"
#include "names.h"

#define MAPPED_BITS 96

static bool parse_number(const char *text, uint64_t most, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno &&
	       *value <= most;
}

bool filter_add_client(struct filter *filter, const char *text)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : strlen(text);
	uint8_t *to = filter->clients[filter->nr_clients].address;
	uint64_t bits = 128, first = 0;

	if (filter->nr_clients == FILTER_MAX || len >= sizeof(address))
		return false;
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, to + sizeof(mapped)) == 1) {
		memcpy(to, mapped, sizeof(mapped));
		first = MAPPED_BITS;
	} else if (inet_pton(AF_INET6, address, to) != 1) {
		return false;
	}
	if (slash && !parse_number(slash + 1, 128 - first, &bits))
		return false;
	filter->clients[filter->nr_clients++].bits =
		(unsigned int)(slash ? bits + first : 128);
	return true;
}

/* True when @wanted is "name" or "program.name", in any case of letters. */
static bool is_named(const char *wanted, const char *program, const char *name)
{
	size_t len = strlen(program);

	if (!strncasecmp(wanted, program, len) && wanted[len] == '.')
		wanted += len + 1;
	return !strcasecmp(wanted, name);
}

static bool has_procedure(const char *wanted, const struct rpcbuf_event *event)
{
	char program[NAME_LENGTH], name[NAME_LENGTH];
	const char *of = name_program(event, program);

	if (is_named(wanted, of, name_procedure(event, name)))
		return true;
	for (unsigned int i = 0; i < name_nr_operations(event); i++)
		if (is_named(wanted, of, name_operation(event->ops[i], name)))
			return true;
	return false;
}

/* True when some call matches the name. */
static bool exists(const char *wanted)
{
	static const struct {
		uint32_t number, first, last;
	} programs[] = {
		{100003, 2, 4}, {100005, 1, 3}, {100021, 1, 4}, {100000, 2, 4},
		{100024, 1, 1}, {100011, 1, 2}, {100227, 2, 3},
	};
	struct rpcbuf_event event = {0};

	for (size_t i = 0; i < sizeof(programs) / sizeof(*programs); i++) {
		event.program = programs[i].number;
		for (event.version = programs[i].first;
		     event.version <= programs[i].last; event.version++)
			for (event.procedure = 0; event.procedure < 32;
			     event.procedure++)
				if (has_procedure(wanted, &event))
					return true;
	}
	event = (struct rpcbuf_event){
		.program = 100003, .version = 4, .procedure = 1, .nr_ops = 1};
	for (unsigned int op = 1; op < 256; op++) {
		event.ops[0] = (uint8_t)op;
		if (has_procedure(wanted, &event))
			return true;
	}
	event.flags = RPCBUF_EVENT_NO_CALL;
	return has_procedure(wanted, &event);
}

bool filter_add_procedure(struct filter *filter, const char *text)
{
	if (filter->nr_procedures == FILTER_MAX || !exists(text))
		return false;
	filter->procedures[filter->nr_procedures++] = text;
	return true;
}

bool filter_time(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		uint64_t ns;
	} units[] = {{"", 1},
		     {"ns", 1},
		     {"us", 1000},
		     {"ms", 1000000},
		     {"s", 1000000000}};
	size_t digits = strspn(text, "0123456789");
	char number[20];
	uint64_t value;

	if (!digits || digits >= sizeof(number))
		return false;
	memcpy(number, text, digits);
	number[digits] = '\0';
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++)
		if (!strcmp(text + digits, units[i].unit) &&
		    parse_number(number, UINT64_MAX / units[i].ns, &value)) {
			*ns = value * units[i].ns;
			return true;
		}
	return false;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned int bits)
{
	unsigned int rest = bits % 8;

	return !memcmp(a, b, bits / 8) &&
	       (!rest ||
		!((a[bits / 8] ^ b[bits / 8]) & (0xff00 >> rest & 0xff)));
}

bool filter_passes(const struct filter *filter,
		   const struct rpcbuf_event *event)
{
	bool client = !filter->nr_clients, procedure = !filter->nr_procedures;

	if (event->pages < filter->min_pages ||
	    event->wait_ns < filter->min_wait_ns)
		return false;
	for (unsigned int i = 0; i < filter->nr_clients; i++)
		client |= same_bits(event->address, filter->clients[i].address,
				    filter->clients[i].bits);
	for (unsigned int i = 0; i < filter->nr_procedures && client; i++)
		procedure |= has_procedure(filter->procedures[i], event);
	return client && procedure;
}
