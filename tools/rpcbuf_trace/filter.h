/* SPDX-License-Identifier: LGPL-3.0-or-later */
/*
 * filter.h - selects the calls to show.
 */
#ifndef RPCBUF_TRACE_FILTER_H
#define RPCBUF_TRACE_FILTER_H

#include <rpcbuf/segment.h>

#define FILTER_MAX 16

struct filter {
	struct {
		uint8_t address[16];
		unsigned int bits; /* length of the prefix */
	} clients[FILTER_MAX];
	const char *procedures[FILTER_MAX];
	unsigned int nr_clients, nr_procedures;
	uint32_t min_pages;
	uint64_t min_wait_ns;
};

/* Parses ADDRESS or ADDRESS/BITS; false: invalid. */
bool filter_add_client(struct filter *filter, const char *text);

/* Parses WRITE or NFS3.WRITE, for NFSv4 an operation; false: unknown. */
bool filter_add_procedure(struct filter *filter, const char *text);

/* Parses "10us", "2ms", "1s", "500ns" or "500" into nanoseconds; false:
 * invalid. */
bool filter_time(const char *text, uint64_t *ns);

bool filter_passes(const struct filter *filter,
		   const struct rpcbuf_event *event);

#endif
